//go:build !linux

package succession

import (
	"errors"
	"net"
	"os"
)

// link would be a socket to another process.
type link struct{ conn net.Conn }

var errNotHere = errors.New("this system cannot hand over sockets as Linux does: restart the server")

func socketpair() (ours, theirs *os.File, err error) { return nil, nil, errNotHere }

func newLink(*os.File) (*link, error) { return nil, errNotHere }

func (*link) send(*packet) error { return errNotHere }

func (*link) receive() (packet, error) { return packet{}, errNotHere }

func start(Config, *os.File) (*os.Process, error) { return nil, errNotHere }

func reap(int) {}

func awaitExit(int, <-chan struct{}) {}

func inherit(fd int) *os.File { return os.NewFile(uintptr(fd), "line") }
