package mmsg

import (
	"errors"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// controlBytes is room for the control messages of a datagram: the address it was
// sent to (IPV6_PKTINFO), and the size of segments (UDP_SEGMENT).
const controlBytes = 96

// A Receiver receives datagrams into memory of its own. One goroutine uses it.
type Receiver struct {
	stride, room int
	used, most   int // datagrams that are there, and that a call may bring
	buf          []byte
	headers      []mmsghdr
	names        []Name
	controls     [][controlBytes]byte

	got  uintptr // of the call
	errn syscall.Errno
	call func(fd uintptr)      // what use is given
	wait func(fd uintptr) bool // what Read is given
}

// NewReceiver holds up to datagrams of up to bytes each, with room before and
// after them for what somebody may write there.
func NewReceiver(datagrams, bytes, before, after int) *Receiver {
	r := &Receiver{
		stride: before + bytes + after, room: before,
		headers: make([]mmsghdr, datagrams), names: make([]Name, datagrams), controls: make([][controlBytes]byte, datagrams),
	}
	r.buf = make([]byte, datagrams*r.stride)
	iovs := make([]unix.Iovec, datagrams)
	for i := range r.headers {
		iovs[i].Base = &r.buf[i*r.stride+before]
		iovs[i].SetLen(bytes)
		h := &r.headers[i].hdr
		h.Name, h.Iov, h.Control = (*byte)(unsafe.Pointer(&r.names[i].raw)), &iovs[i], &r.controls[i][0]
		h.SetIovlen(1)
	}
	r.call = func(fd uintptr) {
		for {
			r.got, _, r.errn = unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.headers[r.used])), uintptr(r.most), unix.MSG_DONTWAIT, 0, 0)
			if r.errn != unix.EINTR {
				return
			}
		}
	}
	r.wait = func(fd uintptr) bool {
		r.call(fd)
		return r.errn != unix.EAGAIN
	}
	return r
}

// Reset forgets what was received: the memory is free again.
func (r *Receiver) Reset() { r.used = 0 }

// Free is how many more datagrams there is memory for.
func (r *Receiver) Free() int { return len(r.headers) - r.used }

// Receive takes up to most datagrams that have come already, and returns the
// number of the first and of the one after the last.
func (r *Receiver) Receive(s *Socket, most int) (first, end int, err error) {
	r.prepare(most)
	if err := s.use(r.call); err != nil {
		return r.used, r.used, err
	}
	return r.taken()
}

// Await is Receive that waits for one at least, for a Socket of a net.UDPConn.
func (r *Receiver) Await(s *Socket, most int) (first, end int, err error) {
	r.prepare(most)
	if err := s.raw.Read(r.wait); err != nil {
		return r.used, r.used, err
	}
	return r.taken()
}

func (r *Receiver) prepare(most int) {
	r.most = min(most, r.Free())
	for i := r.used; i < r.used+r.most; i++ {
		h := &r.headers[i].hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlBytes)
		h.Flags = 0
	}
}

func (r *Receiver) taken() (first, end int, err error) {
	switch {
	case r.errn == unix.EAGAIN:
		return r.used, r.used, nil
	case r.errn != 0:
		return r.used, r.used, os.NewSyscallError("recvmmsg", r.errn)
	}
	first = r.used
	r.used += int(r.got)
	return first, r.used, nil
}

// Datagram is one that was received, as a part of the memory around it: from begin
// to end of buf, where begin is the room before, and behind end is that after.
func (r *Receiver) Datagram(i int) (buf []byte, begin, end int) {
	return r.buf[i*r.stride : (i+1)*r.stride], r.room, r.room + int(r.headers[i].len)
}

// From is who has sent a datagram.
func (r *Receiver) From(i int) *Name { return &r.names[i] }

// Control are the control messages of a datagram.
func (r *Receiver) Control(i int) []byte { return r.controls[i][:r.headers[i].hdr.Controllen] }

// IsClosed reports whether an error of Receive or Await says that the Socket was
// closed.
func IsClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
