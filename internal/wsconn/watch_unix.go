//go:build unix

package wsconn

import (
	"errors"
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// canPeek tells whether this system can look at a socket without reading it.
const canPeek = true

// receiveFrom takes what has arrived into the inbox; if that is nothing it
// rests and returns false, and is called again when there is something.
func (w *watchedConn) receiveFrom(fd uintptr) bool {
	w.busy.Store(true)
	inbox := w.conn.hub.inboxes.take()
	n, err := unix.Read(int(fd), inbox[:])
	for errors.Is(err, unix.EINTR) {
		n, err = unix.Read(int(fd), inbox[:])
	}
	if n > 0 {
		w.inbox, w.from, w.to = inbox, 0, uint16(n)
		return true
	}
	w.conn.hub.inboxes.give(inbox)
	switch {
	case err == nil:
		w.ended = io.EOF
	case errors.Is(err, unix.EAGAIN):
		w.rest()
		return false
	default:
		w.ended = err
	}
	return true
}

// sendTo sends what is unsent; if that has to wait it returns false, and is
// called again when it need not.
func (d *delivery) sendTo(fd uintptr) bool {
	for len(d.unsent) > 0 {
		n, err := syscall.Write(int(fd), d.unsent) // as package net does
		switch {
		case err == nil:
			d.unsent = d.unsent[n:]
		case errors.Is(err, unix.EAGAIN):
			d.hurry()
			return false
		case !errors.Is(err, unix.EINTR):
			d.failure = err
			return true
		}
	}
	return true
}

// pending tells whether data, an end or an error waits in the socket.
func (w *watchedConn) pending() bool {
	if w.raw == nil {
		return false
	}
	empty := false
	err := w.raw.Control(func(fd uintptr) {
		var one [1]byte
		_, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		for errors.Is(err, unix.EINTR) {
			_, _, err = unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		}
		empty = errors.Is(err, unix.EAGAIN)
	})
	return err != nil || !empty
}
