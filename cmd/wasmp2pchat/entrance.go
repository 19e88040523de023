package main

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// entrance is a listener that can pause: what comes waits in the kernel, for this
// process or the one that takes over. To whoever accepts, that looks as if nobody
// came.
type entrance struct {
	*net.TCPListener
	setting string // where it listens, as the settings have it

	mu     sync.Mutex    // guards the fields below
	paused chan struct{} // closed by resume; nil: it is open
	shut   bool          // for good: another process accepts
	closed chan struct{}
	once   sync.Once // closes closed
}

func newEntrance(l *net.TCPListener, setting string) *entrance {
	return &entrance{TCPListener: l, setting: setting, closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (e *entrance) Accept() (net.Conn, error) {
	for {
		conn, err := e.TCPListener.Accept()
		if err == nil {
			return conn, nil
		}
		if err = e.wait(err); err != nil {
			return nil, err
		}
	}
}

// wait waits for the end of a pause. It returns an error unless accepting goes on.
func (e *entrance) wait(err error) error {
	e.mu.Lock()
	paused, shut := e.paused, e.shut
	e.mu.Unlock()
	switch {
	case shut:
		<-e.closed
		return net.ErrClosed
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case paused == nil:
		return nil // it is over already
	}
	select {
	case <-paused:
		return nil
	case <-e.closed:
		return net.ErrClosed
	}
}

// pause returns at once; a connection that has been accepted by then is this
// process's.
func (e *entrance) pause() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.paused == nil {
		e.paused = make(chan struct{})
	}
	_ = e.SetDeadline(time.Unix(1, 0)) // one that is closed accepts nothing either
}

func (e *entrance) resume() {
	e.mu.Lock()
	defer e.mu.Unlock()
	_ = e.SetDeadline(time.Time{}) // the same
	if e.paused != nil {
		close(e.paused)
		e.paused = nil
	}
}

// retire closes this process's descriptor of the socket, which another one has. Accept
// waits on.
func (e *entrance) retire() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.shut = true
	_ = e.TCPListener.Close() // it may be closed already
	if e.paused != nil {
		close(e.paused)
		e.paused = nil
	}
}

// Close implements net.Listener.
func (e *entrance) Close() error {
	e.once.Do(func() { close(e.closed) })
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.shut {
		return nil
	}
	return e.TCPListener.Close()
}
