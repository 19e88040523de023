//go:build deployments

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// The Redis of a fleet, and what its nodes have in common.
const (
	redisPort     = "6379"
	redisPassword = "a password of this laboratory"
	redisURL      = "REDIS_URL=redis://:a%20password%20of%20this%20laboratory@127.0.0.1:" + redisPort
)

// ofFleets are the faults of nodes that meet in a Redis.
func ofFleets() []fault {
	return []fault{
		{
			name:   "the Redis of the fleet does not run",
			breaks: func(d *deployment) { d.fleet(redisURL) },
			harm:   (*deployment).twoNodes, cause: "redis-down", onHost: true,
			says: "sudo systemctl start redis-server", mends: func(d *deployment, _ string) { d.startRedis(); d.awaitRedis() },
		},
		{
			name:   "the Redis of the fleet has another password",
			breaks: func(d *deployment) { d.startRedis(); d.fleet(wrongRedis) },
			harm:   (*deployment).twoNodes, cause: "redis-down", onHost: true,
			says: "WASMP2PCHAT_REDIS_URL", mends: func(d *deployment, _ string) { d.fleet(redisURL); d.awaitRedis() },
		},
		{
			name: "nothing of the Redis of the fleet comes back",
			breaks: func(d *deployment) {
				d.startRedis()
				d.feed("nft -f -", `table inet filter {
	chain input {
		type filter hook input priority filter;
		tcp dport `+redisPort+` drop
	}
}`)
				d.fleet(redisURL)
			},
			harm: (*deployment).twoNodes, cause: "redis-down", onHost: true,
			says: "tcp dport " + redisPort + " accept", mends: func(d *deployment, fix string) { d.shell(firewallCommand.FindString(fix)); d.awaitRedis() },
		},
		{
			name: "a node of the fleet has another ROOM_SECRET",
			breaks: func(d *deployment) {
				d.startRedis()
				d.fleet(redisURL, "ROOM_SECRET=another secret of this laboratory")
				d.awaitRedis()
			},
			harm: (*deployment).twoNodes, cause: "secret-mismatch", onHost: true,
			says: "WASMP2PCHAT_ROOM_SECRET", mends: func(d *deployment, _ string) { d.fleet(redisURL); d.awaitRedis() },
		},
	}
}

// wrongRedis is redisURL with the password that somebody remembers.
const wrongRedis = "REDIS_URL=redis://:letmein@127.0.0.1:" + redisPort

// secondPort is where the second node of a fleet is.
const secondPort = "8443"

// fleet starts two nodes on the host, or starts them again: the healthy deployment,
// and one that pairs and introduces and has settings of its own.
func (d *deployment) fleet(redis string, ofSecond ...string) {
	d.t.Helper()
	if d.other != nil {
		d.other()
	}
	d.set(redis, roomSecret, turnSecrets, "NODE_ID=n1")
	d.serve()
	second := d.secondNode(append(append(slices.Clone(d.settings), "NODE_ID=n2", "ROLES=match,signal", "STATE_DIR="+d.t.TempDir(),
		"ADDR=:"+secondPort, "REDIRECT_ADDR=off"), ofSecond...)...)
	d.other = second.stop
}

// startRedis starts Debian's Redis on the host.
func (d *deployment) startRedis() {
	d.t.Helper()
	path, err := exec.LookPath("redis-server")
	need(d.t, missing(err, "redis-server", "redis-server"))
	d.starts(d.lab.Server(), redisPort, path, "--port", redisPort, "--bind", "127.0.0.1", "--requirepass", redisPassword, "--save", "", "--dir", d.t.TempDir())
}

// awaitRedis waits until both nodes can use their Redis, and know one another.
func (d *deployment) awaitRedis() {
	d.t.Helper()
	eventually(d.t, "both nodes have their Redis", func() bool {
		for _, admin := range []string{"127.0.0.1:9090", "127.0.0.1:9091"} {
			if strings.Contains(d.ask(admin, "/readyz"), "redis is down") || !strings.Contains(d.ask(admin, "/api/nodes"), `"n1"`) || !strings.Contains(d.ask(admin, "/api/nodes"), `"n2"`) {
				return false
			}
		}
		return true
	})
}

// ask is what a server says to the machine that it runs on; empty: nothing.
func (d *deployment) ask(admin, path string) string {
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, "http://"+admin+path, nil)
	if err != nil {
		return ""
	}
	client := &http.Client{Timeout: unanswered, Transport: &http.Transport{DialContext: d.lab.Server().Dial, DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return ""
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return ""
	}
	return string(text)
}

// strangers is how long two who are at two nodes may take to meet: far more than
// they do.
const strangers = 5 * time.Second

// twoNodes is a fleet in which two meet who came to different nodes, and both are let
// into their room where they are.
func (d *deployment) twoNodes() error {
	ctx, cancel := context.WithTimeout(d.t.Context(), strangers)
	defer cancel()
	hosts := []string{domain, domain + ":" + secondPort}
	var seekers []*websocket.Conn
	for i, host := range hosts {
		conn, err := d.openAt(ctx, host, "/matchmaking")
		if err != nil {
			return err
		}
		defer func() { _ = conn.CloseNow() }()
		seekers = append(seekers, conn)
		if err := wsjson.Write(ctx, conn, wire.MatchRequest{UserID: fmt.Sprintf("probe %d", i), CreatedAt: time.Now(), Tags: []string{"probe"}}); err != nil {
			return err
		}
	}
	for i, seeker := range seekers {
		found := wire.MatchMessage{Type: wire.MatchWaiting}
		for found.Type == wire.MatchWaiting {
			if err := wsjson.Read(ctx, seeker, &found); err != nil {
				return fmt.Errorf("two at two nodes do not meet: %w", err)
			}
		}
		if found.Type != wire.MatchFound {
			return errors.New("the lobby answers " + found.Type)
		}
		conn, err := d.openAt(ctx, hosts[i], "/signaling")
		if err != nil {
			return err
		}
		defer func() { _ = conn.CloseNow() }() // not before the other one is in
		if err := enters(ctx, conn, found.RoomID); err != nil {
			return err
		}
	}
	return nil
}

// openAt opens a WebSocket of one node, as a client does that is no browser.
func (d *deployment) openAt(ctx context.Context, host, path string) (*websocket.Conn, error) {
	conn, res, err := websocket.Dial(ctx, "wss://"+host+path, &websocket.DialOptions{HTTPClient: d.visitor(d.addrs[0])})
	if err != nil && res != nil && res.Body != nil {
		_ = res.Body.Close()
	}
	return conn, err
}
