package edge

import (
	"io"
	"net"
	"testing"
	"time"
)

// BenchmarkAcceptAndRoute is what the door itself costs a connection: accept,
// counts, deadline, first byte, hand-over, Close. The claim: it is small beside
// the system calls of a connection, some 30 µs, and a TLS handshake, some 300 µs.
func BenchmarkAcceptAndRoute(b *testing.B) {
	for name, first := range map[string]byte{"HTTP": 'G', "TURN": 0} {
		b.Run(name, func(b *testing.B) {
			l := &belt{first: first, more: make(chan struct{}), closed: make(chan struct{})}
			h := build(b, l, Config{})
			b.ReportAllocs()
			for b.Loop() {
				l.more <- struct{}{}
				_ = (<-h.arrivals).Close()
			}
			h.stop()
		})
	}
}

// belt is a listener whose connections cost nothing.
type belt struct {
	first  byte
	more   chan struct{}
	closed chan struct{}
}

func (b *belt) Accept() (net.Conn, error) {
	select {
	case <-b.more:
		return ready{first: b.first}, nil
	case <-b.closed:
		return nil, net.ErrClosed
	}
}

func (b *belt) Close() error   { close(b.closed); return nil }
func (b *belt) Addr() net.Addr { return &net.TCPAddr{} }

// BenchmarkRead is what reading through the door's wrapper costs: no allocation.
func BenchmarkRead(b *testing.B) {
	g := &guest{Conn: ready{}}
	p := make([]byte, 1500)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Read(p); err != nil {
			b.Fatal(err)
		}
	}
}

// TestReadingAllocatesNothing holds that claim.
func TestReadingAllocatesNothing(t *testing.T) {
	g := &guest{Conn: ready{}}
	p := make([]byte, 1500)
	if n := testing.AllocsPerRun(100, func() { _, _ = io.ReadFull(g, p[:1]) }); n != 0 {
		t.Errorf("%v allocations a read, want none", n)
	}
}

// ready is a connection whose bytes are there.
type ready struct {
	net.Conn
	first byte
}

func (r ready) Read(p []byte) (int, error) { p[0] = r.first; return 1, nil }
func (ready) Close() error                 { return nil }
func (ready) SetDeadline(time.Time) error  { return nil }
func (ready) RemoteAddr() net.Addr         { return nil }
