//go:build !js

package peer

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// lag has what is told take that long. What is on its way to a seat that is
// hurried is lost, as on a socket that nobody reads any more.
func (r *room) lag(d time.Duration) {
	const redialled = 300 * time.Millisecond
	var sockets [2]atomic.Int32 // how many of them seat i has given up
	r.set(func(from int, text string) int {
		to := 1 - from
		socket := sockets[to].Load()
		time.AfterFunc(d, func() {
			if sockets[to].Load() == socket {
				r.hear(to, text)
			}
		})
		return 0
	})
	for i, s := range r.seats {
		go func() { // ends with the seat
			for {
				select {
				case <-s.done:
					return
				case <-s.haste:
					sockets[i].Add(1)
					s.note(true)
					time.AfterFunc(redialled, func() {
						s.note(false)
						s.back <- returned{}
					})
				}
			}
		}()
	}
}

// hear has seat i hear what the other one told.
func (r *room) hear(i int, text string) {
	select {
	case r.seats[i].in <- text:
	case <-r.seats[i].done:
	}
}

// TestASlowWayThroughTheServer finds another path though an answer takes longer
// than a seat whose socket may be dead is trusted.
func TestASlowWayThroughTheServer(t *testing.T) {
	noLeaks(t)
	r := newRoom(t)
	chats, links := linkedChats(t, r, [2]*prepared{})
	chatter(t, chats, "before ")
	r.lag(1500 * time.Millisecond)
	for _, l := range links {
		deafen(l, true)
	}
	offers, start := r.offers(0), time.Now()
	for _, l := range links {
		l.suspect()
	}
	awaitOffers(t, r, 0, offers, links[0].suspect)
	awaitEvent(t, chats[0], EventRestored)
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("the chat was back after %v, want at most 15 s", took)
	}
	chatter(t, chats, "after ")
	part(chats)
}

// TestTroubleWhileTheServerIsAway holds that nothing is kept for the server each
// time that the path is doubted: the seat would be lost for it.
func TestTroubleWhileTheServerIsAway(t *testing.T) {
	l := &link{
		live: &connection{}, news: make(chan news, 1),
		seat: &seat{lost: true, wake: make(chan struct{}, 1)},
	}
	for range maxKept + 1 {
		l.worry(0)
		l.calm()
	}
	if texts, ok := l.seat.take(true); !ok || len(texts) > 0 {
		t.Errorf("%d messages are kept, too many: %t; want none", len(texts), !ok)
	}
}

// TestWhatIsAgreedOnHasItsTime holds that a side which notices the trouble last
// does not replace the connection that it has just agreed to.
func TestWhatIsAgreedOnHasItsTime(t *testing.T) {
	noLeaks(t)
	r := newRoom(t)
	chats, links := linkedChats(t, r, [2]*prepared{})
	chatter(t, chats, "before ")
	r.set(func(from int, text string) int {
		if !strings.HasPrefix(text, `{"type":"candidate"`) {
			return 1
		}
		time.AfterFunc(2*time.Second, func() { r.hear(1-from, text) })
		return 0
	})
	for _, l := range links {
		deafen(l, true)
	}
	offers, answers, start := r.offers(0), r.count(0, wire.SignalAnswer), time.Now()
	links[1].suspect()
	awaitTold(t, r, 0, wire.SignalAnswer, answers, links[1].suspect)
	if took := time.Since(start); took >= attemptTimeout {
		t.Errorf("it offered after %v: it waited for the connection that it had", took)
	}
	links[0].suspect()
	chatter(t, chats, "after ") // the old one stays deaf
	if n := r.offers(0) - offers; n != 0 {
		t.Errorf("%d offers of the side that had agreed to one, want none", n)
	}
	if n := r.count(0, wire.SignalAnswer) - answers; n != 1 {
		t.Errorf("%d connections were agreed on, want 1", n)
	}
	part(chats)
}

// TestAResumedSeatBringsItsServers holds that an attempt to find another path that
// follows the return of the seat gathers from the servers that came with it: those
// of before may be gone, or their credential.
func TestAResumedSeatBringsItsServers(t *testing.T) {
	noLeaks(t)
	r := newRoom(t)
	chats, links := linkedChats(t, r, [2]*prepared{})
	chatter(t, chats, "before ")
	r.set(func(int, string) int { return 0 })
	for _, l := range links {
		deafen(l, true)
	}
	offers := r.offers(0)
	links[0].suspect()
	awaitOffers(t, r, 0, offers, links[0].suspect)
	offers = r.offers(0)
	r.seats[0].back <- returned{servers: []wire.ICEServer{{URLs: []string{"stun:127.0.0.1:9"}}}}
	awaitOffers(t, r, 0, offers, func() {})
	part(chats)
	for name, c := range map[string]*connection{"was offered": links[0].next, "is there": links[0].current} { // its goroutine has ended
		if servers := c.pc.GetConfiguration().ICEServers; len(servers) != 1 || servers[0].URLs[0] != "stun:127.0.0.1:9" {
			t.Errorf("the connection that %s gathers from %v, want the servers that came with the seat", name, servers)
		}
	}
}

// TestALostOfferIsForgotten holds that an offer which got lost is given up when the
// old path works again: it stands in the way of no offer of the partner.
func TestALostOfferIsForgotten(t *testing.T) {
	noLeaks(t)
	r := newRoom(t)
	chats, links := linkedChats(t, r, [2]*prepared{})
	chatter(t, chats, "before ")
	r.set(func(from int, _ string) int { return from }) // what seat 0 tells is lost
	for _, l := range links {
		deafen(l, true)
	}
	offers := r.offers(0)
	links[0].suspect()
	awaitOffers(t, r, 0, offers, links[0].suspect)
	awaitEvent(t, chats[0], EventInterrupted)
	for _, l := range links {
		deafen(l, false)
	}
	poke(links[0].awake) // a hello that SCTP would have sent again
	awaitEvent(t, chats[0], EventRestored)
	r.set(nil)
	offers, answers := r.offers(1), r.count(0, wire.SignalAnswer)
	deafen(links[1], true)
	links[1].suspect()
	awaitTold(t, r, 0, wire.SignalAnswer, answers, links[1].suspect)
	if n := r.offers(1) - offers; n != 1 {
		t.Errorf("the answer came after %d offers, want it after the first", n)
	}
	chatter(t, chats, "after ")
	part(chats)
	if links[0].next != nil { // its goroutine has ended
		t.Error("the connection that was offered in vain is still there")
	}
}

// TestWhoHoldsOn is which of two offers counts, where ours goes before the other.
func TestWhoHoldsOn(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name         string
		chat         bool
		since, asked time.Time
		yields       bool
	}{
		{"before there is a chat", false, time.Time{}, now.Add(-time.Minute), false},
		{"in trouble", true, now, now.Add(-time.Minute), false},
		{"the answer may be on its way", true, time.Time{}, now, false},
		{"lost, and not needed any more", true, time.Time{}, now.Add(-time.Minute), true},
	} {
		next, err := newConnection(local(), Search{}, nil, openBoth, false, make(chan struct{}, 1))
		if err != nil {
			t.Fatal(err)
		}
		l := &link{seat: &seat{}, next: next}
		l.pending, l.offered, l.asked, l.since = &wire.Description{}, next, c.asked, c.since
		if c.chat {
			l.live = &connection{}
		}
		if got := l.yield(true); got != c.yields {
			t.Errorf("%s: yield() = %t, want %t", c.name, got, c.yields)
		}
		l.dropNext()
		l.closing.Wait()
	}
}

// TestThePauseHasAnEnd is how long a path that is there again may go unfound.
func TestThePauseHasAnEnd(t *testing.T) {
	for n := range 100 {
		if pause := pauseAfter(n); pause > 13*time.Second || pause < attemptTimeout/2 {
			t.Fatalf("%v after %d attempts, want at most 13 s", pause, n)
		}
	}
}

// TestCandidatesNameTheirDescription holds that what is gathered for new paths is
// told as of the description that comes with them, though that is not set yet.
func TestCandidatesNameTheirDescription(t *testing.T) {
	noLeaks(t)
	c, err := newConnection(local(), Search{}, nil, openBoth, false, make(chan struct{}, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	first, err := c.offer()
	must(t, err)
	gathered := webrtc.GatheringCompletePromise(c.pc)
	must(t, c.pc.SetLocalDescription(first))
	<-gathered
	for len(c.local) > 0 {
		<-c.local
	}
	second, err := c.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
	must(t, err)
	select {
	case found := <-c.local:
		if want := ufragOf(second.SDP); want == ufragOf(first.SDP) || found.UsernameFragment != want {
			t.Errorf("%q is told as of %q, want %q", found.Candidate, found.UsernameFragment, want)
		}
	case <-time.After(testTimeout):
		t.Error("nothing was gathered")
	}
}
