package edge

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// FuzzRoute sends whatever the fuzzer thinks of, in pieces and with pauses that
// seed chooses, and holds what a Door promises: never sent to the wrong service,
// never stuck, nothing lost, nobody left behind.
func FuzzRoute(f *testing.F) {
	for kind := range kinds() {
		for seed, says := range []string{
			allocate, binding, "GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "POST /", "\x40\x00", "\x7f", "\x02", "\x16\x03\x01", "",
			"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c",
		} {
			f.Add(byte(kind), uint64(seed), []byte(says))
			f.Add(byte(kind), uint64(seed+1000), []byte(says))
		}
	}
	config := serverTLS(f, "acme-tls/1")
	f.Fuzz(func(t *testing.T, kind byte, seed uint64, says []byte) {
		synctest.Test(t, func(t *testing.T) { checkRoute(t, config, int(kind)%len(kinds()), seed, says) })
	})
}

// kinds is what a client may speak before it says anything: nothing, or TLS
// with what it offers.
func kinds() [][]string {
	return [][]string{plainKind: nil, 1: {}, 2: {"h2", "http/1.1"}, 3: {"http/1.1"}, 4: {"stun.turn"}}
}

const plainKind = 0

// TestWhateverComesIsRouted is FuzzRoute with first bytes and pauses at random.
func TestWhateverComesIsRouted(t *testing.T) {
	t.Parallel()
	config := serverTLS(t, "acme-tls/1")
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 1))
		says := make([]byte, rng.IntN(50))
		for i := range says {
			says[i] = byte(rng.Uint32())
			if rng.IntN(3) == 0 {
				says[i] &= 3 // on both sides of the rule
			}
		}
		synctest.Test(t, func(t *testing.T) { checkRoute(t, config, rng.IntN(len(kinds())), seed, says) })
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
}

// model is the rule in one line.
func model(protos []string, first byte) (turn bool) {
	return len(protos) > 0 && protos[0] == "stun.turn" || len(protos) == 0 && first < 2
}

// checkRoute plays one client in a synctest bubble.
func checkRoute(t *testing.T, config *tls.Config, kind int, seed uint64, says []byte) {
	cfg := Config{Opening: 10 * time.Second}
	if kind != plainKind {
		cfg.TLS = config
	}
	protos := kinds()[kind]
	s := newStreet()
	h := build(t, s, cfg)
	begin := time.Now()
	p := &pauser{Conn: s.come(t, "192.0.2.1"), rng: rand.New(rand.NewPCG(seed, 2))}
	p.budget = []time.Duration{0, 3 * time.Second, 30 * time.Second}[p.rng.IntN(3)]
	defer h.settled(t)
	defer h.stop()
	p.stays = p.rng.IntN(4) == 0

	var heard atomic.Int64 // of says, what the door has taken
	var ready time.Time    // when the door knew enough
	done := make(chan struct{})
	go func() { // waited for by done
		defer close(done)
		ready = p.talk(protos, kind != plainKind, says, &heard)
		_ = p.Close() // after close_notify, if TLS
	}()
	var out arrival
	select {
	case out = <-h.arrivals:
	case <-time.After(2 * cfg.Opening):
	}
	if out.Conn == nil {
		<-done
		checkCut(t, h, ready, p)
		return
	}
	got, err := io.ReadAll(out)
	<-done
	_ = out.Close()
	switch byALPN := len(protos) > 0; {
	case out.when.Sub(begin) >= cfg.Opening:
		t.Errorf("routed after %v", out.when.Sub(begin))
	case !out.when.Equal(ready):
		t.Errorf("routed %v after it was clear where to", out.when.Sub(ready))
	case !byALPN && len(says) == 0:
		t.Errorf("routed by nothing")
	case !byALPN && out.turn != model(nil, says[0]), byALPN && out.turn != model(protos, 0):
		t.Errorf("%q by %v to TURN = %v", says, protos, out.turn)
	case !bytes.Equal(got, says[:heard.Load()]) || err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		t.Errorf("read %q, %v of %q", got, err, says[:heard.Load()])
	case int(heard.Load()) != len(says):
		t.Errorf("%d of %d bytes were taken, although nothing is due after the opening", heard.Load(), len(says))
	}
}

// checkCut holds what must be so if nothing came out.
func checkCut(t *testing.T, h *house, ready time.Time, p *pauser) {
	synctest.Wait()
	s := h.Stats()
	if !ready.IsZero() {
		t.Errorf("it was clear whom it is for, and yet: %v", s.Refused)
	}
	if s.Opening != 0 {
		t.Errorf("still being opened: %+v", s)
	}
	if left := s.Refused[Gone]; left > 0 && (p.stays || p.failed) {
		t.Error("it is said to have left, and had not")
	}
	if p.failed && s.Refused[Slow] != 1 {
		t.Errorf("cut for %v, want that it was slow", s.Refused)
	}
}

// pauser is a client's connection that writes in pieces, with pauses between
// them.
type pauser struct {
	net.Conn
	rng    *rand.Rand
	budget time.Duration // of all pauses
	stays  bool          // who has not said enough stays until the door closes
	failed bool
}

// Write implements net.Conn.
func (p *pauser) Write(b []byte) (n int, err error) {
	for n < len(b) {
		pause := p.budget / time.Duration(1+p.rng.IntN(8))
		p.budget -= pause
		<-time.After(pause + 7*time.Microsecond) // no sum of them is exactly the time allowed
		to := n + 1 + p.rng.IntN(min(100, len(b)-n))
		m, err := p.Conn.Write(b[n:to])
		if n += m; err != nil {
			p.failed = true
			return n, err
		}
	}
	return n, nil
}

// talk says all of it, and returns when the door had taken what decides: zero
// if that never was.
func (p *pauser) talk(protos []string, secure bool, says []byte, heard *atomic.Int64) (ready time.Time) {
	conn := net.Conn(p)
	defer func() {
		if p.stays && ready.IsZero() {
			<-time.After(time.Minute)
		}
		if c, ok := conn.(*tls.Conn); ok {
			_ = c.CloseWrite() // it may have been cut
		}
	}()
	if secure {
		c := clientTLS(p, protos...)
		if _, err := c.Write(nil); err != nil { // the handshake, and nothing more
			return ready
		}
		if len(protos) > 0 {
			ready = time.Now()
		}
		conn = c
	}
	for i := range says { // a record each, so that it is known how many were taken
		if _, err := conn.Write(says[i : i+1]); err != nil {
			return ready
		}
		heard.Add(1)
		if ready.IsZero() {
			ready = time.Now()
		}
	}
	return ready
}
