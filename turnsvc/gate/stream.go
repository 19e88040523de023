package gate

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// How long a connection may take. A chat sends something every few seconds; a
// client of TURN that only listens still refreshes its permissions every
// 5 minutes (RFC 8656 §9).
const (
	// FrameTimeout bounds the first frame of a connection, counted from its start,
	// with what comes before it, such as a TLS handshake; and every later frame,
	// counted from its first byte.
	FrameTimeout = 10 * time.Second
	// IdleTimeout bounds the silence of a connection that holds nothing.
	IdleTimeout = time.Minute
	// HeldIdleTimeout bounds the silence of a connection that holds an
	// allocation: the default lifetime of one, 10 minutes (RFC 8656 §7.2),
	// within which a client must refresh it, and a minute of grace. Whoever asks
	// for a longer lifetime must still say something that often.
	HeldIdleTimeout = 11 * time.Minute
	// WriteTimeout bounds one write to a client that does not read.
	WriteTimeout = 10 * time.Second
)

// Stream is one connection as a net.PacketConn of a single client: ReadFrom
// returns one frame, WriteTo writes one. It is TCP, TLS, or DTLS, where nothing
// streams, but a client comes and goes in the same way. It closes itself on the
// first byte that cannot belong to a frame, on every timeout above, and on every
// error. One goroutine reads; any number write.
type Stream struct {
	frames   frames
	opened   time.Time
	openings []Opening    // what Await does before the first frame
	first    []byte       // the frame that Await has read, until ReadFrom takes it
	spoke    bool         // the first frame was complete
	begun    time.Time    // when the present frame began; zero between frames
	held     func() bool  // nil: holds nothing
	refused  func()       // called once if the stream was not TURN
	closed   func() error // what Close does, once
	local    net.Addr     // so that nobody asks for them packet by packet
	remote   net.Addr
	outbox   outbox
	whole    bool // messages are kept apart below, so they need no padding
	apart    bool // it is TLS, of which each frame is a record

	mu   sync.Mutex // guards the fields below against Close while Await is at work
	conn net.Conn
	gone bool
}

// frames is a Reader, or messages.
type frames interface {
	Next() ([]byte, error)
	Buffered() int
	Ready() bool
}

// NewStream wraps conn, whose time starts to run. The function refused is called
// if the stream turns out not to be TURN, and onClose once when the Stream is
// closed; both may be nil.
func NewStream(conn net.Conn, refused, onClose func()) *Stream {
	if refused == nil {
		refused = func() {}
	}
	s := &Stream{
		conn: conn, opened: time.Now(), refused: refused,
		local: conn.LocalAddr(), remote: conn.RemoteAddr(), apart: isTLS(conn),
	}
	s.frames = NewReader(timed{s})
	s.closed = sync.OnceValue(func() error {
		if onClose != nil {
			onClose()
		}
		s.mu.Lock()
		s.gone = true
		conn := s.conn
		s.mu.Unlock()
		return conn.Close()
	})
	return s
}

// Secured reports what is below TURN: TLS, or DTLS, or neither. It is known when
// Await has returned.
func (s *Stream) Secured() (tls, dtls bool) { return s.apart, s.whole }

// isTLS reports whether a connection is a *tls.Conn, or has one in it.
func isTLS(conn net.Conn) bool {
	_, is := conn.(interface{ ConnectionState() tls.ConnectionState })
	return is
}

// Transport is how the client comes, when Await has returned: tcp, tls or dtls.
func (s *Stream) Transport() string {
	switch {
	case s.whole:
		return "dtls"
	case s.apart:
		return "tls"
	default:
		return "tcp"
	}
}

// Hold says how to find out whether the client holds an allocation, which gives
// it HeldIdleTimeout. Call it before the first ReadFrom.
func (s *Stream) Hold(held func() bool) { s.held = held }

// Await returns when the connection is open and the first frame is there, for
// ReadFrom to return. Until then a stranger has cost nothing of the layers above.
func (s *Stream) Await(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		s.refused()
		return errors.Join(err, s.Close())
	}
	frame, err := s.next()
	s.first = frame
	return err
}

func (s *Stream) open(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, s.opened.Add(FrameTimeout))
	defer cancel()
	for _, opening := range s.openings {
		conn, err := opening(ctx, s.conn)
		if err != nil {
			return err
		}
		if err := s.use(conn); err != nil {
			return err
		}
	}
	s.openings = nil
	return nil
}

// use puts what an Opening has returned in the place of the connection.
func (s *Stream) use(conn net.Conn) error {
	if _, s.whole = conn.(wholeMessages); s.whole {
		s.frames = &messages{src: timed{s}}
	}
	s.apart = isTLS(conn)
	s.remote = conn.RemoteAddr()
	s.mu.Lock()
	s.conn = conn
	gone := s.gone
	s.mu.Unlock()
	if gone { // Close has closed what is below
		return errors.Join(net.ErrClosed, conn.Close())
	}
	return nil
}

// ReadFrom returns one frame. A frame that does not fit p is an error, as on
// every error the connection is closed.
func (s *Stream) ReadFrom(p []byte) (int, net.Addr, error) {
	frame, err := s.Next()
	if err != nil {
		return 0, nil, err
	}
	if len(frame) > len(p) {
		return 0, nil, errors.Join(ErrFrame, s.Close())
	}
	return copy(p, frame), s.remote, nil
}

// Next returns one frame, which is valid until the next call that finds Ready
// false. It takes the place of ReadFrom.
func (s *Stream) Next() ([]byte, error) {
	if frame := s.first; frame != nil {
		s.first = nil
		return frame, nil
	}
	return s.next()
}

// Ready reports whether Next returns a frame without reading, for one at least was
// read together with that before.
func (s *Stream) Ready() bool { return s.frames.Ready() }

func (s *Stream) next() ([]byte, error) {
	frame, err := s.frames.Next()
	if err != nil {
		if errors.Is(err, ErrFrame) {
			s.refused()
		}
		return nil, errors.Join(err, s.Close())
	}
	s.spoke, s.begun = true, time.Time{}
	return frame, nil
}

// due is when the read that is about to start must have ended.
func (s *Stream) due() time.Time {
	switch {
	case !s.spoke:
		return s.opened.Add(FrameTimeout)
	case s.frames.Buffered() > 0:
		if s.begun.IsZero() {
			s.begun = time.Now()
		}
		return s.begun.Add(FrameTimeout)
	case s.held != nil && s.held():
		return time.Now().Add(HeldIdleTimeout)
	}
	return time.Now().Add(IdleTimeout)
}

// WriteTo writes one frame to the client, whatever address is given.
func (s *Stream) WriteTo(p []byte, _ net.Addr) (int, error) {
	message := p
	if s.whole {
		message = unpadded(p)
	}
	if n, err := s.write(message); err != nil {
		return n, err
	}
	return len(p), nil
}

// Close closes the connection; a blocked ReadFrom returns. It may be called
// again and again.
func (s *Stream) Close() error { return s.closed() }

// LocalAddr is the server's end of the connection.
func (s *Stream) LocalAddr() net.Addr { return s.local }

// RemoteAddr is the client's end of the connection.
func (s *Stream) RemoteAddr() net.Addr { return s.remote }

// SetDeadline does nothing: a Stream keeps its own deadlines.
func (s *Stream) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing: a Stream keeps its own deadlines.
func (s *Stream) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: a Stream keeps its own deadlines.
func (s *Stream) SetWriteDeadline(time.Time) error { return nil }

// timed reads from the connection of a Stream under its deadlines.
type timed struct{ s *Stream }

func (t timed) Read(p []byte) (int, error) {
	if err := t.s.conn.SetReadDeadline(t.s.due()); err != nil {
		return 0, err
	}
	return t.s.conn.Read(p)
}
