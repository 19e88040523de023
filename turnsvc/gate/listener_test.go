package gate

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
)

// fakeListener accepts what is put into it, or fails with what is put into it.
type fakeListener struct {
	net.Listener
	results chan any
}

func (f fakeListener) Accept() (net.Conn, error) {
	switch r := (<-f.results).(type) {
	case net.Conn:
		return r, nil
	case error:
		return nil, r
	}
	return nil, net.ErrClosed
}

func (f fakeListener) Close() error {
	close(f.results)
	return nil
}

// from is a connection that says it comes from an address.
type from struct {
	net.Conn
	addr string
}

func (c from) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(c.addr), Port: 1} }

func dial(addr string) net.Conn {
	server, _ := net.Pipe()
	return from{server, addr}
}

func TestListenerOutlivesErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeListener{results: make(chan any, 100)}
		l := NewListener(fake, ListenerConfig{Crowd: arrivals.NewCrowd(arrivals.Limits{Conns: 1, ConnsPerAddr: 1})})
		for range 10 {
			fake.results <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
		}
		fake.results <- dial("192.0.2.1")
		begin := time.Now()
		if _, err := l.AcceptStream(); err != nil {
			t.Fatalf("AcceptStream = %v, want a connection", err)
		}
		if after := time.Since(begin); after < time.Second || after > 10*time.Second {
			t.Errorf("ten failures took %v, want pauses that grow up to a second each", after)
		}
	})
}

func TestListenerCloseEndsThePause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeListener{results: make(chan any, 100)}
		l := NewListener(fake, ListenerConfig{Crowd: arrivals.NewCrowd(arrivals.Limits{Conns: 1, ConnsPerAddr: 1})})
		fake.results <- syscall.EMFILE
		go func() { // ends at once: AcceptStream is in its pause
			synctest.Wait()
			_ = l.Close()
		}()
		begin := time.Now()
		if _, err := l.AcceptStream(); !errors.Is(err, net.ErrClosed) || time.Since(begin) != 0 {
			t.Errorf("AcceptStream = %v after %v, want closed at once", err, time.Since(begin))
		}
	})
}

func TestListenerLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeListener{results: make(chan any, 100)}
		refused := 0
		crowd := arrivals.NewCrowd(arrivals.Limits{Conns: 3, ConnsPerAddr: 2})
		l := NewListener(fake, ListenerConfig{Crowd: crowd, Refused: func() { refused++ }})
		accept := func(addrs ...string) *Stream {
			t.Helper()
			for _, a := range addrs {
				fake.results <- dial(a)
			}
			s, err := l.AcceptStream()
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		first := accept("2001:db8::1")
		accept("2001:db8::2")
		if crowd.Full() {
			t.Error("full with 2 of 3 connections")
		}
		if s := accept("2001:db8::3", "192.0.2.1"); s.RemoteAddr().String() != "192.0.2.1:1" || refused != 1 {
			t.Errorf("third of a /64: accepted %v and refused %d, want the next address and 1", s.RemoteAddr(), refused)
		}
		_ = first.Close()
		_ = first.Close()
		if s := accept("2001:db8::3"); s.RemoteAddr().String() != "[2001:db8::3]:1" {
			t.Errorf("after one has left: accepted %v, want the next of that /64", s.RemoteAddr())
		}
		if !crowd.Full() {
			t.Error("not full with 3 of 3 connections")
		}
		fake.results <- dial("192.0.2.2")
		_ = l.Close()
		if _, err := l.AcceptStream(); !errors.Is(err, net.ErrClosed) || refused != 2 {
			t.Errorf("fourth in all: %v and refused %d, want closed and 2", err, refused)
		}
		l.CloseStreams()
		if len(l.streams) != 0 || crowd.Len() != 0 || crowd.Sources() != 0 {
			t.Errorf("after CloseStreams %d streams, %d connections of %d sources are counted, want none", len(l.streams), crowd.Len(), crowd.Sources())
		}
	})
}
