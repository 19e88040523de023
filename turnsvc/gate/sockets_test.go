package gate

import (
	"errors"
	"maps"
	"net"
	"sync"
	"testing"
	"time"
)

// meetings tells which clients met which of several sockets.
type meetings struct {
	mu   sync.Mutex // guards the fields below
	met  map[string]map[int]bool
	left int
	all  chan struct{} // closed when nothing is left to come
}

func (m *meetings) note(client string, socket int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.met[client] == nil {
		m.met[client] = map[int]bool{}
	}
	m.met[client][socket] = true
	if m.left--; m.left == 0 {
		close(m.all)
	}
}

// TestSocketsShareTheClients holds that every client always reaches the same
// socket, and that the clients do not all reach one.
func TestSocketsShareTheClients(t *testing.T) {
	t.Parallel()
	if !canShare {
		t.Skip("one socket is all that this system can do")
	}
	const clients, each = 64, 5
	list, err := ListenUDP(t.Context(), &net.ListenConfig{}, "127.0.0.1:0", 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := &meetings{met: map[string]map[int]bool{}, left: clients * each, all: make(chan struct{})}
	var reading sync.WaitGroup
	for i, d := range list {
		reading.Go(func() {
			p := make([]byte, MaxFrameBytes)
			for _, addr, err := d.ReadFrom(p); err == nil; _, addr, err = d.ReadFrom(p) {
				m.note(addr.String(), i)
			}
		})
	}
	for range clients {
		conn := dialUDP(t, list.LocalAddr())
		for range each {
			if _, err := conn.Write(stunFrame(0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	select {
	case <-m.all:
	case <-time.After(10 * time.Second):
		t.Error("not everything has come")
	}
	if err := errors.Join(list.Close(), list.Close()); err != nil {
		t.Errorf("Close twice = %v", err)
	}
	reading.Wait()
	busy := map[int]bool{}
	for who, sockets := range m.met {
		if len(sockets) != 1 {
			t.Errorf("%s met sockets %v, want one", who, sockets)
		}
		maps.Copy(busy, sockets)
	}
	if len(busy) != len(list) {
		t.Errorf("sockets %v have met clients, want each of %d", busy, len(list))
	}
}

func dialUDP(t testing.TB, addr net.Addr) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "udp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestSocketsNoticeAnother holds that a port that is taken is an error for a
// second one, although Sockets share theirs.
func TestSocketsNoticeAnother(t *testing.T) {
	t.Parallel()
	list, err := ListenUDP(t.Context(), &net.ListenConfig{}, "127.0.0.1:0", 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = list.Close() })
	if again, err := ListenUDP(t.Context(), &net.ListenConfig{}, list.LocalAddr().String(), 2, nil); err == nil {
		t.Error("ListenUDP on an address that is taken succeeded")
		_ = again.Close()
	}
}
