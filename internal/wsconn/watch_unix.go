//go:build unix

package wsconn

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// canPeek tells whether this system can look at a socket without reading it.
const canPeek = true

// readRaw reads without waiting, and rests before it waits.
func (w *watchedConn) readRaw(p []byte) (n int, err error) {
	waitErr := w.raw.Read(func(fd uintptr) bool {
		w.busy.Store(true)
		n, err = ignoringEINTR(func() (int, error) { return unix.Read(int(fd), p) })
		if errors.Is(err, unix.EAGAIN) {
			w.rest()
			return false
		}
		return true
	})
	switch {
	case waitErr != nil:
		return 0, waitErr
	case err != nil:
		return 0, err
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// pending tells whether data, an end or an error waits in the socket.
func (w *watchedConn) pending() bool {
	if w.raw == nil {
		return false
	}
	empty := false
	err := w.raw.Control(func(fd uintptr) {
		var one [1]byte
		_, err := ignoringEINTR(func() (int, error) {
			n, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
			return n, err
		})
		empty = errors.Is(err, unix.EAGAIN)
	})
	return err != nil || !empty
}

func ignoringEINTR(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
