package edge

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// TestCapsPerAddressLastAsLongAsAConnection holds who is counted with whom, and
// until when.
func TestCapsPerAddressLastAsLongAsAConnection(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		cfg        Config
		comes      []string // in this order
		want       []bool   // whether it may stay
		full, addr uint64
	}{
		{"IPv4", Config{MaxPerAddr: 2}, []string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"}, []bool{true, true, false, true}, 0, 1},
		{"IPv4 in IPv6", Config{MaxPerAddr: 1}, []string{"192.0.2.1", "::ffff:192.0.2.1"}, []bool{true, false}, 0, 1},
		{"IPv6 by /64", Config{MaxPerAddr: 1}, []string{"2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"}, []bool{true, false, true}, 0, 1},
		{"in all", Config{MaxConns: 2}, []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, []bool{true, true, false}, 1, 0},
		{"both", Config{MaxConns: 2, MaxPerAddr: 1}, []string{"192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"}, []bool{true, false, true, false}, 1, 1},
		{"a listed proxy", Config{MaxPerAddr: 1, Proxies: []netip.Prefix{netip.MustParsePrefix("::ffff:192.0.2.0/120")}}, []string{"192.0.2.1", "192.0.2.1"}, []bool{true, true}, 0, 0},
		{"no limits", Config{MaxConns: -1, MaxPerAddr: -1}, []string{"192.0.2.1", "192.0.2.1"}, []bool{true, true}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStreet()
				h := build(t, s, c.cfg)
				for range 2 { // the second time all must be as at first
					open := map[net.Conn]bool{}
					for i, addr := range c.comes {
						client := s.come(t, addr)
						synctest.Wait()
						_, err := client.Write([]byte("G"))
						if stays := err == nil; stays != c.want[i] {
							t.Errorf("number %d, %s, may stay = %v, want %v", i, addr, stays, c.want[i])
						}
						open[client] = err == nil
					}
					synctest.Wait()
					for client := range open {
						_ = client.Close()
					}
					for _, stays := range open {
						if stays {
							out := <-h.arrivals
							_ = out.Close()
							_ = out.Close() // counts once
						}
					}
				}
				h.stop()
				h.settled(t)
				if s := h.Stats(); s.Refused[Full] != 2*c.full || s.Refused[PerAddr] != 2*c.addr {
					t.Errorf("refused %v, want full %d and per_addr %d, twice", s.Refused, c.full, c.addr)
				}
			})
		})
	}
}

// TestDefaultsHold holds that without limits in the Config there are some.
func TestDefaultsHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStreet()
		h := build(t, s, Config{MaxOpening: -1, Opening: -1})
		var all []net.Conn
		for range DefaultMaxPerAddr {
			all = append(all, s.come(t, "192.0.2.1"))
		}
		oneTooMany := s.come(t, "192.0.2.1")
		if _, err := oneTooMany.Read(make([]byte, 1)); err == nil {
			t.Error("one more is not closed")
		}
		if s := h.Stats(); s.Open != DefaultMaxPerAddr || s.Opening != DefaultMaxPerAddr || s.Refused[PerAddr] != 1 {
			t.Errorf("%+v, want %d and one refused", s, DefaultMaxPerAddr)
		}
		for _, client := range all {
			_ = client.Close()
		}
		synctest.Wait()
		if s := h.Stats(); s.Refused[Gone] != DefaultMaxPerAddr {
			t.Errorf("%+v, want that they are gone", s)
		}
		h.stop()
		h.settled(t)
	})
}

// TestTheCapPerAddressChanges holds that the next one is let in by the cap of now.
func TestTheCapPerAddressChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStreet()
		h := build(t, s, Config{MaxPerAddr: 1})
		for most := 1; most <= 3; most++ {
			h.SetMaxPerAddr(most)
			for range 2 {
				_ = s.come(t, "192.0.2.1")
				synctest.Wait()
			}
			if got := h.Stats().Open; got != most {
				t.Errorf("with a cap of %d, %d are open", most, got)
			}
		}
		h.stop()
		h.settled(t)
	})
}

// TestTLSGivesItsPlaceBack holds that a connection is counted until what came
// out is closed, whatever it came out as.
func TestTLSGivesItsPlaceBack(t *testing.T) {
	t.Parallel()
	config := serverTLS(t)
	for _, f := range flights() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			l, dial := onLoopback(t)
			cfg := Config{MaxPerAddr: 1}
			if f.tls {
				cfg.TLS = config
			}
			h := build(t, l, cfg)
			for round := range 2 {
				client := net.Conn(dial())
				if f.tls {
					client = clientTLS(client, f.protos...)
				}
				if _, err := io.WriteString(client, f.says); err != nil {
					t.Fatal(err)
				}
				out := <-h.arrivals
				second := dial()
				if _, err := second.Read(make([]byte, 1)); err == nil {
					t.Errorf("round %d: a second connection may stay", round)
				}
				_ = second.Close()
				if open := h.Stats().Open; open != 1 {
					t.Errorf("%d are open, want 1", open)
				}
				_ = out.Close()
				if open := h.Stats().Open; open != 0 {
					t.Errorf("%d are open after Close, want none", open)
				}
				_ = client.Close()
			}
			h.stop()
			h.settled(t)
		})
	}
}

// TestACrowdWaitsAndTheSilentMakeRoom holds what happens beyond MaxOpening:
// nobody is sent away within 2 s, and nobody holds the door for longer.
func TestACrowdWaitsAndTheSilentMakeRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most = 3
		s := newStreet()
		h := build(t, s, Config{MaxOpening: most})
		silent := make([]net.Conn, most)
		for i := range silent {
			silent[i] = s.come(t, fmt.Sprintf("192.0.2.%d", i))
		}
		synctest.Wait()
		begin := time.Now()
		honest := s.come(t, "192.0.2.100") // waits in the kernel, here in Dial
		if waited := time.Since(begin); waited != fairOpening {
			t.Errorf("the honest one got in after %v, want %v", waited, fairOpening)
		}
		if _, err := silent[0].Read(make([]byte, 1)); err == nil {
			t.Error("the oldest was not closed")
		}
		if _, err := honest.Write([]byte("G")); err != nil {
			t.Errorf("the honest one: %v", err)
		}
		out := <-h.arrivals
		begin = time.Now()
		next := s.come(t, "192.0.2.101") // and now it is full again, so that the second of the silent makes room
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("with room again the next one waited %v", waited)
		}
		synctest.Wait()
		_ = next.Close()
		_ = honest.Close()
		for _, client := range silent {
			_ = client.Close()
		}
		_ = out.Close()
		synctest.Wait()
		if refused := h.Stats().Refused; refused[Crowded] != 2 || refused[Gone] != most-1 {
			t.Errorf("refused %v, want two for want of room", refused)
		}
		h.stop()
		h.settled(t)
	})
}

// TestWhoWaitsGetsInAsSoonAsSomebodyIsThrough holds that the 2 s are a bound, not
// a rhythm.
func TestWhoWaitsGetsInAsSoonAsSomebodyIsThrough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStreet()
		h := build(t, s, Config{MaxOpening: 1})
		first := s.come(t, "192.0.2.1")
		go func() { // ends with its write
			<-time.After(time.Second)
			_, _ = first.Write([]byte("G"))
		}()
		begin := time.Now()
		second := s.come(t, "192.0.2.1")
		if waited := time.Since(begin); waited != time.Second {
			t.Errorf("the second got in after %v, want 1s, when the first was through", waited)
		}
		_ = second.Close()
		_ = (<-h.arrivals).Close()
		h.stop()
		h.settled(t)
	})
}

// TestWhoEntersAfterTheEndIsCut holds that nobody slips in while the door ends.
func TestWhoEntersAfterTheEndIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		q.cutAll()
		server, _ := net.Pipe()
		g := &guest{Conn: server}
		q.enter(g)
		if _, err := g.Read(make([]byte, 1)); err == nil || q.size() != 0 || q.leave(g) {
			t.Errorf("Read = %v with %d in the queue, want that it was cut", err, q.size())
		}
	})
}
