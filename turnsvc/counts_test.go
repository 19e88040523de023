package turnsvc

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// ledgerOf is a Counts that remembers, and says what there is elsewhere.
type ledgerOf struct {
	mu               sync.Mutex
	ofUser, ofSource int // elsewhere
	users            map[string]int
	sources          map[netip.Prefix]int
}

func (l *ledgerOf) Elsewhere(user string, _ netip.Prefix) (ofUser, ofSource int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if user == "" {
		return 0, l.ofSource
	}
	return l.ofUser, l.ofSource
}

func (l *ledgerOf) Count(user string, source netip.Prefix, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users[user] += n
	l.sources[source] += n
}

func (l *ledgerOf) set(ofUser, ofSource int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ofUser, l.ofSource = ofUser, ofSource
}

// TestQuotasCountWhatIsElsewhere holds that the limits bound the sum over a fleet, that
// whoever has a credential for one server only is counted there, and that what was
// counted is given back.
func TestQuotasCountWhatIsElsewhere(t *testing.T) {
	t.Parallel()
	counts := &ledgerOf{users: map[string]int{}, sources: map[netip.Prefix]int{}}
	s := inFleet(t, "n1", "127.0.0.1", func(c *Config) { c.Counts, c.MaxPerUser, c.MaxPerAddr = counts, 2, 4 })
	dial := func(at ...string) *client {
		return s.dial(t, "udp", string(Claims{Room: "room", Side: "a", At: at}.appendTo(nil, tagMAC("new"))))
	}
	for _, c := range []struct {
		what             string
		ofUser, ofSource int
		at               []string
		want             stun.ErrorCode
	}{
		{"as many elsewhere as there may be", 2, 0, nil, stun.CodeAllocQuotaReached},
		{"as many from his address", 0, 4, nil, stun.CodeAllocQuotaReached},
		{"for this server only, so the others do not count", 2, 3, []string{"n1"}, 0},
		{"one is left, with that", 0, 2, nil, 0},
		{"and now none", 0, 0, nil, stun.CodeAllocQuotaReached},
	} {
		counts.set(c.ofUser, c.ofSource)
		if _, got := dial(c.at...).allocate(); got != c.want {
			t.Errorf("%s: Allocate = %d, want %d", c.what, got, c.want)
		}
	}
	source := netip.MustParsePrefix("127.0.0.1/32")
	counts.mu.Lock()
	if counts.users["room.a"] != 1 || counts.users[""] != 1 || counts.sources[source] != 2 {
		t.Errorf("counted are %v and %v, want one for him, one for nobody, two for his address", counts.users, counts.sources)
	}
	counts.mu.Unlock()
	s.EndRoom("room")
	counts.mu.Lock()
	defer counts.mu.Unlock()
	if counts.users["room.a"] != 0 || counts.users[""] != 0 || counts.sources[source] != 0 {
		t.Errorf("after the end %v and %v are counted, want nothing", counts.users, counts.sources)
	}
}

// TestTheYoungestEnd holds that of too many the latest end, and nothing that is old.
func TestTheYoungestEnd(t *testing.T) {
	t.Parallel()
	s := inFleet(t, "n1", "127.0.0.1")
	old := s.member(t, "room", "a")
	old.mustAllocate()
	s.clock.advance(10 * time.Second)
	early, late, other := s.member(t, "room", "a"), s.member(t, "room", "a"), s.member(t, "room", "b")
	for _, c := range []*client{early, late, other} {
		c.mustAllocate()
	}
	left := func(c *client) bool { return code(c.do(stun.MethodRefresh)) == 0 }
	if n := s.EndYoungest("room.a", netip.Prefix{}, 1, 5*time.Second); n != 1 || left(late) || !left(early) {
		t.Errorf("EndYoungest = %d, want the latest of the user", n)
	}
	source := netip.MustParsePrefix("127.0.0.1/32")
	if n := s.EndYoungest("", source, 9, 5*time.Second); n != 2 || left(early) || left(other) || !left(old) {
		t.Errorf("EndYoungest = %d, want the two from the address that are not old", n)
	}
	if n := s.EndYoungest("", netip.MustParsePrefix("127.0.0.2/32"), 9, time.Hour); n != 0 {
		t.Errorf("EndYoungest of another address = %d", n)
	}
}
