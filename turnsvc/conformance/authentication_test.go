package conformance

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// credentialRows ask who may ask (RFC 8489 §9.2.4).
func credentialRows() []row {
	const (
		refused = "401"
		bad     = "400 unsigned"
	)
	return []row{
		{name: "an Allocate without a credential", probe: func(c *client) string { return c.say(allocate, udp()).String() }, want: refused, stock: "401"},
		{name: "a wrong password", probe: func(c *client) string {
			c.password = "guessed"
			return c.allocate().String()
		}, want: refused, stock: bad},
		{name: "an unknown user", probe: func(c *client) string {
			c.username = "admin"
			return c.allocate().String()
		}, want: refused, stock: bad},
		{name: "an expired credential", probe: func(c *client) string {
			c.username, c.password = c.credential("ann", -time.Minute)
			return c.allocate().String()
		}, want: refused, stock: bad},
		{name: "another realm", probe: func(c *client) string {
			c.realm = "example.org"
			return c.allocate().String()
		}, want: refused, stock: "success"},
		{name: "no USERNAME", probe: without(attrUsername), want: "400 unsigned | 401", stock: bad},
		{name: "no REALM", probe: without(attrRealm), want: "400 unsigned | 401", stock: bad},
		{name: "no NONCE", probe: without(attrNonce), want: "400 unsigned | 401", stock: bad},
		{name: "a MESSAGE-INTEGRITY of 12 bytes", probe: func(c *client) string {
			parts := []part{udp(), text(attrUsername, c.username), text(attrRealm, c.realm)}
			c.signed(allocate) // fetches a nonce
			p := message(allocate, append(parts, text(attrNonce, c.nonce), attr(attrIntegrity, make([]byte, 12)...))...)
			return c.exchange(p, c.key()).String()
		}, want: "400 unsigned | 401", stock: bad},
		{name: "a username of 600 bytes", probe: user(strings.Repeat("u", 600)), want: "400 unsigned | 401", stock: "success"},
		{name: "a username of 1200 bytes", probe: user(strings.Repeat("u", 1200)), want: "400 unsigned | 401", stock: "success"},
		{name: "control characters in the username", probe: user("a\r\n\x1b[2Jlevel=ERROR\x00"), want: "400 unsigned | 401", stock: "success"},
		{name: "a username that is not UTF-8", probe: user("\xff\xfe"), want: "400 unsigned | 401", stock: "success"},
		{name: "a username of 60 kB", probe: user(strings.Repeat("u", 60_000)), want: "silence", stock: "silence"},
		{name: "a username of 60 kB over TCP", probe: func(c *client) string {
			return user(strings.Repeat("u", 60_000))(c.dial("tcp", "127.0.0.1", "ann"))
		}, want: "closed | 400 unsigned | 401", stock: "silence"},
	}
}

// nonceRows ask what a nonce is good for.
func nonceRows() []row {
	return []row{
		{name: "a nonce that we did not make", probe: func(c *client) string {
			c.nonce = "0123456789abcdef"
			return c.allocate().String()
		}, want: "438", stock: "438"},
		{name: "the nonce that comes with 438 is good", probe: func(c *client) string {
			c.nonce = "0123456789abcdef"
			c.nonce = string(c.allocate().get(attrNonce))
			return c.allocate().String()
		}, want: "success", stock: "success"},
		{name: "a nonce from another address", probe: func(c *client) string {
			c.mustAllocate()
			thief := c.elsewhere("127.0.0.2")
			thief.nonce = c.nonce
			return thief.allocate().String()
		}, want: "438", stock: "success"},
		{name: "a nonce from another port of the same address", probe: func(c *client) string {
			c.mustAllocate()
			thief := c.elsewhere("127.0.0.1")
			thief.nonce = c.nonce
			return thief.allocate().String()
		}, want: "438", stock: "success"},
		{name: "an Allocate replayed from another address", probe: func(c *client) string {
			p := c.signed(allocate, udp())
			c.exchange(p, c.key())
			return c.elsewhere("127.0.0.2").exchange(p, c.key()).String()
		}, want: "438", stock: "success"},
	}
}

// without asks for a relay with one attribute of the credential left out.
func without(missing uint16) func(*client) string {
	return func(c *client) string {
		c.signed(allocate) // fetches a nonce
		parts := []part{udp()}
		for typ, value := range map[uint16]string{attrUsername: c.username, attrRealm: c.realm, attrNonce: c.nonce} {
			if typ != missing {
				parts = append(parts, text(typ, value))
			}
		}
		return c.exchange(message(allocate, append(parts, integrity(c.key()))...), c.key()).String()
	}
}

// user asks for a relay with claims that somebody who knows the secret has
// signed.
func user(claims string) func(*client) string {
	return func(c *client) string { return c.as(claims).allocate().String() }
}

// ownerRows ask who may do what with an allocation (RFC 8656 §5), and what may
// be done without one (§7.3, §10.2, §12.2).
func ownerRows() []row {
	rows := []row{
		{name: "another user's Refresh 0", probe: func(c *client) string {
			c.mustAllocate()
			r := c.as("eve").ask(refresh, lifetime(0))
			return list(r, "the owner's next Refresh: "+c.ask(refresh).String())
		}, want: "441", stock: "success, the owner's next Refresh: silence"},
		{name: "after another user's Refresh 0 the allocation lives", probe: func(c *client) string {
			c.mustAllocate()
			c.as("eve").ask(refresh, lifetime(0))
			return c.ask(refresh).String()
		}, want: "success", stock: "silence"},
		{name: "another user's Refresh", probe: stolen(refresh), want: "441", stock: "success"},
		{name: "another user's CreatePermission", probe: stolen(createPermission, peerIP("127.0.0.1")), want: "441", stock: "success"},
		{name: "another user's ChannelBind", probe: stolen(channelBind, channel(0x4000), peerIP("127.0.0.1")), want: "441", stock: "success"},
		{name: "another user's Allocate", probe: stolen(allocate, udp()), want: "437", stock: "437 unsigned"},
		{name: "a wrong password on a live allocation", probe: func(c *client) string {
			c.mustAllocate()
			c.password = "guessed"
			return c.ask(refresh).String()
		}, want: "401", stock: "400 unsigned"},
		{name: "CreatePermission without a credential", probe: func(c *client) string {
			c.mustAllocate()
			return c.say(createPermission, peerIP("127.0.0.1")).String()
		}, want: "401", stock: "401"},
	}
	for _, method := range []struct {
		name  string
		ask   func(*client) reply
		stock string
	}{
		{"Refresh", func(c *client) reply { return c.ask(refresh) }, "silence"},
		{"Refresh 0", func(c *client) reply { return c.ask(refresh, lifetime(0)) }, "success"},
		{"CreatePermission", func(c *client) reply { return c.ask(createPermission, peerIP("127.0.0.1")) }, "silence"},
		{"ChannelBind", func(c *client) reply { return c.ask(channelBind, channel(0x4000), peerIP("127.0.0.1")) }, "silence"},
	} {
		rows = append(rows, row{
			name:  method.name + " without an allocation",
			probe: func(c *client) string { return method.ask(c).String() }, want: "437", stock: method.stock,
		})
	}
	return rows
}

// stolen asks something of another user's allocation.
func stolen(method uint16, parts ...part) func(*client) string {
	return func(c *client) string {
		c.mustAllocate()
		return c.as("eve").ask(method, parts...).String()
	}
}

// overtimeRows hold that a live chat is not cut when its credential expires.
func overtimeRows() []row {
	var rows []row
	for _, method := range []struct {
		name string
		ask  func(*client) reply
		want string
	}{
		{"Refresh", func(c *client) reply { return c.ask(refresh) }, "success"},
		{"CreatePermission", func(c *client) reply { return c.ask(createPermission, peerIP("127.0.0.1")) }, "success"},
		{"ChannelBind", func(c *client) reply { return c.ask(channelBind, channel(0x4000), peerIP("127.0.0.1")) }, "success"},
	} {
		rows = append(rows, row{
			name: method.name + " on a live allocation after the credential's time",
			probe: func(c *client) string {
				c.username, c.password = c.credential("ann", 8*time.Second)
				c.mustAllocate()
				wait(9100 * time.Millisecond) // stock pion gives it a second more
				return method.ask(c).String()
			}, want: method.want, stock: "400 unsigned", slow: true,
		})
	}
	return rows
}

// TestUsernamesAreLoggedQuoted holds that nobody writes lines of his own into
// our log.
func TestUsernamesAreLoggedQuoted(t *testing.T) {
	t.Parallel()
	var log syncedBuffer
	s := ours(t, func(cfg *turnsvc.Config) {
		cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
	})
	c := s.dial("udp", "127.0.0.1", "a\r\n\x1b[2Jlevel=ERROR\x00")
	c.allocate()
	c.barrier()
	for line := range strings.Lines(log.String()) {
		if text := strings.TrimSuffix(line, "\n"); !strings.HasPrefix(text, "time=") || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("a line of the log is %q", line)
		}
	}
}

// syncedBuffer keeps what is written to it.
type syncedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
