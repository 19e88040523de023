package edge

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// deaf is a connection of which its owner reads nothing.
type deaf struct{ net.Conn }

func (d deaf) Read([]byte) (int, error) {
	<-time.After(time.Hour)
	return 0, net.ErrClosed
}

// shake makes a handshake, or tries to.
func shake(conn net.Conn, protos ...string) {
	_, _ = clientTLS(conn, protos...).Write(nil)
}

// TestSlowOnesAreCut plays strangers who never come as far as a service, to the
// second.
func TestSlowOnesAreCut(t *testing.T) {
	t.Parallel()
	config := serverTLS(t, "acme-tls/1")
	hello := append([]byte{22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, make([]byte, 506)...)
	const proxy, stranger = "192.0.2.9", "192.0.2.1"
	proxies := []netip.Prefix{netip.MustParsePrefix(proxy + "/32")}
	say := func(says string, every time.Duration) func(net.Conn) {
		return func(c net.Conn) { _, _ = io.WriteString(drip{c, every}, says) }
	}
	for _, c := range []struct {
		name    string
		secure  bool
		addr    string
		play    func(client net.Conn)
		opening time.Duration // 0: the default
		want    time.Duration
	}{
		{"nothing", false, stranger, func(net.Conn) {}, 0, DefaultOpening},
		{"nothing, and little patience", false, stranger, func(net.Conn) {}, 3 * time.Second, 3 * time.Second},
		{"nothing where TLS is spoken", true, stranger, func(net.Conn) {}, 0, DefaultOpening},
		{"half a ClientHello", true, stranger, say(string(hello[:100]), 0), 0, DefaultOpening},
		{"a ClientHello that drips", true, stranger, say(string(hello), time.Second), 0, DefaultOpening},
		{"a ClientHello that drips fast, and too long", true, stranger, say(string(hello), 20*time.Millisecond), 0, DefaultOpening},
		{"a handshake, and nothing", true, stranger, func(c net.Conn) { shake(c) }, 0, DefaultOpening},
		{"a late handshake, and nothing", true, stranger, func(c net.Conn) {
			<-time.After(9 * time.Second)
			shake(c)
		}, 0, DefaultOpening},
		{"a handshake, and half a record", true, stranger, func(c net.Conn) {
			shake(c)
			_, _ = c.Write([]byte{23, 3, 3, 0, 100, 1, 2})
		}, 0, DefaultOpening},
		{"one who does not read the handshake", true, stranger, func(c net.Conn) { shake(deaf{c}, "h2") }, 0, DefaultOpening},
		{"one who does not read the challenge", true, stranger, func(c net.Conn) { shake(deaf{c}, "acme-tls/1") }, 0, DefaultOpening},
		{"a proxy with nothing", false, proxy, func(net.Conn) {}, 0, DefaultOpening},
		{"a proxy with half a word", false, proxy, say("PRO", 0), 0, DefaultOpening},
		{"a header v1 that drips", false, proxy, say("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", time.Second), 0, DefaultOpening},
		{"a header v2 that drips", true, proxy, say("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x01\x02", time.Second), 0, DefaultOpening},
		{"a header, and nothing", false, proxy, say("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", 0), 0, DefaultOpening},
		{"a late header, and a handshake that drips", true, proxy, func(c net.Conn) {
			<-time.After(5 * time.Second)
			say("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", 0)(c)
			say(string(hello), 100*time.Millisecond)(c)
		}, 0, DefaultOpening},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := Config{Proxies: proxies, Opening: c.opening}
				if c.secure {
					cfg.TLS = config
				}
				s := newStreet()
				h := build(t, s, cfg)
				begin := time.Now()
				client := s.come(t, c.addr)
				var playing sync.WaitGroup
				playing.Go(func() { c.play(client) })
				<-time.After(c.want - time.Nanosecond)
				synctest.Wait()
				if s := h.Stats(); s.Opening != 1 || s.Open != 1 {
					t.Errorf("shortly before its time is up: %+v, want one at the door", s)
				}
				<-time.After(2 * time.Nanosecond)
				synctest.Wait()
				if s := h.Stats(); s.Open != 0 || s.Refused[Slow] != 1 {
					t.Errorf("after %v: %+v, want that it was too slow", time.Since(begin), s)
				}
				playing.Wait()
				h.stop()
				h.settled(t)
			})
		})
	}
}

// TestWhoHasComeOutHasTime holds that no deadline of the door is left on what it
// hands over.
func TestWhoHasComeOutHasTime(t *testing.T) {
	t.Parallel()
	config := serverTLS(t)
	for _, f := range flights() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := Config{}
				if f.tls {
					cfg.TLS = config
				}
				s := newStreet()
				h := build(t, s, cfg)
				client := s.come(t, "192.0.2.1")
				if f.tls {
					client = clientTLS(client, f.protos...)
				}
				var playing sync.WaitGroup
				playing.Go(func() {
					_, _ = io.WriteString(client, f.says)
					<-time.After(time.Hour)
					_, _ = io.WriteString(client, "later")
					answer := make([]byte, 6)
					if _, err := io.ReadFull(client, answer); err != nil || string(answer) != "answer" {
						t.Errorf("after an hour it hears %q, %v", answer, err)
					}
					_ = client.Close()
				})
				out := <-h.arrivals
				got := make([]byte, len(f.says)+len("later"))
				if _, err := io.ReadFull(out, got); err != nil || string(got) != f.says+"later" {
					t.Errorf("out came %q, %v", got, err)
				}
				if _, err := io.WriteString(out, "answer"); err != nil {
					t.Error(err)
				}
				_, _ = io.Copy(io.Discard, out) // close_notify
				playing.Wait()
				_ = out.Close()
				h.stop()
				h.settled(t)
			})
		})
	}
}
