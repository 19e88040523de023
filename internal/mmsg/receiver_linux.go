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
	used, most   int // datagrams that are there, and that may come at once
	buf          []byte
	headers      []mmsghdr
	names        []Name
	controls     [][controlBytes]byte

	call func(fd uintptr)          // what use is given
	got  int                       // of the call
	errn syscall.Errno             // of the call
	wait func(fd uintptr) bool     // what Read is given
	each func(first, end int) bool // what Await was given
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
	r.call = r.receive
	r.wait = func(fd uintptr) bool {
		first := r.used
		r.receive(fd)
		return r.errn != 0 && r.errn != unix.EAGAIN || r.got > 0 && r.each(first, first+r.got) || r.got == r.most
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
	first, r.most = r.used, most
	if err := s.use(r.call); err != nil {
		return first, first, err
	}
	return first, r.used, r.failed()
}

// Await receives from a Socket of a net.UDPConn, again and again, and waits while
// there is nothing. The datagrams of each call, up to most, are given to each, which
// may Reset the Receiver; Await returns when that is true, and perhaps earlier.
//
// Who handles datagrams here and not after Receive saves a call that finds nothing:
// one that has brought less than it could has emptied the socket, and what comes
// later wakes the poller.
func (r *Receiver) Await(s *Socket, most int, each func(first, end int) bool) error {
	r.most, r.each = most, each
	if err := s.raw.Read(r.wait); err != nil {
		return err
	}
	return r.failed()
}

// receive makes the call. If what has come is a run of one flow it looks whether
// there is more of it by now, which then leaves together.
func (r *Receiver) receive(fd uintptr) {
	first, end := r.used, r.used+min(r.most, r.Free())
	for i := first; i < end; i++ {
		h := &r.headers[i].hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlBytes)
		h.Flags = 0
	}
	for {
		got, _, errn := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.headers[r.used])), uintptr(end-r.used), unix.MSG_DONTWAIT, 0, 0)
		if errn == unix.EINTR {
			continue
		}
		if r.errn = errn; errn != 0 {
			break
		}
		r.used += int(got)
		if r.used == end || !r.running(first) {
			break
		}
	}
	if r.got = r.used - first; r.got > 0 {
		r.errn = 0
	}
}

// running reports whether the last two datagrams belong together.
func (r *Receiver) running(first int) bool {
	last := r.used - 1
	return last > first && r.headers[last].len == r.headers[last-1].len && r.names[last] == r.names[last-1]
}

// failed is what the last call has met with.
func (r *Receiver) failed() error {
	if r.errn == 0 || r.errn == unix.EAGAIN {
		return nil
	}
	return os.NewSyscallError("recvmmsg", r.errn)
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
