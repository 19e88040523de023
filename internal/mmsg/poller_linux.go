package mmsg

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Poller waits for the datagrams of many Sockets (epoll(7)). Its descriptor waits
// in Go's own poller, so no thread is blocked.
type Poller struct {
	file   *os.File
	raw    syscall.RawConn
	events []unix.EpollEvent

	n    int
	errn syscall.Errno
	wait func(fd uintptr) bool
}

// NewPoller tells of up to events Sockets at once.
func NewPoller(events int) (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // so that os.NewFile takes it for one that can wait
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &Poller{file: os.NewFile(uintptr(fd), "epoll"), events: make([]unix.EpollEvent, events)}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		return nil, fmt.Errorf("reach epoll: %w", err)
	}
	p.wait = func(fd uintptr) bool {
		n, _, err := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
		p.n, p.errn = int(n), err
		if err != 0 {
			p.n = 0
		}
		return p.n != 0 || err != 0 && err != unix.EINTR
	}
	return p, nil
}

// Add waits for a Socket of its own until that is closed. The token tells which one
// it is.
func (p *Poller) Add(s *Socket, token uint64) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(token), Pad: int32(token >> 32)}
	var closed, failed error
	err := s.use(func(fd uintptr) {
		closed = p.raw.Control(func(epoll uintptr) {
			failed = unix.EpollCtl(int(epoll), unix.EPOLL_CTL_ADD, int(fd), &event)
		})
	})
	return errors.Join(err, closed, os.NewSyscallError("epoll_ctl", failed))
}

// Wait waits until one of the Sockets has datagrams, and returns how many have:
// Token tells which ones.
func (p *Poller) Wait() (n int, err error) {
	if err := p.raw.Read(p.wait); err != nil {
		return 0, err
	}
	if p.errn != 0 {
		return 0, os.NewSyscallError("epoll_pwait", p.errn)
	}
	return p.n, nil
}

// Token is that of one of the Sockets that Wait has found.
func (p *Poller) Token(i int) uint64 {
	return uint64(uint32(p.events[i].Fd)) | uint64(uint32(p.events[i].Pad))<<32
}

// Close ends Wait with an error.
func (p *Poller) Close() error { return p.file.Close() }
