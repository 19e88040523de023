package redistest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A Forwarder stands between somebody and a server, as a network does: it can go
// silent, so that nothing that was sent arrives, and nothing is refused either.
type Forwarder struct {
	Addr string
	URL  string

	mu     sync.Mutex
	open   chan struct{} // closed: bytes pass
	silent bool
	conns  map[net.Conn]struct{}
}

// Forward starts a Forwarder to a server; it ends with the test.
func Forward(t testing.TB, to *Server) *Forwarder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		t.Fatal(err)
	}
	f := &Forwarder{Addr: l.Addr().String(), URL: "redis://" + l.Addr().String(), open: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	close(f.open)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { f.serve(conn, to.Addr) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		f.Resume()
		f.Cut()
		all.Wait()
	})
	return f
}

// Silence has nothing pass any more, in either direction, on the connections that
// there are and on those to come.
func (f *Forwarder) Silence() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.silent {
		f.silent, f.open = true, make(chan struct{})
	}
}

// Resume has everything pass again, beginning with what was held.
func (f *Forwarder) Resume() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.silent {
		f.silent = false
		close(f.open)
	}
}

// Cut ends the connections that there are; new ones may come.
func (f *Forwarder) Cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.conns {
		_ = conn.Close()
	}
}

// serve carries one connection.
func (f *Forwarder) serve(conn net.Conn, to string) {
	defer f.forget(conn)
	f.keep(conn)
	f.wait()
	server, err := net.Dial("tcp", to) //nolint:noctx // on this machine
	if err != nil {
		return
	}
	defer f.forget(server)
	f.keep(server)
	var back sync.WaitGroup
	back.Go(func() { f.carry(conn, server) })
	f.carry(server, conn)
	back.Wait()
}

// carry copies one way, and ends both when that ends.
func (f *Forwarder) carry(to, from net.Conn) {
	_, _ = io.Copy(to, waiting{from, f})
	_ = to.Close()
	_ = from.Close()
}

// waiting is a reader whose bytes wait while the forwarder is silent.
type waiting struct {
	io.Reader
	f *Forwarder
}

// Read waits after it has read.
func (w waiting) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.f.wait()
	return n, err
}

func (f *Forwarder) wait() {
	f.mu.Lock()
	open := f.open
	f.mu.Unlock()
	<-open
}

func (f *Forwarder) keep(conn net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[conn] = struct{}{}
}

func (f *Forwarder) forget(conn net.Conn) {
	_ = conn.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, conn)
}
