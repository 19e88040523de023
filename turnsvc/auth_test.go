package turnsvc

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for _, c := range []struct {
		name string
		with func(c *client)
		ok   bool
	}{
		{"the newest secret is accepted", func(*client) {}, true},
		{"the second secret is accepted", func(c *client) { c.password = password("old", c.username) }, true},
		{"an unknown secret is refused", func(c *client) { c.password = password("other", c.username) }, false},
		{"a wrong letter in the password is refused", func(c *client) { c.password = "#" + c.password[1:] }, false},
		{"a wrong letter in the username is refused", func(c *client) { c.username += "x" }, false},
		{"an expired credential is refused", func(c *client) {
			c.username = formatUsername(s.clock.now().Unix(), "late")
			c.password = password("new", c.username)
		}, false},
		{"a username without expiry is refused", func(c *client) {
			c.username = "ann"
			c.password = password("new", c.username)
		}, false},
		{"a control character in the claims is refused", func(c *client) {
			c.username = formatUsername(s.clock.now().Unix()+60, "a\nb")
			c.password = password("new", c.username)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, network := range []string{"udp", "tcp"} {
				cl := s.dial(t, network, c.name)
				c.with(cl)
				if _, code := cl.allocate(); (code == 0) != c.ok {
					t.Errorf("Allocate over %s = %d, want success: %v", network, code, c.ok)
				}
			}
		})
	}
}

func TestAuthFailuresAreCounted(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	c := s.dial(t, "udp", "ann")
	c.mustAllocate()
	c.password = "wrong"
	c.do(stun.MethodRefresh)
	if n := s.Stats().AuthFailures; n != 1 {
		t.Errorf("AuthFailures = %d after a challenge and a wrong password, want 1", n)
	}
}

func TestAnotherRealmIsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.Realm = "elsewhere" })
	if _, code := s.dial(t, "udp", "ann").allocate(); code == 0 {
		t.Error("Allocate for the realm wasmp2pchat succeeded at the realm elsewhere")
	}
}

func TestLiveAllocationOutlivesItsCredential(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			s := serve(t, nil)
			_, peer := newPeer(t)
			c := s.dial(t, network, "ann")
			c.mustAllocate()
			s.clock.advance(23 * time.Hour)
			if got := code(c.do(stun.MethodRefresh)); got != 0 {
				t.Errorf("Refresh of a live allocation after expiry = %d, want success", got)
			}
			if !c.permit(peer) || !c.bind(peer) {
				t.Error("CreatePermission or ChannelBind on a live allocation after expiry was refused")
			}
			if _, code := c.allocate(); code == 0 || code == stun.CodeAllocMismatch {
				t.Errorf("Allocate once more after expiry = %d, want it not even authenticated", code)
			}
			other := s.dial(t, network, "ann")
			other.username, other.password = c.username, c.password
			if _, code := other.allocate(); code == 0 {
				t.Error("a new Allocate with the expired credential succeeded")
			}
			s.clock.advance(time.Hour)
			if got := code(c.do(stun.MethodRefresh)); got == 0 {
				t.Error("Refresh 24 h after the Allocate succeeded with an expired credential")
			}
		})
	}
}

func TestEndedAllocationLeavesNoRight(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	c := s.dial(t, "udp", "ann")
	c.mustAllocate()
	s.clock.advance(time.Hour)
	if got := code(c.do(stun.MethodRefresh, attr(stun.AttrLifetime, 0, 0, 0, 0))); got != 0 {
		t.Fatalf("Refresh 0 = %d, want success", got)
	}
	if _, code := c.allocate(); code == 0 {
		t.Error("Allocate with an expired credential succeeded where an allocation had been")
	}
}

func TestAnotherUsersAllocation(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	_, peer := newPeer(t)
	c := s.dial(t, "udp", "ann")
	c.mustAllocate()
	ann, pass := c.username, c.password
	c.username, c.password = s.credentials("bob")
	if code(c.do(stun.MethodRefresh, attr(stun.AttrLifetime, 0, 0, 0, 0))) == 0 || c.permit(peer) || c.bind(peer) {
		t.Error("bob could act on the allocation of ann")
	}
	c.username, c.password = ann, pass
	if got := code(c.do(stun.MethodRefresh)); got != 0 {
		t.Errorf("Refresh by ann after that = %d, want success", got)
	}
}

// Without touchable strangers can end the process: see lastMoments.
func TestOnlyTheEndIsLeftInTheLastMoments(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	d := &door{srv: s.Server, held: map[netip.AddrPort]*grant{}}
	r := &request{Message: new(stun.Message), client: netip.MustParseAddrPort("192.0.2.1:5000")}
	u := &user{member: readMember("ann", "")}
	g := newGrant(d, r, u.member, 1)
	g.relays = s.homes.of(family4)
	g.ends = time.Now().Add(lastMoments - time.Second)
	d.hold(g)
	peer := &stun.XORMappedAddress{IP: net.IPv4(8, 8, 8, 8), Port: 53}
	for method, attrs := range map[stun.Method][]stun.Setter{
		stun.MethodRefresh:          {attr(stun.AttrLifetime, 0, 0, 2, 88)},
		stun.MethodCreatePermission: {xorPeer{*peer}},
		stun.MethodChannelBind:      {xorPeer{*peer}, attr(stun.AttrChannelNumber, 0x40, 0, 0, 0)},
	} {
		r.Message = stun.MustBuild(append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attrs...)...)
		g.ends = time.Now().Add(lastMoments - time.Second)
		if _, no := d.judge(r, u); no == nil || no.code != stun.CodeAllocMismatch {
			t.Errorf("%v less than 5 s before the end: refusal %+v, want 437", method, no)
		}
		g.ends = time.Now().Add(time.Hour)
		if _, no := d.judge(r, u); no != nil {
			t.Errorf("%v an hour before the end: refusal %+v, want none", method, no)
		}
	}
	g.ends = time.Now().Add(lastMoments - time.Second)
	r.Message = stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodRefresh, stun.ClassRequest), attr(stun.AttrLifetime, 0, 0, 0, 0))
	if o, no := d.judge(r, u); no != nil || o == nil {
		t.Errorf("Refresh 0 in the last moments: refusal %+v, want none", no)
	}
}

// TestWhatWasEndedIsNobodysAllocation asks for an allocation of somebody else's
// that was ended, in the moment before pion has forgotten it: there is none.
func TestWhatWasEndedIsNobodysAllocation(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	d := &door{srv: s.Server, held: map[netip.AddrPort]*grant{}}
	r := &request{client: netip.MustParseAddrPort("192.0.2.1:5000")}
	r.Message = stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodRefresh, stun.ClassRequest))
	g := newGrant(d, r, readMember("ann", ""), 1)
	d.hold(g)
	bob := &user{member: readMember("bob", "")}
	if _, no := d.judge(r, bob); no == nil || no.code != stun.CodeWrongCredentials {
		t.Errorf("bob's Refresh of what ann has: refusal %+v, want 441", no)
	}
	g.close()
	if _, no := d.judge(r, bob); no == nil || no.code != stun.CodeAllocMismatch {
		t.Errorf("bob's Refresh of what ann had: refusal %+v, want 437", no)
	}
}

// TestSecretsAreRotated changes the secrets of a server that serves: the one that
// was newest goes on being good while it is listed, and no longer.
func TestSecretsAreRotated(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	before := s.dial(t, "udp", "ann")
	before.mustAllocate()
	if err := s.SetSecrets([]string{"newer", "new"}); err != nil {
		t.Fatal(err)
	}
	if got := code(before.do(stun.MethodRefresh)); got != 0 {
		t.Errorf("Refresh with the secret of before = %d, want success", got)
	}
	after := s.dial(t, "udp", "bob")
	after.username, after.password, _ = Issuer{Secret: "newer", Now: s.clock.now}.Credentials("bob")
	after.mustAllocate()
	if _, got := s.dial(t, "udp", "cid").allocate(); got != 0 {
		t.Errorf("Allocate with the secret of before = %d, want success", got)
	}
	if err := s.SetSecrets([]string{"newer"}); err != nil {
		t.Fatal(err)
	}
	if _, got := s.dial(t, "udp", "dan").allocate(); got != stun.CodeUnauthorized {
		t.Errorf("Allocate with a secret that was taken away = %d, want 401", got)
	}
	// The chats of before go on: a browser signs for an allocation with the
	// credential that it was made with.
	if err := s.SetSecrets([]string{"newest"}); err != nil {
		t.Fatal(err)
	}
	if got := code(before.do(stun.MethodRefresh)); got != 0 {
		t.Errorf("Refresh with a secret that was taken away = %d, want success", got)
	}
	if got := code(before.do(stun.MethodAllocate, attr(stun.AttrRequestedTransport, 17, 0, 0, 0))); got != stun.CodeUnauthorized {
		t.Errorf("a second Allocate with a secret that was taken away = %d, want 401", got)
	}
	s.clock.advance(maxOverstay)
	if got := code(before.do(stun.MethodRefresh)); got != stun.CodeUnauthorized {
		t.Errorf("Refresh a day after its secret was taken away = %d, want 401", got)
	}
	if s.SetSecrets(nil) == nil || s.SetSecrets([]string{""}) == nil {
		t.Error("SetSecrets takes none, or an empty one")
	}
}

// TestNothingIsOrderedOfAnAllocationThatEnds ends an allocation after a request for
// it was judged and before pion is given the order: that would be the moment in
// which pion can crash. See lastMoments.
func TestNothingIsOrderedOfAnAllocationThatEnds(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for name, c := range map[string]struct {
		method stun.Method
		attrs  []stun.Setter
		given  bool
	}{
		"CreatePermission": {stun.MethodCreatePermission, []stun.Setter{xorPeer{stun.XORMappedAddress{IP: net.IPv4(8, 8, 8, 8), Port: 53}}}, false},
		"Refresh":          {stun.MethodRefresh, nil, false},
		"Refresh 0":        {stun.MethodRefresh, []stun.Setter{attr(stun.AttrLifetime, 0, 0, 0, 0)}, true},
	} {
		conn := new(sink)
		d := &door{PacketConn: conn, srv: s.Server, held: map[netip.AddrPort]*grant{}, nonce: pionNonce{value: "nonce", asked: time.Now()}}
		r := &request{client: netip.MustParseAddrPort("192.0.2.1:5000")}
		r.Message = stun.MustBuild(append([]stun.Setter{stun.TransactionID, stun.NewType(c.method, stun.ClassRequest)}, c.attrs...)...)
		u := &user{member: readMember("ann", ""), key: []byte("key")}
		g := newGrant(d, r, u.member, 1)
		g.relays, g.ends = s.homes.of(family4), time.Now().Add(time.Hour)
		d.hold(g)
		o, no := d.judge(r, u)
		if no != nil {
			t.Fatalf("%s was refused: %+v", name, no)
		}
		g.close()
		if _, ok := d.give(o, make([]byte, 1600)); ok != c.given {
			t.Errorf("%s of an allocation that ends: given = %v, want %v", name, ok, c.given)
		}
		if answers := len(conn.wrote); (answers == 0) != c.given {
			t.Errorf("%s of an allocation that ends: %d answers of ours", name, answers)
		}
		d.done()
		g.close() // nobody has kept the lock
	}
}

// TestPionIsAskedOnce holds that an order for which pion has no nonce, whatever
// the reason, is refused and not asked for again and again.
func TestPionIsAskedOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	conn := new(sink)
	d := &door{PacketConn: conn, srv: s.Server, held: map[netip.AddrPort]*grant{}}
	r := &request{client: netip.MustParseAddrPort("192.0.2.1:5000")}
	r.Message = stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodRefresh, stun.ClassRequest))
	u := &user{member: readMember("ann", ""), key: []byte("key")}
	g := newGrant(d, r, u.member, 1)
	o := &order{request: r, user: u, grant: g}
	d.next = o
	p := make([]byte, 1600)
	n, ok := d.give(o, p)
	question := &stun.Message{Raw: p[:n]}
	if err := question.Decode(); !ok || err != nil || question.Type.Method != stun.MethodAllocate || d.next != o {
		t.Fatalf("pion is asked %v (%v), want an Allocate without credentials: pion answers others only if they have an allocation", question, err)
	}
	if _, ok := d.give(o, p); ok || d.next != nil || len(conn.wrote) != 1 {
		t.Errorf("without an answer the order was given, or asked for again: %d answers", len(conn.wrote))
	}
}

// TestARoomThatEndsMeanwhile ends a room after an Allocate was authenticated and
// before the relay is opened.
func TestARoomThatEndsMeanwhile(t *testing.T) {
	t.Parallel()
	s := inRooms(t)
	d := &door{PacketConn: new(sink), srv: s.Server, held: map[netip.AddrPort]*grant{}}
	r := &request{Message: new(stun.Message), client: netip.MustParseAddrPort("192.0.2.1:5000")}
	g := newGrant(d, r, readMember("room.a", "new"), 1)
	g.relays = s.homes.of(family4)
	d.order = &order{request: r, user: &user{member: g.member}, grant: g}
	s.EndRoom("room")
	if conn, _, err := d.AllocatePacketConn("udp4", 0); err == nil {
		_ = conn.Close()
		t.Error("a relay was opened for a room that had ended")
	}
	if len(s.rooms.members) != 0 || d.holds() {
		t.Error("something is left of an allocation that was not made")
	}
}
