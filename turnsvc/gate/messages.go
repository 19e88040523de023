package gate

import "io"

// maxDatagramBytes is the longest datagram of DTLS that is taken: it holds a
// message of MaxFrameBytes, and what encryption adds.
const maxDatagramBytes = 2048

// messages are the frames of a connection that keeps them apart by itself.
type messages struct {
	src io.Reader
	buf [maxDatagramBytes]byte
}

// Next returns the next message, which is valid until the next call. ErrFrame
// means that the client sends something else than messages: they are encrypted,
// so nobody but the client can have sent it.
func (m *messages) Next() ([]byte, error) {
	n, err := m.src.Read(m.buf[:])
	switch {
	case err != nil:
		return nil, err
	case !isMessage(m.buf[:n]):
		return nil, ErrFrame
	}
	return m.buf[:n], nil
}

// Buffered is 0: no message has begun and not ended.
func (m *messages) Buffered() int { return 0 }

// Ready is false: every message is read by itself.
func (m *messages) Ready() bool { return false }
