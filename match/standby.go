package match

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// Who stands by (wire.Standby) has opened a page and decided nothing yet. His
// connection saves him a round trip or two when he does; it costs no more than
// that of one who waits, and gives way to everybody else.
const (
	// standbyFor is how long a connection stands by; then it is closed with 1000.
	standbyFor = time.Minute
	// maxStandbyPerAddr is how many stand by of one subscriber address; of more,
	// who came first gives way. A family with its tabs fits in.
	maxStandbyPerAddr = 8
	// standbyNewsEvery is how often one who stands by is told at most how many
	// are online.
	standbyNewsEvery = 5 * time.Second
	// standbyTick is how often it is looked who is to be told.
	standbyTick = standbyNewsEvery / 10
)

// standby is who stands by. It is safe for concurrent use.
type standby struct {
	most int // in all

	mu     sync.Mutex                  // guards the fields below; never held while sending
	told   recent[*visitor, int]       // how many are online, as each was told; who was told longest ago is the oldest
	byAddr map[netip.Prefix][]*visitor // the same, who came first at the head
}

func newStandby(most int) *standby {
	most = cmp.Or(most, 1<<12)
	return &standby{
		most:   most,
		told:   newRecent[*visitor, int](most+1, 2*standbyFor), // it forgets nobody by itself: all are told in time, or leave
		byAddr: map[netip.Prefix][]*visitor{},
	}
}

func (s *standby) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.told.entries)
}

// enter lets v stand by, who is told that so many are online. It returns those
// who give way to him, two at most.
func (s *standby) enter(v *visitor, online int, now time.Time) (gaveWay []*visitor) {
	from := arrivals.Source(v.conn.Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if same := s.byAddr[from]; len(same) >= maxStandbyPerAddr {
		gaveWay = append(gaveWay, same[0])
		s.remove(same[0])
	}
	if len(s.told.entries) >= s.most {
		gaveWay = append(gaveWay, s.told.oldest.key)
		s.remove(s.told.oldest.key)
	}
	*s.told.touch(v, now) = online
	s.byAddr[from] = append(s.byAddr[from], v)
	return gaveWay
}

// leave takes v out, if he stands by.
func (s *standby) leave(v *visitor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, stands := s.told.entries[v]; stands {
		s.remove(v)
	}
}

// retire takes v out, and tells how many are online as he was told, if he stands by.
func (s *standby) retire(v *visitor) (online int, stands bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, stands := s.told.entries[v]
	if !stands {
		return 0, false
	}
	online = e.value
	s.remove(v)
	return online, true
}

// remove takes out one who stands by. s.mu is held.
func (s *standby) remove(v *visitor) {
	from := arrivals.Source(v.conn.Addr())
	s.told.drop(v)
	same := s.byAddr[from]
	same = slices.DeleteFunc(same, func(other *visitor) bool { return other == v })
	if s.byAddr[from] = same; len(same) == 0 {
		delete(s.byAddr, from)
	}
}

// next takes one whose turn it is to hear how many are online. News is false if
// he knows; nil: it is nobody's turn.
func (s *standby) next(online int, now time.Time) (v *visitor, news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := s.told.oldest
	if oldest == nil || now.Sub(oldest.at) < standbyNewsEvery {
		return nil, false
	}
	told := s.told.touch(oldest.key, now)
	news = *told != online
	*told = online
	return oldest.key, news
}

// serve tells those who stand by how many are online, until ctx ends.
func (s *standby) serve(ctx context.Context, online func() int) {
	tick := time.NewTicker(standbyTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.tell(online(), now)
		}
	}
}

func (s *standby) tell(online int, now time.Time) {
	var text []byte // the same for all
	for v, news := s.next(online, now); v != nil; v, news = s.next(online, now) {
		if !news {
			continue
		}
		if text == nil {
			text = onlineNow(online)
		}
		_ = v.conn.Post(text) // its reader learns of an end by itself
	}
}

// onlineNow is what one who stands by is told.
func onlineNow(online int) []byte {
	return wsconn.JSON(wire.MatchMessage{Type: wire.MatchWaiting, Online: online})
}

// stand keeps the connection of a visitor who has not decided yet, once.
func (v *visitor) stand() {
	if v.stood {
		return
	}
	v.stood = true
	l := v.lobby
	online := l.cfg.Online()
	for _, other := range l.standby.enter(v, online, time.Now()) {
		other.conn.Close(wire.CloseGoingAway, wire.ReasonStandby)
	}
	v.conn.EndWithin(standbyFor)
	_ = v.conn.Post(onlineNow(online)) // its reader learns of an end by itself
}

// decide ends the standby of a visitor: he asks, or has left.
func (v *visitor) decide() {
	if v.stood {
		v.lobby.standby.leave(v)
	}
}
