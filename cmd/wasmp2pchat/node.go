package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
)

// maxNodeName is the longest NODE_ID and NODE_REGION, as long as a label of the
// DNS (RFC 1035 §2.3.1): they are part of keys, of messages and of labels.
const maxNodeName = 63

// nodeName is a word that a node or a region goes by. It has no dot, because
// names of tickets are made of it and of numbers, with dots between them.
type nodeName string

var errNodeName = fmt.Errorf("1 to %d letters, digits, - or _, such as paris-1", maxNodeName)

// UnmarshalText takes a word.
func (n *nodeName) UnmarshalText(text []byte) error {
	if asNodeName(string(text)) != string(text) || len(text) == 0 {
		return errNodeName
	}
	*n = nodeName(text)
	return nil
}

// asNodeName leaves out of a text what no name may have.
func asNodeName(text string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return -1
	}, text)
	return name[:min(len(name), maxNodeName)]
}

// nodeID is what this node is called: NODE_ID, else the host's name without its
// domain.
func (c *config) nodeID() string {
	if c.Node.ID != "" {
		return string(c.Node.ID)
	}
	host, err := os.Hostname()
	if err != nil {
		return "node"
	}
	host, _, _ = strings.Cut(host, ".")
	if host = asNodeName(host); host == "" {
		return "node"
	}
	return host
}

// nodeURL is where browsers come to one node of a fleet: its page and, below it,
// its WebSockets. It has no slash at its end.
type nodeURL string

// UnmarshalText takes an http or https URL, which may have a path: a proxy may
// tell nodes apart by that.
func (n *nodeURL) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "" || strings.HasSuffix(string(text), "#") {
		return errors.New("this node's own URL, such as https://n1.example.org, without a password or a query")
	}
	*n = nodeURL(strings.TrimRight(u.String(), "/"))
	return nil
}

// isFrom reports whether a browser says that origin of a page that it has from
// there.
func (n nodeURL) isFrom(origin string) bool {
	if len(origin) > len(n) || !strings.EqualFold(string(n[:len(origin)]), origin) {
		return false
	}
	return strings.Count(origin, "/") == len("//") && (len(origin) == len(n) || n[len(origin)] == '/')
}

// redisURL is where the fleet meets. All of it is a secret: a password may stand
// in several of its places.
type redisURL string

func (redisURL) String() string       { return "[redacted]" }
func (redisURL) GoString() string     { return "[redacted]" }
func (redisURL) LogValue() slog.Value { return slog.StringValue("[redacted]") }
func (r redisURL) reveal() string     { return string(r) }

// UnmarshalText takes what redisdb can use. It connects to nothing.
func (r *redisURL) UnmarshalText(text []byte) error {
	if _, err := redisdb.Open(string(text), redisdb.Options{}); err != nil {
		return err
	}
	*r = redisURL(text)
	return nil
}
