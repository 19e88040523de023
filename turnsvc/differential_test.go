package turnsvc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// userSpacePlanes carry all that the first of them does, in the same way.
func userSpacePlanes() []DataPlane { return []DataPlane{PlanePion, PlaneBatch} }

// TestPlanesCarryTheSame sends the same random traffic through every plane, good and
// bad, and compares byte for byte what comes out: for each flow in its order.
func TestPlanesCarryTheSame(t *testing.T) {
	t.Parallel()
	for _, where := range []struct{ listen, public string }{{"127.0.0.1:0", "127.0.0.1"}, {":0", "::1"}} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("relays at %s, traffic %d", where.public, seed), func(t *testing.T) {
				t.Parallel()
				var first map[string][]string
				for _, plane := range userSpacePlanes() {
					got := newStage(t, plane, where.listen, where.public).play(seed)
					if first == nil {
						first = got
					}
					compare(t, plane, first, got)
				}
			})
		}
	}
}

// compare fails with the first difference of each flow.
func compare(t *testing.T, plane DataPlane, want, got map[string][]string) {
	t.Helper()
	if a, b := slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)); !slices.Equal(a, b) {
		t.Errorf("%v has the flows %q, %v has %q", userSpacePlanes()[0], a, plane, b)
	}
	for flow, list := range want {
		for i := range max(len(list), len(got[flow])) {
			if i >= len(list) || i >= len(got[flow]) || list[i] != got[flow][i] {
				t.Errorf("%s: message %d of %d is with %v not what it is with %v, of %d: %.100q, %.100q", flow, i, len(list),
					plane, userSpacePlanes()[0], len(got[flow]), tail(list, i), tail(got[flow], i))
				break
			}
		}
	}
}

// tail is what a list has from i on, but not much of it.
func tail(list []string, i int) []string { return list[min(i, len(list)):min(i+1, len(list))] }

// A stage is a service with clients and peers, who are known by names, since every
// run has other ports.
//
//	ann, bob by UDP, cat by TCP     have channels to near and to one another,
//	                                permissions for far
//	dan                             has an allocation, and permits nobody
//	near, far                       peers
type stage struct {
	t       *testing.T
	srv     *service
	clients map[string]*client
	relays  map[string]netip.AddrPort
	peers   map[string]*net.UDPConn
	names   map[netip.AddrPort]string
	arrived chan arrival
}

// arrival is a message that somebody has received, and who has sent it.
type arrival struct{ by, from, what string }

func newStage(t *testing.T, plane DataPlane, listen, public string) *stage {
	t.Helper()
	ip := netip.MustParseAddr(public)
	s := &stage{
		t: t, clients: map[string]*client{}, relays: map[string]netip.AddrPort{}, peers: map[string]*net.UDPConn{},
		names: map[netip.AddrPort]string{}, arrived: make(chan arrival, 10_000),
	}
	s.srv = serve(t, func(c *Config) {
		c.DataPlane, c.UDPAddrs, c.MaxBitrate, c.PublicIPs = plane, []string{listen}, NoLimit, []netip.Addr{ip}
		c.MonthlyBudget, c.outletAfter = 1<<40, 3 // so that most goes through outlets
	})
	if s.srv.userSpace != plane {
		t.Skipf("no %v on this machine", plane)
	}
	for _, name := range []string{"near", "far"} {
		conn, err := listenPeer(t, ip.String())
		if err != nil {
			t.Skip(err)
		}
		_ = conn.SetReadBuffer(4 << 20)
		s.peers[name], s.names[gate.AddrPort(conn.LocalAddr())] = conn, name
	}
	for _, name := range []string{"ann", "bob", "cat", "dan"} {
		network := "udp"
		if name == "cat" {
			network = "tcp"
		}
		c := s.srv.dial(t, network, name)
		relayed, code := c.allocate(familyAttr(ip))
		if code != 0 {
			t.Skipf("no relay at %v: %d", ip, code)
		}
		s.clients[name], s.relays[name], s.names[relayed] = c, relayed, name
	}
	for name, conn := range s.peers { // now all names are known
		go s.hear(name, conn)
	}
	for i, name := range s.talkers() {
		s.bindAll(name)
		go s.listen(i, name)
	}
	return s
}

func (s *stage) talkers() []string { return []string{"ann", "bob", "cat"} }

// channels of everybody: by number.
func (s *stage) channels() []string { return []string{"near", "ann", "bob", "cat", "dan"} }

func (s *stage) addr(name string) netip.AddrPort {
	if conn := s.peers[name]; conn != nil {
		return gate.AddrPort(conn.LocalAddr())
	}
	return s.relays[name]
}

func (s *stage) bindAll(name string) {
	s.t.Helper()
	for i, to := range s.channels() {
		if m := s.clients[name].do(stun.MethodChannelBind, attr(stun.AttrChannelNumber, 0x40, byte(i), 0, 0), peerAddr(s.addr(to))); code(m) != 0 {
			s.t.Fatalf("%s cannot bind a channel to %s: %d", name, to, code(m))
		}
	}
}

// hear notes what a peer receives.
func (s *stage) hear(name string, conn *net.UDPConn) {
	p := make([]byte, 4000)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(p)
		if err != nil {
			return // closed
		}
		s.arrived <- arrival{name, s.names[netip.AddrPortFrom(from.Addr().Unmap(), from.Port())], string(p[:n])}
	}
}

// listen notes what a client receives. What differs from run to run is taken out of
// Data indications: the transaction, and the address, for which there is a name.
func (s *stage) listen(_ int, name string) {
	c, p := s.clients[name], make([]byte, 4000)
	for {
		var message []byte
		var err error
		if c.frames != nil {
			message, err = c.frames.Next()
		} else {
			var n int
			n, err = c.conn.Read(p)
			message = p[:n]
		}
		if err != nil {
			return // closed
		}
		s.arrived <- s.read(name, message)
	}
}

func (s *stage) read(name string, message []byte) arrival {
	if message[0] >= 0x40 {
		return arrival{name, s.channels()[message[1]], string(message)}
	}
	m := &stun.Message{Raw: bytes.Clone(message)}
	if err := m.Decode(); err != nil {
		return arrival{name, "nobody", err.Error()}
	}
	var from stun.XORMappedAddress
	if err := from.GetFromAs(m, stun.AttrXORPeerAddress); err != nil {
		return arrival{name, "nobody", err.Error()}
	}
	ip, _ := netip.AddrFromSlice(from.IP)
	who := s.names[netip.AddrPortFrom(ip.Unmap(), uint16(from.Port))]
	clear(m.Raw[8:20])
	value, _ := m.Get(stun.AttrXORPeerAddress) // a part of Raw
	clear(value[2:])
	return arrival{name, who, string(m.Raw)}
}

const marker = "here a flow is at an end" // of a length that takes no padding

// play sends random traffic and returns what arrived, by flow.
func (s *stage) play(seed uint64) map[string][]string {
	r := rand.New(rand.NewPCG(seed, 8656))
	flows, ends := map[string][]string{}, 0
	for range 25 { // chunks, so that no buffer is ever full
		for range 12 {
			s.disturb(r)
			s.fromClient(r)
			s.fromPeer(r)
		}
		ends += s.mark()
		s.collect(flows, ends)
	}
	if b := s.srv.batch; b != nil && b.outlets.count() == 0 {
		s.t.Error("batch has opened no outlets")
	}
	s.srv.stopped(s.t) // then all is counted
	now := s.srv.Stats()
	flows["counters"] = []string{fmt.Sprint(now.RelayedBytesIn, now.RelayedBytesOut, now.RelayedPacketsIn, now.RelayedPacketsOut, now.DroppedBitrate, now.BudgetSpent)}
	return flows
}

// mark ends every flow that there is, and returns how many.
func (s *stage) mark() (n int) {
	for _, name := range s.talkers() {
		for i, to := range s.channels() {
			if to != "dan" {
				s.clients[name].send(onChannel(byte(i), []byte(marker), 0))
				n++
			}
		}
		s.clients[name].send(s.sendTo(s.addr("far"), []byte(marker)))
		for _, conn := range s.peers {
			s.toRelay(conn, name, []byte(marker))
			n++
		}
		n++
	}
	return n
}

// collect waits until as many flows have ended in all.
func (s *stage) collect(flows map[string][]string, ends int) {
	s.t.Helper()
	for _, list := range flows {
		for _, what := range list {
			if bytes.Contains([]byte(what), []byte(marker)) {
				ends--
			}
		}
	}
	for late := time.After(4 * patience); ends > 0; {
		select {
		case a := <-s.arrived:
			flow := a.from + " to " + a.by
			flows[flow] = append(flows[flow], a.what)
			if bytes.Contains([]byte(a.what), []byte(marker)) {
				ends--
			}
		case <-late:
			ended := map[string]int{}
			for flow, list := range flows {
				for _, what := range list {
					if bytes.Contains([]byte(what), []byte(marker)) {
						ended[flow]++
					}
				}
			}
			s.t.Fatalf("%d flows do not end: with %v %v did", ends, s.srv.userSpace, ended)
		}
	}
}

func payload(r *rand.Rand, most int) []byte {
	p := make([]byte, r.IntN(most+1))
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// onChannel is ChannelData with some bytes behind it.
func onChannel(number byte, data []byte, behind int) []byte {
	p := append([]byte{0x40, number, byte(len(data) >> 8), byte(len(data))}, data...)
	return append(p, make([]byte, behind)...)
}

func (s *stage) sendTo(to netip.AddrPort, data []byte, more ...stun.Setter) []byte {
	m, err := stun.Build(append([]stun.Setter{
		stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication), peerAddr(to), attr(stun.AttrData, data...),
	}, more...)...)
	if err != nil {
		s.t.Error(err)
	}
	return m.Raw
}

// fromClient sends what a client may send: ChannelData, padded or not, in runs of
// one size as well, and Send indications.
func (s *stage) fromClient(r *rand.Rand) {
	name := s.talkers()[r.IntN(3)]
	c, n := s.clients[name], 1
	if r.IntN(3) == 0 {
		n = 1 + r.IntN(10)
	}
	data, number, kind, pad := payload(r, 1500), byte(r.IntN(5)), r.IntN(4), r.IntN(2)
	for range n {
		if len(data) > 0 {
			data[0]++
		}
		switch {
		case kind == 0:
			c.send(s.sendTo(s.addr([]string{"near", "far"}[number%2]), data, stun.NewSoftware("x")))
		case c.frames != nil || pad > 0:
			c.send(onChannel(number, data, -len(data)&3))
		default:
			c.send(onChannel(number, data, 0))
		}
	}
}

// fromPeer sends to a relay, too much at times.
func (s *stage) fromPeer(r *rand.Rand) {
	conn, most := s.peers[[]string{"near", "far"}[r.IntN(2)]], 1500
	to := []string{"ann", "bob", "cat", "dan"}[r.IntN(4)]
	if to != "cat" && r.IntN(10) == 0 {
		most = 1700
	}
	data := payload(r, most)
	if most > 1500 && r.IntN(2) == 0 {
		data = make([]byte, 1598+r.IntN(4)) // what just fits, and what does not
	}
	for range 1 + r.IntN(3) {
		s.toRelay(conn, to, data)
	}
}

func (s *stage) toRelay(conn *net.UDPConn, name string, data []byte) {
	if _, err := conn.WriteToUDPAddrPort(data, s.relays[name]); err != nil {
		s.t.Error(err)
	}
}

// disturb sends what must go nowhere.
func (s *stage) disturb(r *rand.Rand) {
	c := s.clients[s.talkers()[r.IntN(2)]] // who come by UDP
	stranger := netip.MustParseAddrPort("[2001:db8::1]:9")
	if s.addr("near").Addr().Is4() {
		stranger = netip.MustParseAddrPort("127.0.0.9:9")
	}
	data := payload(r, 300)
	switch r.IntN(9) {
	case 0:
		c.send(onChannel(byte(r.IntN(5)), append(data, 1, 2, 3, 4), 4+r.IntN(9))) // more behind than padding
	case 1:
		p := onChannel(byte(r.IntN(5)), data, 0)
		binary.BigEndian.PutUint16(p[2:], uint16(len(data)+1+r.IntN(70000-len(data)))) // longer than it is
		c.send(p)
	case 2:
		c.send(onChannel(99, data, 0)) // which nobody has bound
	case 3:
		c.send(s.sendTo(stranger, data)) // without a permission
	case 4:
		c.send(s.sendTo(s.addr("near"), data, attr(stun.AttrType(0x7001), 1, 2, 3, 4))) // not understood
	case 5:
		c.send(s.sendTo(s.addr("near"), data, attr(stun.AttrFingerprint, 1, 2, 3, 4))) // wrong
	case 6:
		m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication), peerAddr(s.addr("near")))
		if err != nil {
			s.t.Error(err)
		}
		c.send(m.Raw) // without data
	case 7:
		c.send(append([]byte{byte(r.Uint32()) | 0x80}, data...)) // neither
	default:
		s.strangerSends(data)
	}
}

// strangerSends sends to all relays from an address that has no permission, where
// there is a second one.
func (s *stage) strangerSends(data []byte) {
	if s.addr("near").Addr().Is6() {
		return
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 9)})
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	for name := range s.relays {
		s.toRelay(conn, name, data)
	}
}
