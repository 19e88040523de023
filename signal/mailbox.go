package signal

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// What a seat keeps for a member that is away, offers but the last left out. More
// than this is no longer a handshake that was interrupted, and the seat is given up.
const (
	maxKeptMessages = 64
	maxKeptBytes    = 128 << 10
	maxKeptInAll    = 64 << 20 // bytes, for everybody together
)

// mailBudget is how much is kept for everybody.
type mailBudget struct{ bytes atomic.Int64 }

// take tells whether n bytes more may be kept; negative gives them back.
func (m *mailBudget) take(n int) bool {
	if m.bytes.Add(int64(n)) <= maxKeptInAll || n < 0 {
		return true
	}
	m.bytes.Add(int64(-n))
	return false
}

// mailbox keeps messages for a member that is away, was not sent its accept
// yet, or has not come at all; or from one of whom the webhook is asked. It is
// empty, with a budget.
type mailbox struct {
	budget *mailBudget // never changes

	mu     sync.Mutex // guards the fields below, and that seat.conn is set only while nothing is kept
	heir   *member    // the only one that seat.conn may become: the latest
	kept   [][]byte
	bytes  int
	closed bool // nothing is kept: its member does not come back, or has not come in time
}

// keep is the slow way to a seat: its connection is gone, or was when failed
// could not be written to. It returns the connection that the seat has by
// now, nil if it has none, and false if more came than is kept.
func (s *seat) keep(text []byte, failed *member) (back *member, fits bool) {
	b := &s.mail
	b.mu.Lock()
	defer b.mu.Unlock()
	if conn := s.conn.Load(); conn != nil && conn != failed {
		return conn, true
	}
	if b.closed {
		return nil, true
	}
	return nil, b.add(text)
}

// add keeps a copy of a message, unless that is too much. b.mu is held.
func (b *mailbox) add(text []byte) (fits bool) {
	if typ, _ := typeOf(text); typ == wire.SignalOffer {
		b.supersede()
	}
	if len(b.kept) == maxKeptMessages || b.bytes+len(text) > maxKeptBytes || !b.budget.take(len(text)) {
		return false
	}
	b.kept = append(b.kept, bytes.Clone(text))
	b.bytes += len(text)
	return true
}

// supersede drops the offers that were kept, and the candidates, for a newer offer
// has come. All are of one sender, for a room has but one other member, and who waits
// for somebody in vain offers again and again. b.mu is held.
func (b *mailbox) supersede() {
	before := b.bytes
	b.kept = slices.DeleteFunc(b.kept, func(text []byte) bool {
		typ, _ := typeOf(text)
		worthless := typ == wire.SignalOffer || typ == wire.SignalCandidate
		if worthless {
			b.bytes -= len(text)
		}
		return worthless
	})
	b.budget.take(b.bytes - before)
}

// hold keeps a message until drain, which may have been called for the last
// time: then it is not held.
func (b *mailbox) hold(text []byte) (held, fits bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false, true
	}
	return true, b.add(text)
}

// drain empties a mailbox; if there was nothing in it, nothing is held any more.
func (b *mailbox) drain() [][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := b.empty()
	b.closed = b.closed || len(kept) == 0
	return kept
}

// clear forgets what was kept so far.
func (b *mailbox) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.empty()
}

// expect has everything kept until conn is connected, and no other.
func (s *seat) expect(conn *member) {
	b := &s.mail
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heir, b.closed = conn, false
	s.conn.Store(nil)
}

// connect sends what was kept, in order, and then lets messages go to conn
// directly. If conn is lost meanwhile, what was not sent is kept again, or goes
// to the connection that has replaced it.
func (s *seat) connect(conn *member) {
	for {
		kept := s.take(conn)
		if len(kept) == 0 {
			return
		}
		for i, text := range kept {
			if conn.conn.Send(text) == nil {
				continue
			}
			if back := s.putBack(kept[i:], conn); back != nil {
				for _, text := range kept[i:] {
					_ = back.conn.Send(text) // its reader learns of an end by itself
				}
			}
			return
		}
	}
}

// take empties the mailbox; if it is empty, conn takes its place. Who cannot
// come back needs it no more. A connection that was replaced before its accept
// had quite been sent gets nothing.
func (s *seat) take(conn *member) [][]byte {
	b := &s.mail
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.heir != conn {
		return nil
	}
	kept := b.empty()
	if len(kept) == 0 {
		s.conn.Store(conn)
		b.closed = b.closed || !s.resume
	}
	return kept
}

// putBack keeps messages that could not be sent on the connection failed,
// before those that came since. It returns the connection that the seat has by
// now, if it has one, and keeps nothing then.
func (s *seat) putBack(texts [][]byte, failed *member) (back *member) {
	b := &s.mail
	b.mu.Lock()
	defer b.mu.Unlock()
	if conn := s.conn.Load(); conn != nil && conn != failed {
		return conn
	}
	if b.closed {
		return nil
	}
	for _, text := range texts {
		b.bytes += len(text)
		b.budget.bytes.Add(int64(len(text))) // which it was part of before
	}
	b.kept = append(texts, b.kept...)
	return nil
}

// recover is putBack of what was sent through a proxy and may not have arrived;
// false if it is more than is kept.
func (s *seat) recover(texts [][]byte, failed *member) (back *member, fits bool) {
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	if len(texts) > maxKeptMessages || size > maxKeptBytes {
		return nil, false
	}
	return s.putBack(texts, failed), true
}

// close forgets what was kept; nothing is kept any more.
func (b *mailbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.empty()
	b.closed = true
}

// empty takes everything out. b.mu is held.
func (b *mailbox) empty() [][]byte {
	kept := b.kept
	b.budget.take(-b.bytes)
	b.kept, b.bytes = nil, 0
	return kept
}
