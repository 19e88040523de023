package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/mmsg"
)

// This is the side of the elder: a process that is about to retire, or has.

// A Legacy is what an older process leaves of its clients at a socket to the newer one
// that reads it from now on.
type Legacy struct {
	// Clients are those that it keeps, in a form of this package. Their number only
	// shrinks.
	Clients []byte
	// Passage is where to hand on what they send. Who is given it closes it.
	Passage *os.File
}

// Shared is a socket that another process may come to read: one of Datagrams, or that of
// Flows.
type Shared interface {
	// File is the socket for another process. Who is given it closes it.
	File() (*os.File, error)
	// Yield stops reading for that process.
	Yield(ctx context.Context) ([]Legacy, error)
	// Resume undoes Yield.
	Resume() error
	// Retire makes it for good.
	Retire()
	// Adopt is for the other process: what clients of the older one send goes there.
	Adopt(l Legacy) error
	// Handed counts datagrams that did, and those of them that were lost.
	Handed() (all, lost uint64)
}

// feed is where the reader of a socket takes datagrams from while another process
// reads the socket itself.
type feed struct {
	near, far *net.UnixConn // far is the heir's; until that one serves, also ours
	sock      *mmsg.Socket  // near
	state     atomic.Uint32 // whether the reader has turned to it
	turned    chan struct{} // closed then
	buf       []byte
	back      bool // the socket is to be read again; the reader's
}

// The states of a feed.
const (
	feedOffered uint32 = iota
	feedTaken
	feedWithdrawn // before it was taken
)

func newFeed() (*feed, error) {
	near, far, err := newPassage()
	if err != nil {
		return nil, fmt.Errorf("make a passage: %w", err)
	}
	f := &feed{near: near, far: far, turned: make(chan struct{}), buf: make([]byte, maxPassageBytes+1)}
	sock, err := mmsg.Pipe(far)
	if err == nil {
		sock.Widen(passageBuffer)
		f.sock, err = mmsg.Pipe(near)
	}
	if err != nil {
		closeEnds(near, far)
		return nil, err
	}
	return f, nil
}

// clients are those of a socket that are served by this process. The zero value are
// none.
type clients struct {
	keeps func(ends) bool
	all   func() []ends
}

// Keep says which clients of the socket this process serves: whether it is one, and
// who they are. It comes before the first ReadFrom.
func (d *Datagrams) Keep(serves func(client netip.AddrPort) bool, all func() []netip.AddrPort) {
	d.clients = clients{
		keeps: func(e ends) bool { return serves(e.client) },
		all: func() (list []ends) {
			for _, client := range all() {
				list = append(list, ends{client: client})
			}
			return list
		},
	}
}

// longAgo is a deadline that interrupts who reads.
func longAgo() time.Time { return time.Unix(1, 0) }

// Yield stops reading the socket, so that another process may, and serves the clients
// that it keeps by what is handed on from now on. When it returns nothing is read any
// more; what comes waits in the kernel. Of each process that this one has handed on to
// there is a Legacy, too. The context bounds the wait for the reader, who is at work on
// one message; after an error all is as before.
func (s *socket) Yield(ctx context.Context) ([]Legacy, error) {
	f, err := newFeed()
	if err != nil {
		return nil, err
	}
	if !s.heir.CompareAndSwap(nil, f) {
		closeEnds(f.near, f.far)
		return nil, errYielded
	}
	if err := s.SetReadDeadline(longAgo()); err != nil {
		return nil, errors.Join(err, s.Resume())
	}
	select {
	case <-f.turned:
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("wait for the reader of a socket: %w", ctx.Err()), s.Resume())
	}
	var mine []ends
	if s.clients.all != nil {
		mine = s.clients.all()
	}
	passage, err := f.far.File()
	if err != nil {
		return nil, errors.Join(err, s.Resume())
	}
	older, err := s.elders.Load().leave()
	if err != nil {
		return nil, errors.Join(err, passage.Close(), s.Resume())
	}
	return append([]Legacy{{Clients: listEnds(mine), Passage: passage}}, older...), nil
}

var errYielded = errors.New("the socket is read elsewhere already")

// Resume undoes Yield when the other process is gone: what it has handed on by then is
// served, and the socket is read again.
func (s *socket) Resume() error {
	f := s.heir.Swap(nil)
	if f == nil {
		return nil
	}
	err := s.SetReadDeadline(time.Time{})
	if f.state.CompareAndSwap(feedOffered, feedWithdrawn) {
		closeEnds(f.near, f.far)
	} else {
		var head [passageHead]byte
		putHead(head[:], frameBack, ends{})
		if _, failed := f.far.Write(head[:]); failed != nil { // it waits while the reader is busy with what came before
			err = errors.Join(err, failed)
		}
	}
	s.elders.Load().stay()
	return err
}

// Retire follows Yield when the other process serves: there is no way back.
func (s *socket) Retire() {
	if f := s.heir.Load(); f != nil {
		_ = f.far.Close() // the other one has it
	}
	s.elders.Swap(nil).close()
}

// Freed tells the process that reads the socket that a client is not kept any more.
// What cannot be told is told again when the client sends something.
func (s *socket) Freed(client netip.AddrPort) { s.freed(ends{client: client}) }

func (s *socket) freed(e ends) {
	if f := s.heir.Load(); f != nil {
		var head [passageHead]byte
		putHead(head[:], frameFreed, e)
		_ = f.sock.Send(head[:])
	}
}

// File is the socket for another process. Who is given it closes it.
func (s *socket) File() (*os.File, error) { return s.UDPConn.File() }

// turn is what the reader does that was interrupted: it turns to the feed that it was
// offered, if it still is.
func (s *socket) turn() {
	f := s.heir.Load()
	if f == nil || !f.state.CompareAndSwap(feedOffered, feedTaken) {
		return
	}
	s.fed = f
	close(f.turned)
}

// turnBack ends that. The passage must not be read at this moment, or its Close would
// wait for ever.
func (s *socket) turnBack() {
	closeEnds(s.fed.near, s.fed.far)
	s.fed = nil
}

// readFed receives a datagram that was handed on. ok is false if there was none, but
// something else.
func (s *socket) readFed(p []byte) (n int, e ends, ok bool, err error) {
	f := s.fed
	n, err = f.near.Read(f.buf)
	switch {
	case errors.Is(err, io.EOF):
		return 0, e, false, errNoHeir
	case err != nil:
		return 0, e, false, err
	}
	datagram, e, ok := s.opened(f.buf[:n])
	if f.back {
		s.turnBack()
	}
	return copy(p, datagram), e, ok, nil
}

var errNoHeir = errors.New("nobody reads the socket")

// opened is the datagram in a frame, if it is one for this process.
func (s *socket) opened(frame []byte) (datagram []byte, e ends, ok bool) {
	kind, e, datagram, ok := readFrame(frame)
	switch {
	case !ok || len(frame) > maxPassageBytes:
		return nil, e, false
	case kind == frameBack:
		s.fed.back = true
		return nil, e, false
	case kind != frameDatagram:
		return nil, e, false
	case s.clients.keeps == nil || !s.clients.keeps(s.key(e)):
		s.freed(s.key(e))
		return nil, e, false
	}
	return datagram, e, true
}

// key is by which a client is known: who listens for Flows tells them apart by both
// ends.
func (s *socket) key(e ends) ends {
	if s.flows {
		return e
	}
	return ends{client: netip.AddrPortFrom(e.client.Addr().WithZone(""), e.client.Port())}
}

// unixConn is the end of a passage. It closes f.
func unixConn(f *os.File) (*net.UnixConn, error) {
	conn, err := net.FileConn(f)
	_ = f.Close() // conn has a descriptor of its own
	if err != nil {
		return nil, err
	}
	end, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errPassage, conn.Close())
	}
	return end, nil
}

var errPassage = errors.New("not the end of a passage")

func closeEnds(list ...*net.UnixConn) {
	for _, end := range list {
		if end != nil {
			_ = end.Close() // nobody needs it any more
		}
	}
}
