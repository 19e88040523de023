package turnsvc

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// sink is a socket that keeps what was written.
type sink struct {
	net.PacketConn
	wrote [][]byte
}

func (s *sink) WriteTo(p []byte, _ net.Addr) (int, error) {
	s.wrote = append(s.wrote, slices.Clone(p))
	return len(p), nil
}

// FuzzGate sends whatever there is through the gate, as it is, and signed by
// somebody who holds an allocation. Of what passes to pion it holds that the
// two read it alike; of what is answered, that it is an answer.
func FuzzGate(f *testing.F) {
	build := func(method stun.Method, attrs ...stun.Setter) []byte {
		return stun.MustBuild(append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attrs...)...).Raw
	}
	peer := xorPeer{stun.XORMappedAddress{IP: net.IPv4(8, 8, 8, 8), Port: 53}}
	f.Add(build(stun.MethodBinding, stun.Fingerprint), false)
	f.Add(build(stun.MethodAllocate, attr(stun.AttrRequestedTransport, 17, 0, 0, 0), attr(stun.AttrLifetime, 0, 0, 0, 1)), true)
	f.Add(build(stun.MethodAllocate, attr(stun.AttrRequestedTransport, 17, 0, 0, 0), attr(stun.AttrEvenPort, 0x80)), true)
	f.Add(build(stun.MethodRefresh, attr(stun.AttrLifetime, 0, 0, 0, 0)), true)
	f.Add(build(stun.MethodCreatePermission, peer, peer), true)
	f.Add(build(stun.MethodChannelBind, peer, attr(stun.AttrChannelNumber, 0x40, 0, 0, 0)), true)
	f.Add(build(stun.MethodSend, peer, attr(stun.AttrData, 1, 2, 3)), false)
	f.Add([]byte{0x40, 0, 0, 4, 1, 2, 3, 4}, false)
	f.Add([]byte{0}, false)

	s, err := Listen(f.Context(), Config{Secrets: []string{"new"}, UDPAddrs: []string{"127.0.0.1:0"}, PublicIPs: addrs("127.0.0.1", "::1"), Peers: PeersAny})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.closeSockets() })
	username, secret, _ := Issuer{Secret: "new"}.Credentials("ann")
	key := stun.NewLongTermIntegrity(username, s.cfg.Realm, secret)
	from := &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5000}
	client := netip.MustParseAddrPort("192.0.2.1:5000")
	limiter := s.strangers

	f.Fuzz(func(t *testing.T, message []byte, signed bool) {
		conn := new(sink)
		d := &door{PacketConn: conn, srv: s, held: map[netip.AddrPort]*grant{}, nonce: pionNonce{value: "nonce", asked: time.Now()}}
		s.strangers, s.quota = limiter, newQuota(10, 10, 10)
		d.hold(&grant{client: client})
		if signed {
			delete(d.held, client)
			m := &stun.Message{Raw: slices.Clone(message)}
			if m.Decode() != nil || m.Type.Class != stun.ClassRequest || len(m.Raw) > 1400 {
				return
			}
			attrs := []stun.Setter{stun.NewTransactionIDSetter(m.TransactionID), m.Type}
			for _, a := range m.Attributes {
				attrs = append(attrs, a)
			}
			attrs = append(attrs, stun.NewUsername(username), stun.NewRealm(s.cfg.Realm), stun.NewNonce(s.nonces.make(client)), key)
			built, err := stun.Build(attrs...)
			if err != nil {
				return
			}
			message = built.Raw
			g := newGrant(d, &request{Message: new(stun.Message), client: client}, readMember("ann", "new"), 1)
			g.relays, g.ends = s.homes.of(family4), time.Now().Add(time.Hour)
			if m.Type.Method != stun.MethodAllocate {
				d.hold(g)
			}
		}
		if d.admit(message, from) && isSend(message) {
			m := &stun.Message{Raw: slices.Clone(message)}
			if m.Decode() != nil || m.Contains(stun.AttrFingerprint) && stun.Fingerprint.Check(m) != nil || m.Contains(stun.AttrDontFragment) {
				t.Fatalf("%x passes, and pion would read it otherwise", message)
			}
		}
		for _, answer := range conn.wrote {
			if m := (&stun.Message{Raw: answer}); m.Decode() != nil || m.Type.Class == stun.ClassRequest || [12]byte(answer[8:20]) != [12]byte(message[8:20]) {
				t.Fatalf("%x is answered with %x, which is no answer to it", message, answer)
			}
		}
		if d.next != nil {
			readAlike(t, d, d.next)
		}
	})
}

// readAlike gives an order to pion and holds that pion reads what we did.
func readAlike(t *testing.T, d *door, o *order) {
	t.Helper()
	p := make([]byte, 1601)
	n, ok := d.give(o, p)
	if !ok {
		return // refused, because it would not fit
	}
	defer d.turn.Unlock()
	m := &stun.Message{Raw: p[:n]}
	if err := m.Decode(); err != nil || m.Type != o.Type || m.TransactionID != o.TransactionID {
		t.Fatalf("pion is given %x (%v), want %v of the same transaction", p[:n], err, o.Type)
	}
	if err := stun.MessageIntegrity(o.user.key).Check(m); err != nil {
		t.Fatalf("pion is given %x, which is not signed: %v", p[:n], err)
	}
	pion := &request{Message: m}
	ours, ok1 := o.peers()
	theirs, ok2 := pion.peers()
	if m.Type.Method == stun.MethodChannelBind && ok1 {
		ours = ours[:1]
	}
	if len(theirs) > 0 && (!ok1 || !ok2 || !slices.Equal(ours, theirs)) {
		t.Fatalf("pion reads the peers %v, we %v", theirs, ours)
	}
	granted, _ := o.lifetime()
	seconds, given, _ := pion.number(stun.AttrLifetime)
	if given && m.Type.Method == stun.MethodRefresh && seconds != uint32(granted/time.Second) {
		t.Fatalf("pion reads a lifetime of %d s, we %v", seconds, granted)
	}
	if seconds >= 3600 || given && seconds != 0 && seconds < 600 {
		t.Fatalf("pion is given a lifetime of %d s, which it does not read as such", seconds)
	}
}

// TestDataPassesTheDoorForNothing holds the way of a packet through the door,
// in and out, at zero allocations.
func TestDataPassesTheDoorForNothing(t *testing.T) {
	client := &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5000}
	d := &door{PacketConn: &still{}, srv: new(Server), held: map[netip.AddrPort]*grant{}}
	d.hold(&grant{client: netip.MustParseAddrPort("192.0.2.1:5000")})
	in, out := channelData("hello"), channelData("hello")
	send := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication),
		xorPeer{stun.XORMappedAddress{IP: net.IPv4(8, 8, 8, 8), Port: 53}}, attr(stun.AttrData, 1, 2, 3), stun.Fingerprint).Raw
	if n := testing.AllocsPerRun(1000, func() {
		if !d.admit(in, client) || !d.admit(send, client) {
			t.Fatal("data of a client with an allocation does not pass")
		}
		_, _ = d.WriteTo(out, client)
	}); n != 0 {
		t.Errorf("%v allocations for a packet each way, want 0", n)
	}
}

// still is a socket that takes everything.
type still struct{ net.PacketConn }

func (*still) WriteTo(p []byte, _ net.Addr) (int, error) { return len(p), nil }
