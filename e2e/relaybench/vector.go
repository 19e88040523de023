//go:build linux

package main

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of sendmmsg(2), whose padding Go adds by itself.
type mmsghdr struct {
	header unix.Msghdr
	bytes  uint32
}

// vectorLen is how many messages one system call sends or receives at most.
const vectorLen = 64

// A vector is what sendmmsg(2) and recvmmsg(2) work on, made once. They are
// called past the scheduler of Go: no call here waits.
type vector struct {
	messages [vectorLen]mmsghdr
	parts    [vectorLen]unix.Iovec
	names    [vectorLen]unix.RawSockaddrInet4
	buffers  [vectorLen][frameHead + 2*channelHead + maxPacket]byte
	used     int // messages to be sent
}

func newVector() *vector {
	v := new(vector)
	for i := range v.messages {
		v.parts[i].Base = &v.buffers[i][0]
		v.parts[i].SetLen(len(v.buffers[i]))
		v.messages[i].header.Iov = &v.parts[i]
		v.messages[i].header.SetIovlen(1)
	}
	return v
}

// add is room for one more message of size bytes.
func (v *vector) add(size int) []byte {
	i := v.used
	v.used++
	v.parts[i].SetLen(size)
	return v.buffers[i][:size]
}

// send sends what was added, and tells how much of it the kernel did not want.
func (v *vector) send(fd int) (held int, err error) {
	for from := 0; from < v.used; {
		n, errno := v.call(unix.SYS_SENDMMSG, fd, from, v.used)
		switch {
		case errno == 0:
			from += n
		case errno == unix.EAGAIN || errno == unix.ENOBUFS:
			held += v.used - from
			from = v.used
		case errno != unix.EINTR:
			v.used = 0
			return held, errno
		}
	}
	v.used = 0
	return held, nil
}

// receive hands over what has arrived at a socket, with the address that it came
// from. It is not kept for later.
func (v *vector) receive(fd int, take func(from *unix.RawSockaddrInet4, p []byte)) error {
	for {
		for i := range v.messages {
			v.parts[i].SetLen(len(v.buffers[i]))
			h := &v.messages[i].header
			h.Name, h.Namelen = (*byte)(unsafe.Pointer(&v.names[i])), unix.SizeofSockaddrInet4
		}
		n, errno := v.call(unix.SYS_RECVMMSG, fd, 0, vectorLen)
		switch {
		case errors.Is(errno, unix.EAGAIN):
			return nil
		case errors.Is(errno, unix.EINTR):
			continue
		case errno != 0:
			return errno
		}
		for i := range n {
			take(&v.names[i], v.buffers[i][:v.messages[i].bytes])
		}
		if n < vectorLen {
			return nil
		}
	}
}

func (v *vector) call(trap uintptr, fd, from, to int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(&v.messages[from])), uintptr(to-from), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

// dropped is how many packets sockets had no room for (SO_MEMINFO).
func dropped(fds ...int) (total int, err error) {
	for _, fd := range fds {
		var info [9]uint32 // up to SK_MEMINFO_DROPS
		size := uint32(unsafe.Sizeof(info))
		_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno != 0 {
			return 0, fmt.Errorf("ask a socket for what it dropped: %w", errno)
		}
		total += int(info[len(info)-1])
	}
	return total, nil
}
