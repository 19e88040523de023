//go:build !js

package peer

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// room is two seats without a server: what one tells, the other hears, unless
// rule says otherwise.
type room struct {
	seats [2]*seat

	mu   sync.Mutex
	rule func(from int, text string) (copies int) // nil: one
	told [2][]string
}

// newRoom makes a room as after a MATCH with roles.
func newRoom(t *testing.T) *room {
	t.Helper()
	r := &room{}
	for i := range r.seats {
		s := &seat{
			in: make(chan string, maxUntaken), fresh: make(chan []wire.ICEServer, 1), back: make(chan returned, 1),
			wake: make(chan struct{}, 1), haste: make(chan struct{}, 1), done: make(chan struct{}), matched: true,
		}
		s.inbox, s.servers, s.returned = s.in, s.fresh, s.back
		s.assign([]role{roleOffer, roleAnswer}[i])
		r.seats[i] = s
	}
	for i, s := range r.seats {
		ctx, leave := context.WithCancel(t.Context())
		s.leave = leave
		go r.pass(ctx, i) // close of the seat waits for it
	}
	return r
}

// pass carries what seat i tells.
func (r *room) pass(ctx context.Context, i int) {
	s, other := r.seats[i], r.seats[1-i]
	defer close(s.done)
	send := func(text string) {
		select {
		case other.in <- text:
		case <-other.done:
		case <-ctx.Done():
		}
	}
	for {
		select {
		case <-ctx.Done():
			select {
			case other.in <- `{"type":"bye"}`:
			case <-other.done:
			}
			return
		case <-s.wake:
		}
		texts, _ := s.take(true)
		for _, text := range texts {
			if text == `{"type":"pong"}` { // is for the server
				continue
			}
			for range r.copies(i, text) {
				send(text)
			}
		}
	}
}

func (r *room) copies(i int, text string) int {
	r.mu.Lock()
	r.told[i] = append(r.told[i], text)
	rule := r.rule
	r.mu.Unlock()
	if rule == nil {
		return 1
	}
	return rule(i, text)
}

// set changes what becomes of what is told.
func (r *room) set(rule func(from int, text string) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rule = rule
}

// offers is how many offers seat i has told.
func (r *room) offers(i int) (n int) { return r.count(i, wire.SignalOffer) }

// count is how many messages of a type seat i has told.
func (r *room) count(i int, kind string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, text := range r.told[i] {
		if strings.HasPrefix(text, `{"type":"`+kind+`"`) {
			n++
		}
	}
	return n
}

// sessions are those that seat i has described, in order.
func (r *room) sessions(i int) (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, text := range r.told[i] {
		var d wire.Description
		if unmarshal(text, &d) == nil && d.SDP != "" {
			list = append(list, sessionOf(d.SDP))
		}
	}
	return list
}

// local is a Config of a client whose partner is on this machine, which needs no
// network for that.
func local() Config { return Config{URL: "http://127.0.0.1"} }

// linkedChats are the chats of a room, and the links under them.
func linkedChats(t *testing.T, r *room, warm [2]*prepared) (chats [2]*Chat, links [2]*link) {
	t.Helper()
	return linkedBy(t, [2]Config{local(), local()}, r, warm)
}

// linkedBy is linkedChats for clients that are not like others.
func linkedBy(t *testing.T, cfg [2]Config, r *room, warm [2]*prepared) (chats [2]*Chat, links [2]*link) {
	t.Helper()
	var group sync.WaitGroup
	for i := range r.seats {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			l, err := connect(ctx, cfg[i], Search{}, r.seats[i], warm[i])
			if err == nil {
				err = l.opens(ctx)
			}
			if err != nil {
				t.Errorf("connect: %v", err)
				return
			}
			links[i] = l
			if chats[i], err = talk(ctx, l.line()); err != nil {
				t.Errorf("talk: %v", err)
			}
		})
	}
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return chats, links
}

func part(chats [2]*Chat) {
	for _, c := range chats {
		_ = c.Close()
	}
}

func chatter(t *testing.T, chats [2]*Chat, what string) {
	t.Helper()
	for i := range 3 {
		tell(t, chats[0], chats[1], what+strconv.Itoa(i))
		tell(t, chats[1], chats[0], what+strconv.Itoa(i))
	}
}

// TestWarm connects what was prepared, on one side, the other, and both.
func TestWarm(t *testing.T) {
	for _, c := range []struct {
		name string
		warm [2]bool
	}{
		{"nobody", [2]bool{}},
		{"who makes the offer", [2]bool{true, false}},
		{"who answers", [2]bool{false, true}},
		{"both", [2]bool{true, true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			var warm [2]*prepared
			for i := range warm {
				if c.warm[i] {
					warm[i] = prepare(local(), Search{}, nil, nil, "")
					warm[i].renew(nil)
				}
			}
			chats, links := linkedChats(t, newRoom(t), warm)
			for i, w := range warm {
				if w != nil && links[i].carrier() != w.conn {
					t.Errorf("side %d does not talk over what was prepared", i)
				}
			}
			chatter(t, chats, "x")
			part(chats)
		})
	}
}

// TestCaughtUp connects what was made ready when there was a match already, of a
// connection that was made before anybody searched.
func TestCaughtUp(t *testing.T) {
	noLeaks(t)
	var warm [2]*prepared
	var made [2]*connection
	for i, role := range []role{roleOffer, roleAnswer} {
		b := &blank{made: make(chan struct{})}
		b.make(local())
		made[i] = b.conn
		warm[i] = prepare(local(), Search{}, nil, b, role)
	}
	chats, links := linkedChats(t, newRoom(t), warm)
	for i, l := range links {
		if l.carrier() != made[i] {
			t.Errorf("side %d does not talk over what was made before", i)
		}
		if l.carrier().stale {
			t.Errorf("side %d: the servers of the match are taken for those of the waiting room", i)
		}
	}
	chatter(t, chats, "x")
	part(chats)
}

// TestARefusedBlankIsNotUsed holds that a connection that could not be told what
// to hide is replaced by one that was.
func TestARefusedBlankIsNotUsed(t *testing.T) {
	noLeaks(t)
	b := &blank{made: make(chan struct{})}
	b.make(local())
	b.conn.closeConnection() // it takes no configuration any more
	p := prepare(local(), Search{RelayOnly: true}, nil, b, roleAnswer)
	conn := p.take(roleAnswer)
	if conn == nil || conn == b.conn || conn.pc.GetConfiguration().ICETransportPolicy != webrtc.ICETransportPolicyRelay {
		t.Errorf("the connection is %p, want another one than %p, which hides us", conn, b.conn)
	}
	p.close()
}

// TestWarmGathersAnewFromTheRoomsServers holds that what was prepared with the
// servers of the waiting room knows those of the room when it looks for new paths,
// on whichever side that begins.
func TestWarmGathersAnewFromTheRoomsServers(t *testing.T) {
	noLeaks(t)
	r, cables := newRoom(t), [2]*cable{newCable(t), newCable(t)}
	for _, s := range r.seats {
		s.iceServers = []wire.ICEServer{{URLs: []string{"stun:127.0.0.1:9"}}}
	}
	cfg := [2]Config{cables[0].config(), cables[1].config()}
	chats, links := linkedBy(t, cfg, r, [2]*prepared{
		prepare(cfg[0], Search{}, nil, nil, ""), prepare(cfg[1], Search{}, nil, nil, ""),
	})
	chatter(t, chats, "before ")
	answers := r.count(1, wire.SignalAnswer)
	cables[0].deaf.Store(true) // until ICE knows: else it looks for another connection, not for new paths
	awaitTold(t, r, 1, wire.SignalAnswer, answers, func() {})
	cables[0].deaf.Store(false)
	chatter(t, chats, "x")
	for i, l := range links {
		if servers := l.carrier().pc.GetConfiguration().ICEServers; len(servers) != 1 || servers[0].URLs[0] != "stun:127.0.0.1:9" {
			t.Errorf("side %d gathers from %v, want the server of the room", i, servers)
		}
	}
	part(chats)
}

// TestWarmInVain gives up what was prepared.
func TestWarmInVain(t *testing.T) {
	noLeaks(t)
	prepare(local(), Search{}, nil, nil, "").close()
	p := prepare(local(), Search{}, nil, nil, "")
	<-p.ready
	p.close()
}

// TestRestart has one side, the other, and both at once find new paths, while
// the signaling does its worst.
func TestRestart(t *testing.T) {
	for _, c := range []struct {
		name string
		who  []int
		rule func(from int, text string) int
	}{
		{"who made the offer", []int{0}, nil},
		{"who answered", []int{1}, nil},
		{"both at once", []int{0, 1}, nil},
		{"everything comes twice", []int{0, 1}, func(int, string) int { return 2 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			r, cables := newRoom(t), [2]*cable{newCable(t), newCable(t)}
			chats, links := linkedBy(t, [2]Config{cables[0].config(), cables[1].config()}, r, [2]*prepared{})
			chatter(t, chats, "before ")
			before := [2]*connection{links[0].carrier(), links[1].carrier()}
			offers, gate := [2]int{r.offers(0), r.offers(1)}, make(chan struct{})
			r.set(func(from int, text string) int {
				<-gate // nobody hears of an offer before all are made
				if c.rule != nil {
					return c.rule(from, text)
				}
				return 1
			})
			for _, i := range c.who {
				cables[i].deaf.Store(true) // until ICE knows: his alone, for the other one still hears him
			}
			for _, i := range c.who {
				awaitOffers(t, r, i, offers[i], func() {})
			}
			for _, i := range c.who {
				cables[i].deaf.Store(false)
			}
			close(gate)
			chatter(t, chats, "x")
			for i, l := range links {
				if l.carrier() != before[i] {
					t.Errorf("side %d talks over another connection", i)
				}
			}
			part(chats)
		})
	}
}

// TestAnotherConnection replaces one that ICE takes for good, though the partner
// does not answer: a browser would not leave its path for a better one.
func TestAnotherConnection(t *testing.T) {
	for _, who := range []int{0, 1} {
		t.Run(strconv.Itoa(who), func(t *testing.T) {
			noLeaks(t)
			r := newRoom(t)
			chats, links := linkedChats(t, r, [2]*prepared{})
			chatter(t, chats, "before ")
			before, offers := links[who].carrier(), r.offers(who)
			for _, l := range links {
				deafen(l, true)
			}
			links[who].suspect()
			awaitOffers(t, r, who, offers, links[who].suspect)
			chatter(t, chats, "after ") // the old one stays deaf
			if links[who].carrier() == before {
				t.Error("it still talks over the connection on which nothing came")
			}
			if sessions := r.sessions(who); len(slices.Compact(slices.Clone(sessions))) != len(sessions) {
				t.Errorf("it described %q: it tried to mend what ICE takes for good", sessions)
			}
			part(chats)
		})
	}
}

// TestGlare lets two offers meet, for new paths and for another connection.
func TestGlare(t *testing.T) {
	for _, c := range []struct {
		name    string
		replace [2]bool
	}{
		{"new paths, both", [2]bool{}},
		{"another connection, both", [2]bool{true, true}},
		{"another connection for who is polite", [2]bool{false, true}},
		{"another connection for who is not polite", [2]bool{true, false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			r, cables := newRoom(t), [2]*cable{newCable(t), newCable(t)}
			chats, links := linkedBy(t, [2]Config{cables[0].config(), cables[1].config()}, r, [2]*prepared{})
			chatter(t, chats, "before ")
			gate := make(chan struct{})
			r.set(func(int, string) int { <-gate; return 1 })
			was := [2]int{r.offers(0), r.offers(1)}
			for i, l := range links {
				deafen(l, true)
				if c.replace[i] {
					l.suspect() // ICE knows of nothing
				} else {
					cables[i].deaf.Store(true)
				}
			}
			for i, l := range links {
				again := func() {}
				if c.replace[i] {
					again = l.suspect // what was on its way may have calmed it
				}
				awaitOffers(t, r, i, was[i], again)
			}
			for i, l := range links {
				cables[i].deaf.Store(false)
				deafen(l, false)
			}
			close(gate)
			chatter(t, chats, "after ")
			part(chats)
		})
	}
}

// deafen has frames of the partner go nowhere.
func deafen(l *link, deaf bool) {
	c := l.carrier()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = deaf
}

// awaitOffers waits until seat i has made more offers than n; now and then it does
// again what leads to one.
func awaitOffers(t *testing.T, r *room, i, n int, again func()) {
	t.Helper()
	awaitTold(t, r, i, wire.SignalOffer, n, again)
}

// awaitTold is the same for messages of a type.
func awaitTold(t *testing.T, r *room, i int, kind string, n int, again func()) {
	t.Helper()
	late := time.After(testTimeout)
	tick, rarely := time.NewTicker(5*time.Millisecond), time.NewTicker(2*time.Second)
	defer tick.Stop()
	defer rarely.Stop()
	for r.count(i, kind) <= n {
		select {
		case <-tick.C:
		case <-rarely.C:
			again()
		case <-late:
			t.Fatalf("no %s was made", kind)
		}
	}
}

// TestNewChannel loses the connection, but not the partner: unacknowledged
// messages are sent again, and shown once.
func TestNewChannel(t *testing.T) {
	for _, who := range []int{0, 1} {
		t.Run(strconv.Itoa(who), func(t *testing.T) {
			noLeaks(t)
			chats, links := linkedChats(t, newRoom(t), [2]*prepared{})
			chatter(t, chats, "before ")
			_ = links[who].carrier().pc.Close()
			for i := range 10 {
				if _, err := chats[0].Send(strconv.Itoa(i)); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 10 {
				if e := awaitEvent(t, chats[1], EventMessage); e.Text != strconv.Itoa(i) {
					t.Fatalf("message %+v, want %d", e, i)
				}
			}
			for i := range 10 {
				if e := awaitEvent(t, chats[0], EventDelivered); e.ID != uint64(i+4) {
					t.Fatalf("delivered %+v, want %d", e, i+4)
				}
			}
			chatter(t, chats, "after ")
			part(chats)
		})
	}
}

// TestSignalingLost loses what the two tell one another for a while, with the
// path: they find each other again when their seats are back.
func TestSignalingLost(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(from int, text string) bool
	}{
		{"everything", func(int, string) bool { return true }},
		{"answers", func(_ int, text string) bool { return strings.HasPrefix(text, `{"type":"answer"`) }},
		{"candidates", func(_ int, text string) bool { return strings.HasPrefix(text, `{"type":"candidate"`) }},
		{"what one says", func(from int, _ string) bool { return from == 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			r := newRoom(t)
			chats, links := linkedChats(t, r, [2]*prepared{})
			chatter(t, chats, "before ")
			r.set(func(from int, text string) int {
				if c.lose(from, text) {
					return 0
				}
				return 1
			})
			for _, l := range links {
				deafen(l, true)
				l.suspect()
			}
			awaitOffers(t, r, 0, 1, links[0].suspect)
			awaitEvent(t, chats[0], EventInterrupted)
			r.set(nil)
			for i, l := range links {
				deafen(l, false)
				r.seats[i].back <- returned{}
			}
			awaitEvent(t, chats[0], EventRestored)
			chatter(t, chats, "after ")
			part(chats)
		})
	}
}

// TestTheRoomIsEnded tells both that the room was ended, while they can still
// talk: their chat ends. A bye without that reason may be wrong, and ends nothing
// that works.
func TestTheRoomIsEnded(t *testing.T) {
	noLeaks(t)
	r := newRoom(t)
	chats, _ := linkedChats(t, r, [2]*prepared{})
	for _, s := range r.seats {
		s.in <- `{"type":"bye"}`
	}
	chatter(t, chats, "after a bye ")
	for _, s := range r.seats {
		s.in <- `{"type":"bye","reason":"room-ended"}`
	}
	for _, c := range chats {
		awaitEvent(t, c, EventLeft)
	}
	part(chats)
}

// TestOffersWithoutEnd answers a partner who offers again and again, but not
// for ever, and talks on.
func TestOffersWithoutEnd(t *testing.T) {
	noLeaks(t)
	r := newRoom(t)
	chats, _ := linkedChats(t, r, [2]*prepared{})
	chatter(t, chats, "before ")
	r.mu.Lock()
	var offer wire.Description
	must(t, unmarshal(r.told[0][0], &offer))
	r.mu.Unlock()
	for i := range 20 * offerBurst {
		offer.Offer = i + 100
		r.seats[0].tell(&offer)
		if i%32 == 31 {
			chatter(t, chats, "meanwhile ")
		}
	}
	chatter(t, chats, "after ")
	r.mu.Lock()
	answers := 0
	for _, text := range r.told[1] {
		if strings.HasPrefix(text, `{"type":"answer"`) {
			answers++
		}
	}
	r.mu.Unlock()
	if answers < 2 || answers > 2*offerBurst {
		t.Errorf("%d answers to %d offers, want at most %d", answers, 20*offerBurst, 2*offerBurst)
	}
	part(chats)
}

// TestAbandon is how long nothing may get through before the chat is over.
func TestAbandon(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name     string
		since    time.Duration
		seatless bool
		over     bool
	}{
		{"not for long", seatlessAfter + time.Second, false, false},
		{"for long", abandonAfter, false, true},
		{"not for long, without a seat", seatlessAfter - time.Second, true, false},
		{"for long, without a seat", seatlessAfter, true, true},
	} {
		l := &link{current: &connection{remote: description{session: "s"}}, seatless: c.seatless, news: make(chan news, 1), seat: &seat{lost: true}}
		l.since, l.again = now.Add(-c.since), now.Add(farOff)
		if err := l.tick(now); (err != nil) != c.over {
			t.Errorf("%s: tick() = %v, want the end: %t", c.name, err, c.over)
		}
	}
}

// TestRelaysAreToldInTurn holds that of several relayed candidates those are told
// at once that are better than what was told, in whichever order they are found;
// the others only if there is no path by then.
func TestRelaysAreToldInTurn(t *testing.T) {
	const (
		host = "candidate:1 1 udp 2122260223 10.0.0.1 50000 typ host"
		tls  = "candidate:2 1 udp 8191 51.1.2.3 50001 typ relay raddr 0.0.0.0 rport 0"
		tcp  = "candidate:3 1 udp 16785407 51.1.2.3 50002 typ relay raddr 0.0.0.0 rport 0"
		udp  = "candidate:4 1 udp 33562623 51.1.2.3 50003 typ relay raddr 0.0.0.0 rport 0"
	)
	for _, c := range []struct{ found, told []string }{
		{[]string{host, udp, tcp, tls}, []string{host, udp}},
		{[]string{tcp, host, udp, tls}, []string{tcp, host, udp}},
		{[]string{tls, tcp, udp}, []string{tls, tcp, udp}},
		{[]string{udp, udp}, []string{udp}},
	} {
		pc, err := newPeerConnection(local().URL, tuning{}, configuration(Search{}, nil), new(listeners))
		if err != nil {
			t.Fatal(err)
		}
		l := &link{seat: &seat{wake: make(chan struct{}, 1)}, negotiation: newNegotiation()}
		l.current = &connection{pc: pc}
		l.startTrickle(l.current)
		for _, candidate := range c.found {
			l.sort(l.current, wire.ICECandidate{Candidate: candidate})
		}
		told := func() (list []string) {
			for _, candidate := range l.sent {
				list = append(list, candidate.Candidate)
			}
			return list
		}
		if got := told(); !slices.Equal(got, c.told) {
			t.Errorf("of %q these are told at once: %q, want %q", c.found, got, c.told)
		}
		l.tellSpare()
		if got := told(); len(got) != len(c.found) {
			t.Errorf("of %q these are told in the end: %q, want all", c.found, got)
		}
		if err := pc.Close(); err != nil {
			t.Error(err)
		}
	}
}
