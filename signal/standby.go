package signal

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// The bounds of those who connect before they have a room.
const (
	standbyFor = 3 * time.Minute // from the first standby to register; another one gives no more time
	maxStandby = 16              // connections of one address (/64 for IPv6); the oldest gives way
)

// standing is who stands by: a page that looks for a partner, and will have no
// time to connect when it has found one.
type standing struct {
	mu      sync.Mutex                 // guards the fields below
	sources map[netip.Prefix][]*member // of each address, the oldest first
	total   int
	evicted uint64
}

// standBy lets a client register later.
func (m *member) standBy() {
	if m.stoodBy {
		return
	}
	m.stoodBy = true
	m.conn.FirstMessageWithin(standbyFor)
	if oldest := m.rooms.standing.add(m); oldest != nil {
		oldest.conn.Close(wire.CloseGoingAway, wire.ReasonTooMany)
	}
}

// add counts a connection, and returns the one that has to give way to it; nil
// if there is room for both.
func (s *standing) add(m *member) (oldest *member) {
	from := arrivals.Source(m.conn.Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.sources[from]
	if len(list) == maxStandby {
		oldest = list[0]
		list = slices.Delete(list, 0, 1)
		s.evicted++
	} else {
		s.total++
	}
	s.sources[from] = append(list, m)
	return oldest
}

// remove forgets a connection that registers or has ended, if it stood by.
func (s *standing) remove(m *member) {
	if !m.stoodBy {
		return
	}
	from := arrivals.Source(m.conn.Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.sources[from]
	at := slices.Index(list, m)
	switch {
	case at < 0: // it gave way, or was removed before
	case len(list) == 1:
		delete(s.sources, from)
		s.total--
	default:
		s.sources[from] = slices.Delete(list, at, at+1)
		s.total--
	}
}

// count is how many stand by, and how many had to give way to others.
func (s *standing) count() (now int, evicted uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total, s.evicted
}
