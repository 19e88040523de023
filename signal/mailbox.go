package signal

import (
	"bytes"
	"sync"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
)

// What a seat keeps for a member that is away. More than this is no longer a
// handshake that was interrupted, and the seat is given up.
const (
	maxKeptMessages = 64
	maxKeptBytes    = 128 << 10
)

// mailbox keeps messages for a member that is away, or was not sent its accept
// yet. The zero value is empty.
type mailbox struct {
	mu     sync.Mutex // guards the fields below, and that seat.conn is set only while nothing is kept
	kept   [][]byte
	bytes  int
	closed bool // nothing is kept: its member does not come back, or has not
}

// keep is the slow way to a seat: its connection is gone, or was when failed
// could not be written to. It returns the connection that the seat has by
// now, nil if it has none, and false if more came than is kept.
func (s *seat) keep(text []byte, failed *wsconn.Conn) (back *wsconn.Conn, fits bool) {
	b := &s.mail
	b.mu.Lock()
	defer b.mu.Unlock()
	if conn := s.conn.Load(); conn != nil && conn != failed {
		return conn, true
	}
	if b.closed {
		return nil, true
	}
	if len(b.kept) == maxKeptMessages || b.bytes+len(text) > maxKeptBytes {
		return nil, false
	}
	b.kept = append(b.kept, bytes.Clone(text))
	b.bytes += len(text)
	return nil, true
}

// connect sends what was kept, in order, and then lets messages go to conn
// directly. If conn is lost meanwhile, what was not sent is kept again.
func (s *seat) connect(conn *wsconn.Conn) {
	for {
		kept := s.take(conn)
		if len(kept) == 0 {
			return
		}
		for i, text := range kept {
			if conn.Send(text) != nil {
				s.putBack(kept[i:])
				return
			}
		}
	}
}

// take empties the mailbox; if it is empty, conn takes its place. Who cannot
// come back needs it no more.
func (s *seat) take(conn *wsconn.Conn) [][]byte {
	b := &s.mail
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := b.kept
	b.kept, b.bytes = nil, 0
	if len(kept) == 0 {
		s.conn.Store(conn)
		b.closed = b.closed || !s.resume
	}
	return kept
}

// putBack keeps messages that could not be sent, before those that came since.
func (s *seat) putBack(texts [][]byte) {
	b := &s.mail
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range texts {
		b.bytes += len(text)
	}
	b.kept = append(texts, b.kept...)
}

// close forgets what was kept; nothing is kept any more.
func (b *mailbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept, b.bytes, b.closed = nil, 0, true
}
