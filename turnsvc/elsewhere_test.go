package turnsvc

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// inFleet is one of the servers of a fleet, at an address of loopback that is as if
// it were on an interface, with the default policy and nothing taken off its list.
func inFleet(t *testing.T, node, ip string, change ...func(*Config)) *service {
	t.Helper()
	s := serve(t, func(c *Config) {
		c.Peers, c.Node = PeersRoom, node
		for _, ch := range change {
			ch(c)
		}
	})
	at := addrs(ip)
	s.homes.move(at, map[netip.Addr]bool{at[0]: true})
	return s
}

// neighbours are two servers of a fleet that know one another.
func twoServers(t *testing.T) (s1, s2 *service) {
	t.Helper()
	s1, s2 = inFleet(t, "n1", "127.0.0.1"), inFleet(t, "n2", "127.0.0.2")
	s1.SetNeighbours(map[string][]netip.Addr{"n2": s2.RelayedAt()})
	s2.SetNeighbours(map[string][]netip.Addr{"n1": s1.RelayedAt()})
	return s1, s2
}

// TestPartnersReachOneAnotherAcrossServers lets one of a room relay at one server and
// the other at another: data goes both ways, by indications and by channels, once each
// was told of the other, and no longer than that.
func TestPartnersReachOneAnotherAcrossServers(t *testing.T) {
	t.Parallel()
	s1, s2 := twoServers(t)
	a, b := s1.member(t, "room", "ma"), s2.member(t, "annex", "ma")
	atA, atB := a.mustAllocate(), b.mustAllocate()
	if a.permit(atB) || b.permit(atA) {
		t.Fatal("a permission for another server was granted before anybody has said that the partner is there")
	}
	s2.Join("annex", "room")
	s1.Expect("n2", "room")
	if !a.permit(atB) {
		t.Fatal("a permission for where the partner is expected was refused")
	}
	refused := s1.Stats().RefusedPeer
	a.sendTo(atB, "too early")
	s1.within(t, "what is sent too early is not refused", func() bool { return s1.Stats().RefusedPeer > refused })

	if !s1.Elsewhere("n2", "room", s2.RelayedIn("room")) || !s2.Elsewhere("n1", "room", s1.RelayedIn("room")) {
		t.Fatal("Elsewhere = false for a room that lives")
	}
	if !b.permit(atA) {
		t.Fatal("a permission for where the partner is was refused")
	}
	a.sendTo(atB, "in time")
	if from, data := b.data(); from != atA || data != "in time" {
		t.Errorf("b got %q from %v first, want what came after the match from %v", data, from, atA)
	}
	b.sendTo(atA, "and back")
	if from, data := a.data(); from != atB || data != "and back" {
		t.Errorf("a got %q from %v first, want what b has sent", data, from)
	}
	if !a.bind(atB) {
		t.Fatal("a channel to where the partner is was refused")
	}
	a.send(channelData("by channel"))
	if _, data := b.data(); data != "by channel" {
		t.Errorf("b got %q by a channel of a", data)
	}

	s1.Elsewhere("n2", "room", nil) // he holds nothing there any more
	refused = s1.Stats().RefusedPeer
	a.send(channelData("too late"))
	s1.within(t, "what is sent after the end is not refused", func() bool { return s1.Stats().RefusedPeer > refused })
}

// TestStrangersAreNotReachedAcrossServers holds that a member of a room reaches nothing
// of another server but what his partner holds: not another room's relays, not where
// the server listens, and nothing once the server is none of the fleet any more.
func TestStrangersAreNotReachedAcrossServers(t *testing.T) {
	t.Parallel()
	s1, s2 := twoServers(t)
	a, c := s1.member(t, "room", "ma"), s1.member(t, "moor", "ma")
	b, d := s2.member(t, "room", "mb"), s2.member(t, "other", "ma")
	atA, _ := a.mustAllocate(), c.mustAllocate()
	atB, atD := b.mustAllocate(), d.mustAllocate()
	s1.Elsewhere("n2", "room", s2.RelayedIn("room"))
	s1.Elsewhere("n2", "other", s2.RelayedIn("other"))
	s2.Elsewhere("n1", "room", s1.RelayedIn("room"))

	for _, x := range []struct {
		what string
		who  *client
		peer netip.AddrPort
	}{
		{"c, of another room, and b", c, atB},
		{"c and d, neither of his room", c, atD},
		{"d and a", d, atA},
		{"a and a third server", a, netip.MustParseAddrPort("127.0.0.3:5000")},
	} {
		if got := code(x.who.do(stun.MethodCreatePermission, peerAddr(x.peer))); got != codeForbidden {
			t.Errorf("CreatePermission of %s = %d, want 403", x.what, got)
		}
		if x.who.bind(x.peer) {
			t.Errorf("ChannelBind of %s was granted", x.what)
		}
	}
	listens := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), s2.udp[0].LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort().Port())
	conn, socket := peerFrom(t, "127.0.0.2")
	if !a.permit(atB) || !b.permit(atA) {
		t.Fatal("a permission of a room for itself was refused")
	}
	for _, peer := range []netip.AddrPort{atD, listens, socket} { // the address has a permission, the port is another one
		before := s1.Stats().RefusedPeer
		a.sendTo(peer, "stray")
		s1.within(t, fmt.Sprintf("what goes to %v is not refused", peer), func() bool { return s1.Stats().RefusedPeer > before })
	}
	before := s1.Stats().RefusedPeer
	if _, err := conn.WriteToUDPAddrPort([]byte("from the other machine"), atA); err != nil {
		t.Fatal(err)
	}
	s1.within(t, "what comes from another port of the other machine is not refused", func() bool { return s1.Stats().RefusedPeer > before })
	a.sendTo(atB, "to the partner")
	if _, data := b.data(); data != "to the partner" {
		t.Errorf("b got %q first", data)
	}

	s1.SetNeighbours(nil)
	if a.permit(atB) {
		t.Error("a permission for a server that is none of the fleet any more was granted")
	}
	before = s1.Stats().RefusedPeer
	a.sendTo(atB, "to nobody")
	s1.within(t, "what goes to a server that is gone is not refused", func() bool { return s1.Stats().RefusedPeer > before })
}

// TestOneServerSpeaksForItself holds that what a server says it relays by is believed
// at its own addresses only.
func TestOneServerSpeaksForItself(t *testing.T) {
	t.Parallel()
	s := inFleet(t, "n1", "127.0.0.1")
	s.SetNeighbours(map[string][]netip.Addr{"n2": addrs("127.0.0.2"), "n3": addrs("127.0.0.3")})
	a := s.member(t, "room", "ma")
	a.mustAllocate()
	at := netip.MustParseAddrPort("127.0.0.3:5000")
	s.Elsewhere("n2", "room", []Relayed{{Room: "room", Side: "mb", At: at}, {Room: "room", Side: "mb", At: netip.MustParseAddrPort("127.0.0.9:5000")}})
	if a.permit(at) {
		t.Error("one server has opened another one")
	}
	if a.permit(netip.MustParseAddrPort("127.0.0.9:5000")) {
		t.Error("a server has opened what is no server")
	}
}

// TestWhoHidesIsNotSeenElsewhere holds that an address from which the partner came to
// another server is one of his, unless he hides it.
func TestWhoHidesIsNotSeenElsewhere(t *testing.T) {
	t.Parallel()
	s := inFleet(t, "n1", "127.0.0.1")
	s.SetNeighbours(map[string][]netip.Addr{"n2": addrs("127.0.0.2")})
	a := s.member(t, "room", "ma")
	a.mustAllocate()
	seen := netip.MustParseAddrPort("8.8.4.4:5000")
	list := []Relayed{{Room: "room", Side: "mb", At: netip.MustParseAddrPort("127.0.0.2:5000")}}
	s.Elsewhere("n2", "room", list)
	if a.permit(seen) {
		t.Error("a permission for an address that nobody has told was granted")
	}
	list[0].Client = seen.Addr()
	s.Elsewhere("n2", "room", list)
	if !a.permit(seen) {
		t.Error("a permission for where the partner was seen was refused")
	}
	list[0].Side = "ma"
	s.Elsewhere("n2", "room", list)
	if a.permit(seen) {
		t.Error("a permission for where the member himself was seen was granted")
	}

	h := s.dial(t, "udp", string(Claims{Room: "hidden", Side: "a", Hidden: true}.appendTo(nil, tagMAC("new"))))
	h.mustAllocate()
	if in := s.RelayedIn("hidden"); len(in) != 1 || in[0].Client.IsValid() {
		t.Errorf("RelayedIn = %+v, want one without where he comes from", in)
	}
	if in := s.RelayedIn("room"); len(in) != 1 || !in[0].Client.IsValid() {
		t.Errorf("RelayedIn = %+v, want one with where he comes from", in)
	}
}

// TestElsewhereIsBoundedAndEnds holds that what is known of other servers grows with
// neither rooms nor servers nor addresses, and ends with the room and with its time.
func TestElsewhereIsBoundedAndEnds(t *testing.T) {
	t.Parallel()
	s := inFleet(t, "n1", "127.0.0.1")
	many := make([]Relayed, 2*MaxRelayed)
	for i := range many {
		many[i] = Relayed{Room: "room", Side: "mb", At: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), uint16(5000+i))}
	}
	for i := range 2 * maxServersOfRoom {
		s.Elsewhere(fmt.Sprintf("n%d", i+2), "room", many)
	}
	known, _ := s.rooms.elsewhere.Find("room", s.cfg.now())
	if len(known) != maxServersOfRoom || len(known["n2"]) != MaxRelayed {
		t.Errorf("%d servers of a room are known, and %d addresses at one; want %d and %d", len(known), len(known["n2"]), maxServersOfRoom, MaxRelayed)
	}
	s.Expect("n2", "room")
	if known, _ = s.rooms.elsewhere.Find("room", s.cfg.now()); len(known["n2"]) != MaxRelayed {
		t.Error("Expect has taken away what was known")
	}
	s.clock.advance(ElsewhereTTL + time.Second)
	if _, found := s.rooms.elsewhere.Find("room", s.cfg.now()); found {
		t.Error("what was told is believed after its time")
	}
	s.Elsewhere("n2", "other", many[:1])
	s.EndRoom("other")
	if s.Elsewhere("n2", "other", many[:1]) {
		t.Error("Elsewhere = true for a room that has ended")
	}
	if _, found := s.rooms.elsewhere.Find("other", s.cfg.now()); found {
		t.Error("something is known of a room that has ended")
	}
	r, now := newRooms(), time.Unix(1_800_000_000, 0)
	for i := range maxElsewhere + 100 {
		r.setElsewhere("n2", fmt.Sprintf("room-%d", i), nil, true, now, now)
	}
	if n := r.elsewhere.Len(); n > maxElsewhere {
		t.Errorf("%d rooms are known elsewhere, want at most %d", n, maxElsewhere)
	}
}

// TestMovedTellsOfEachChange holds that whoever tells other servers what a room holds
// learns when that changes.
func TestMovedTellsOfEachChange(t *testing.T) {
	t.Parallel()
	moved := make(chan string, 16)
	s := inFleet(t, "n1", "127.0.0.1", func(c *Config) { c.Moved = func(room string) { moved <- room } })
	next := func() string {
		select {
		case room := <-moved:
			return room
		case <-time.After(patience):
			t.Fatal("nothing was told")
			return ""
		}
	}
	a := s.member(t, "annex", "ma")
	at := a.mustAllocate()
	if room := next(); room != "annex" || !slices.ContainsFunc(s.RelayedIn(room), func(l Relayed) bool { return l.At == at }) {
		t.Errorf("after Allocate %q has moved, with %v in it", room, s.RelayedIn(room))
	}
	s.Join("annex", "room")
	if room := next(); room != "room" || len(s.RelayedIn(room)) != 1 || s.RelayedIn(room)[0].Room != "annex" {
		t.Errorf("after Join %q has moved, with %v in it", room, s.RelayedIn(room))
	}
	s.EndRoom("room")
	if room := next(); room != "room" || len(s.RelayedIn(room)) != 0 {
		t.Errorf("after the end %q has moved, with %v in it", room, s.RelayedIn(room))
	}
}

// TestNeighboursChangeNothingForStrangers holds that with the other policies the servers
// of a fleet are like any other machines.
func TestNeighboursChangeNothingForStrangers(t *testing.T) {
	t.Parallel()
	s := outside(t, "198.51.100.7")
	s.SetNeighbours(map[string][]netip.Addr{"n2": addrs("8.8.8.8", "10.0.0.1")})
	c := s.dial(t, "udp", "ann")
	c.mustAllocate()
	if !c.permit(netip.MustParseAddrPort("8.8.8.8:53")) || c.permit(netip.MustParseAddrPort("10.0.0.1:53")) {
		t.Error("a neighbour is not like another machine of its address")
	}
}

// TestACredentialIsForTheServersThatItNames holds that a server of a fleet takes a
// credential that names it, or none, and no other.
func TestACredentialIsForTheServersThatItNames(t *testing.T) {
	t.Parallel()
	s, alone := inFleet(t, "n1", "127.0.0.1"), inRooms(t)
	partner := netip.MustParseAddr("8.8.4.4")
	for _, c := range []struct {
		at   []string
		want stun.ErrorCode
	}{
		{nil, 0},
		{[]string{"n1"}, 0},
		{[]string{"n2", "n1"}, 0},
		{[]string{"n2"}, stun.CodeUnauthorized},
		{[]string{"n2", "n3", "n4", "n5", "n1"}, stun.CodeUnauthorized}, // the fifth is left out
	} {
		claims := string(Claims{Room: "room", Side: "a", Hidden: true, At: c.at, Partner: []netip.Addr{partner}}.appendTo(nil, tagMAC("new")))
		m := readMember(claims, "new")
		if m.owner != "room.a" || !m.hidden || len(m.nodes) != min(len(c.at), maxNamed) || !m.knows(partner) {
			t.Errorf("%q is read as %+v", claims, m)
		}
		if _, got := s.dial(t, "udp", claims).allocate(); got != c.want {
			t.Errorf("Allocate at n1 with a credential for %v = %d, want %d", c.at, got, c.want)
		}
		if _, got := alone.dial(t, "udp", claims).allocate(); got != 0 {
			t.Errorf("Allocate at a server that is alone with a credential for %v = %d, want success", c.at, got)
		}
	}
}
