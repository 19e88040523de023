package gate

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// newPassage makes the two ends of a passage.
func newPassage() (near, far *net.UnixConn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	a, b := os.NewFile(uintptr(fds[0]), "passage"), os.NewFile(uintptr(fds[1]), "passage")
	near, err = unixConn(a)
	far, err2 := unixConn(b)
	if err := errors.Join(err, err2); err != nil {
		closeEnds(near, far)
		return nil, nil, err
	}
	return near, far, nil
}
