package doctor

import (
	"net/url"
	"regexp"
	"strings"
)

// redisDown is how the warning of a node begins that cannot use its Redis.
const redisDown = "redis is down"

// redisPort is where a Redis listens that was told nothing else.
const redisPort = "6379"

// redisURL finds in a warning where the Redis is.
var redisURL = regexp.MustCompile(`(?:redis|rediss|valkey|valkeys)(?:[+-]sentinel)?://[^\s,;)]+`)

// mendRedis is what an operator does about a Redis that a node cannot use, by what
// the node says of it.
func mendRedis(text string) string {
	const ping = "redis-cli -u <the URL in the settings> ping   must answer PONG"
	host, port := "the machine of Redis", redisPort
	if u, err := url.Parse(redisURL.FindString(text)); err == nil && u.Hostname() != "" {
		host = u.Hostname()
		if u.Port() != "" {
			port = u.Port()
		}
	}
	switch {
	case strings.Contains(text, "refused"):
		return "sudo systemctl start redis-server   on " + host + "; " + ping
	case strings.Contains(text, "does not answer"), strings.Contains(text, "i/o timeout"), strings.Contains(text, "no route to host"), strings.Contains(text, "unreachable"):
		return "sudo nft insert rule inet filter input tcp dport " + port + " accept   on " + host + ", where Redis has to run; " + ping
	case strings.Contains(text, "WRONGPASS"), strings.Contains(text, "NOAUTH"), strings.Contains(text, "AUTH"):
		return "correct the user and the password in " + setting + "REDIS_URL and restart; " + ping
	}
	return "do what it says, on " + host + " or in " + setting + "REDIS_URL; " + ping
}
