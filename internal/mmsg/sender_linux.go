package mmsg

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// lookBack is among how many of the last messages one of the same socket is
	// looked for, with which a datagram leaves, or as a segment of which.
	lookBack = 4
	// maxSegments is UDP_MAX_SEGMENTS of older kernels.
	maxSegments = 64
	// maxSegmentBytes is beyond what a datagram is not joined to others: with its
	// headers it might not fit a link, upon which the kernel refuses all of them.
	maxSegmentBytes = 1400
	// maxMessageBytes is less than what fits one UDP datagram of either family.
	maxMessageBytes = 65000
)

// A Sender collects datagrams and sends them. One goroutine uses it.
type Sender struct {
	messages []message
	segments []segment
	headers  []mmsghdr
	iovs     []unix.Iovec
	controls [][controlBytes]byte
	apart    bool // the kernel joins no datagrams

	fill     int // headers that are filled in, for put
	sent     uintptr
	errn     unix.Errno
	from, to int              // of headers, for call
	call     func(fd uintptr) // sendmmsg
	one      *message         // for plain
	plain    func(fd uintptr) // sendto
}

// message is a datagram, or several of one size, the last one perhaps smaller.
type message struct {
	sock        *Socket
	to          Name
	control     []byte
	first, last int32 // segments
	count       int32
	size, total int32 // of a segment, and of all
	ended       bool  // the last one is smaller
	follows     bool  // leaves with another one of the socket, which was added before
	next        int32 // the one that leaves with it and was added after; 0: none
}

type segment struct {
	p    []byte
	next int32
}

// NewSender collects up to datagrams between two calls of Flush.
func NewSender(datagrams int) *Sender {
	s := &Sender{
		messages: make([]message, 0, datagrams), segments: make([]segment, 0, datagrams),
		headers: make([]mmsghdr, datagrams), iovs: make([]unix.Iovec, datagrams), controls: make([][controlBytes]byte, datagrams),
	}
	s.call = func(fd uintptr) {
		for {
			s.sent, _, s.errn = unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&s.headers[s.from])), uintptr(s.to-s.from), unix.MSG_DONTWAIT, 0, 0)
			if s.errn != unix.EINTR {
				return
			}
		}
	}
	s.plain = func(fd uintptr) {
		p := s.segments[s.one.first].p
		name, size := s.one.name()
		for {
			_, _, s.errn = unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
				unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(name)), uintptr(size))
			if s.errn != unix.EINTR {
				return
			}
		}
	}
	return s
}

// Free is how many more datagrams may be added before Flush.
func (s *Sender) Free() int { return cap(s.segments) - len(s.segments) }

// Add sends p to an address upon the next Flush, with control messages such as the
// address to send from; nil: none. A Socket of Dial or Pipe knows both by itself. There must
// be room: Free.
func (s *Sender) Add(sock *Socket, to *Name, control, p []byte) {
	if sock.connected() {
		control = nil
	}
	n, before := int32(len(s.segments)), -1
	s.segments = append(s.segments, segment{p: p, next: -1})
	for i := len(s.messages) - 1; i >= max(0, len(s.messages)-lookBack); i-- {
		m := &s.messages[i]
		if m.sock != sock {
			continue
		}
		before = max(before, i)
		if m.to != *to {
			continue
		}
		if !s.apart && m.joins(len(p)) && !sock.pipe {
			s.segments[m.last].next = n
			m.last, m.count, m.total = n, m.count+1, m.total+int32(len(p))
			m.ended = int32(len(p)) < m.size
			return
		}
		break
	}
	if before >= 0 {
		s.messages[before].next = int32(len(s.messages))
	}
	s.messages = append(s.messages, message{
		sock: sock, to: *to, control: control, first: n, last: n, count: 1, size: int32(len(p)), total: int32(len(p)), follows: before >= 0,
	})
}

// joins reports whether a datagram of n bytes can be a segment of m.
func (m *message) joins(n int) bool {
	return !m.ended && 0 < n && int32(n) <= m.size && m.size <= maxSegmentBytes && m.count < maxSegments && int(m.total)+n <= maxMessageBytes
}

// Flush sends what was added, and returns how many datagrams were lost because the
// kernel did not take them.
func (s *Sender) Flush() (lost int) {
	for i := range s.messages {
		n, m := 0, &s.messages[i]
		switch {
		case m.follows:
		case m.next == 0 && m.count == 1 && m.control == nil:
			n = s.single(m)
		default:
			n = s.flush(m)
		}
		if n > 0 {
			m.sock.lost.Add(uint64(n))
			lost += n
		}
	}
	clear(s.messages) // which hold sockets and memory of others
	clear(s.segments)
	s.messages, s.segments = s.messages[:0], s.segments[:0]
	return lost
}

// single sends a message that is one datagram without control messages, for which
// the kernel has less to read.
func (s *Sender) single(m *message) (lost int) {
	s.one = m
	if m.sock.use(s.plain) != nil || s.errn != 0 {
		return 1
	}
	return 0
}

// flush sends a message and those that leave with it.
func (s *Sender) flush(m *message) (lost int) {
	sock, iovs := m.sock, s.put(m, 0)
	for m.next > 0 {
		m = &s.messages[m.next]
		iovs = s.put(m, iovs)
	}
	for s.from, s.to, s.fill = 0, s.fill, 0; s.from < s.to; {
		if sock.use(s.call) != nil {
			return lost + s.datagrams()
		}
		if s.errn == 0 {
			s.from += max(1, int(s.sent))
			continue
		}
		lost += s.refused(sock)
	}
	return lost
}

// put fills in the next header.
func (s *Sender) put(m *message, iovs int) int {
	first := iovs
	for n := m.first; n >= 0; n = s.segments[n].next {
		v := &s.iovs[iovs]
		v.Base = unsafe.SliceData(s.segments[n].p)
		v.SetLen(len(s.segments[n].p))
		iovs++
	}
	h := &s.headers[s.fill].hdr
	h.Name, h.Namelen = m.name()
	h.Iov = &s.iovs[first]
	h.SetIovlen(iovs - first)
	s.control(h, m)
	s.fill++
	return iovs
}

// name is where m goes; a Socket of Dial or Pipe knows it.
func (m *message) name() (*byte, uint32) {
	if m.sock.connected() {
		return nil, 0
	}
	return (*byte)(unsafe.Pointer(&m.to.raw)), m.to.size
}

// control puts the control messages of m together.
func (s *Sender) control(h *unix.Msghdr, m *message) {
	control := &s.controls[s.fill]
	n := copy(control[:], m.control)
	if m.count > 1 {
		c := (*unix.Cmsghdr)(unsafe.Pointer(&control[n]))
		c.Level, c.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
		c.SetLen(unix.CmsgLen(2))
		binary.NativeEndian.PutUint16(control[n+unix.CmsgLen(0):], uint16(m.size))
		n += unix.CmsgSpace(2)
	}
	h.Control = nil
	if n > 0 {
		h.Control = &control[0]
	}
	h.SetControllen(n)
}

// refused goes on behind the message that the kernel did not take; if that was one
// of segments, with each of them by itself.
func (s *Sender) refused(sock *Socket) (lost int) {
	h := &s.headers[s.from].hdr
	s.from++
	if h.Iovlen == 1 {
		return 1
	}
	if s.errn == unix.EIO { // no checksums for segments here
		s.apart = true
	}
	iovs := unsafe.Slice(h.Iov, h.Iovlen)
	if s.errn == unix.EAGAIN || s.errn == unix.ENOBUFS {
		return len(iovs) // the queue is full
	}
	from, to := s.from, s.to
	n := int(h.Controllen) - unix.CmsgSpace(2)
	if h.SetControllen(n); n == 0 {
		h.Control = nil
	}
	h.SetIovlen(1)
	for i := range iovs {
		h.Iov = &iovs[i]
		s.from, s.to = from-1, from
		if sock.use(s.call) != nil || s.errn != 0 {
			lost++
		}
	}
	s.from, s.to = from, to
	return lost
}

// datagrams is how many there are in the headers that are left.
func (s *Sender) datagrams() (n int) {
	for i := range s.headers[s.from:s.to] {
		n += int(s.headers[s.from+i].hdr.Iovlen)
	}
	return n
}

// CanSegment reports whether the kernel knows UDP_SEGMENT.
func CanSegment(sock *Socket) (can bool) {
	err := sock.use(func(fd uintptr) {
		_, failed := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		can = failed == nil
	})
	return err == nil && can
}

// Apart makes the Sender send every datagram by itself.
func (s *Sender) Apart() { s.apart = true }
