package main

import (
	"errors"
	"net"
	"testing"
)

// TestAnEntrancePauses holds that who comes during a pause waits, and that whoever
// accepts notices nothing of it.
func TestAnEntrancePauses(t *testing.T) {
	t.Parallel()
	e := newEntrance(listenTCP(t), ":0")
	accepted := make(chan error)
	go func() {
		for {
			conn, err := e.Accept()
			if err == nil {
				err = conn.Close()
			}
			accepted <- err
			if errors.Is(err, net.ErrClosed) {
				return
			}
		}
	}()
	come := func() {
		t.Helper()
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", e.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	come()
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
	e.pause()
	e.pause() // it is one
	come()
	e.resume()
	if err := <-accepted; err != nil {
		t.Errorf("who came during a pause is accepted with %v", err)
	}

	// Another process has the socket by now: who comes is its.
	heir := newEntrance(listenerOf(t, e), ":0")
	e.pause()
	e.retire()
	come()
	conn, err := heir.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	select {
	case err := <-accepted:
		t.Errorf("a retired entrance accepts: %v", err)
	default:
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close = %v, want %v", err, net.ErrClosed)
	}
}

// TestAnEntranceClosesDuringAPause holds that a server ends whenever it is told to.
func TestAnEntranceClosesDuringAPause(t *testing.T) {
	t.Parallel()
	e := newEntrance(listenTCP(t), ":0")
	accepted := make(chan error, 1)
	e.pause()
	go func() {
		_, err := e.Accept()
		accepted <- err
	}()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept = %v, want %v", err, net.ErrClosed)
	}
}

// TestSocketsGoToTheNextProcess holds that each setting finds its own again, also
// where two of them name no port.
func TestSocketsGoToTheNextProcess(t *testing.T) {
	t.Parallel()
	const anyPort = "127.0.0.1:0"
	older := new(sockets)
	var ports []string
	for range 2 {
		l, err := older.Listen(t.Context(), "tcp", anyPort)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		ports = append(ports, l.Addr().String())
	}
	bequest, err := older.bequeath()
	if err != nil {
		t.Fatal(err)
	}
	newer := new(sockets)
	if err := newer.inherit(bequest); err != nil {
		t.Fatal(err)
	}
	for i, asked := range []string{anyPort, ports[1]} { // the second one by its address: the setting has changed
		l, err := newer.Listen(t.Context(), "tcp", asked)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		if l.Addr().String() != ports[i] {
			t.Errorf("the new process listens on %v for %s, want %s", l.Addr(), asked, ports[i])
		}
	}
	if err := newer.allTaken(); err != nil {
		t.Error(err)
	}
}

// listenerOf is what another process has of a listener.
func listenerOf(t *testing.T, e *entrance) *net.TCPListener {
	t.Helper()
	l, err := net.FileListener(fileOf(t, e))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener)
}
