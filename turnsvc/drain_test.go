package turnsvc

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// heard is a slog.Handler that tells which events were logged above debug.
type heard struct{ events chan string }

func (h heard) Enabled(context.Context, slog.Level) bool { return true }
func (h heard) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h heard) WithGroup(string) slog.Handler            { return h }
func (h heard) Handle(_ context.Context, r slog.Record) error {
	if r.Level > slog.LevelDebug {
		h.events <- r.Message
	}
	return nil
}

func (h heard) wait(t *testing.T, event string) {
	t.Helper()
	for {
		select {
		case got := <-h.events:
			if got == event {
				return
			}
		case <-time.After(patience):
			t.Fatalf("%q was not logged", event)
		}
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	log := heard{make(chan string, 100)}
	s := serve(t, func(c *Config) { c.DrainTimeout, c.Log = time.Minute, slog.New(log) })
	live, late := s.dial(t, "udp", "ann"), s.dial(t, "tcp", "bob")
	live.mustAllocate()
	s.stop()
	log.wait(t, "turn drains")
	if _, code := late.allocate(); code != stun.CodeAllocQuotaReached {
		t.Errorf("Allocate while draining = %d, want 486", code)
	}
	_, peer := newPeer(t)
	if got := code(live.do(stun.MethodRefresh)); got != 0 || !live.permit(peer) {
		t.Errorf("Refresh while draining = %d, want success, and permissions", got)
	}
	live.do(stun.MethodRefresh, attr(stun.AttrLifetime, 0, 0, 0, 0))
	s.stopped(t) // although a minute has not passed
	if _, err := late.read(); err == nil {
		t.Error("the TCP connection is still open after Serve")
	}
}

// TestTheLastOneIsAnswered holds that Serve does not close the sockets between the end
// of the last allocation and the answer to who has ended it.
func TestTheLastOneIsAnswered(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			log, ended := heard{make(chan string, 100)}, make(chan bool, 1)
			var q atomic.Pointer[quota]
			s := serve(t, func(c *Config) {
				c.DrainTimeout, c.Log = time.Minute, slog.New(log)
				c.Happened = func(_ string, e Event) { // the reader is not back from pion
					if e.Kind == EventDeallocated {
						select {
						case <-q.Load().empty:
							ended <- true
						default:
							ended <- false
						}
					}
				}
			})
			q.Store(s.quota)
			c := s.dial(t, network, "room.sa")
			c.mustAllocate()
			s.stop()
			log.wait(t, "turn drains")
			if got := code(c.do(stun.MethodRefresh, attr(stun.AttrLifetime, 0, 0, 0, 0))); got != 0 {
				t.Errorf("the last Refresh = %d, want success", got)
			}
			if <-ended {
				t.Error("all was drained before the last client was answered")
			}
			s.stopped(t)
		})
	}
}

func TestDrainTimeout(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { // which waits a millisecond
		c.RelayPorts = freePorts(t, 2) // of which no other socket gets one by chance
	})
	relayed := s.dial(t, "udp", "ann").mustAllocate()
	s.dial(t, "tcp", "bob").mustAllocate()
	s.stopped(t)
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(relayed))
	if err != nil {
		t.Fatalf("the relay port is still taken after Serve: %v", err)
	}
	_ = conn.Close()
}

func TestServeAfterTheEndClosesTheSockets(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.stopped(t)
	conn, err := net.ListenUDP("udp", s.udp[0].LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatalf("the UDP port is still taken after Serve: %v", err)
	}
	_ = conn.Close()
}

// TestStrangersAreNotLogged holds that nothing strangers do is above debug.
func TestStrangersAreNotLogged(t *testing.T) {
	t.Parallel()
	log := heard{make(chan string, 100)}
	s := serve(t, func(c *Config) { c.Log, c.MaxPerUser = slog.New(log), 1 })
	s.dial(t, "tcp", "stranger").send([]byte("GET / HTTP/1.1\r\n\r\n"))
	c := s.dial(t, "udp", "ann")
	c.send([]byte("junk"))
	c.send(channelData("without an allocation"))
	c.mustAllocate()
	_, peer := newPeer(t)
	c.sendTo(peer, "without a permission")
	s.dial(t, "tcp", "ann").allocate() // over the quota
	c.password = "wrong"
	c.do(stun.MethodRefresh)
	s.stopped(t)
	close(log.events)
	for event := range log.events {
		switch event {
		case "turn data plane chosen", "turn drains", "turn cuts what is left", "turn stopped":
		default:
			t.Errorf("strangers caused %q", event)
		}
	}
}
