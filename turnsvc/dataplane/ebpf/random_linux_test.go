//go:build netns

package ebpf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
)

// What the program says of a frame.
const (
	goesOn   = ^uint32(0) // TCX_NEXT
	dropped  = 2
	redirect = 7
)

// A frame is what random frames are made of: a datagram, and what is wrong with it.
type frame struct {
	from, to netip.AddrPort
	payload  []byte
	class    byte

	noChecksum, damaged bool // of UDP
	coincidence         bool // the checksum is that of the pseudo header alone
	options, fragment   bool // of IPv4; an extension header of IPv6
	damagedIP           bool
	vlan, otherHost     bool
	udpLen, ipLen       int // are wrong by so much
	behind              int // so many bytes follow the packet
}

const ethernetBytes, udpBytes = 14, 8

// bytes is the frame on the wire.
func (f *frame) bytes() []byte {
	var ip []byte
	n := udpBytes + len(f.payload)
	if f.from.Addr().Is4() {
		ip = ip4(f, n)
	} else {
		ip = ip6(f, n)
	}
	udp := binary.BigEndian.AppendUint16(nil, f.from.Port())
	udp = binary.BigEndian.AppendUint16(udp, f.to.Port())
	udp = binary.BigEndian.AppendUint16(udp, uint16(n+f.udpLen))
	udp = append(append(udp, 0, 0), f.payload...)
	pseudo := pseudoSum(f.from.Addr(), f.to.Addr(), n+f.udpLen)
	if f.coincidence && len(f.payload) >= 6 { // two bytes make the rest sum up to it
		at := udp[12:14]
		clear(at)
		rest := sum(0, udp)
		binary.BigEndian.PutUint16(at, sub16(sub16(^pseudo, pseudo), rest))
		f.payload = bytes.Clone(udp[udpBytes:])
	}
	check := ^sum(pseudo, udp)
	if check == 0 {
		check = 0xffff
	}
	switch {
	case f.noChecksum:
		check = 0
	case f.damaged:
		check ^= 0x0100
	}
	binary.BigEndian.PutUint16(udp[6:], check)
	b := make([]byte, 12, 1<<11)
	if f.otherHost {
		b[5] = 1
	}
	if f.vlan {
		b = append(b, 0x81, 0, 0, 5)
	}
	b = append(b, map[bool][]byte{true: {0x08, 0x00}, false: {0x86, 0xdd}}[f.from.Addr().Is4()]...)
	return append(append(append(b, ip...), udp...), make([]byte, f.behind)...)
}

func ip4(f *frame, n int) []byte {
	ip := make([]byte, 20, 24)
	ip[0], ip[1] = 0x45, f.class
	if f.options {
		ip = append(ip, 1, 1, 1, 0) // no operation, end
		ip[0]++
	}
	if f.fragment {
		ip[6] = 0x20
	}
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+n+f.ipLen))
	ip[8], ip[9] = 55, 17
	copy(ip[12:], f.from.Addr().AsSlice())
	copy(ip[16:], f.to.Addr().AsSlice())
	binary.BigEndian.PutUint16(ip[10:], ^sum(0, ip))
	if f.damagedIP {
		ip[4] ^= 1
	}
	return ip
}

func ip6(f *frame, n int) []byte {
	ip := make([]byte, 40, 48)
	ip[0], ip[1] = 0x60|f.class>>4, f.class<<4
	ip[6], ip[7] = 17, 55
	if f.options || f.fragment {
		ip[6] = 60 // destination options
		ip = append(ip, 17, 0, 1, 4, 0, 0, 0, 0)
	}
	if f.damagedIP {
		ip[0] = 0x50
	}
	binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-40+n+f.ipLen))
	copy(ip[8:], f.from.Addr().AsSlice())
	copy(ip[24:], f.to.Addr().AsSlice())
	return ip
}

// sum is that of the Internet checksum (RFC 1071).
func sum(start uint16, p []byte) uint16 {
	s := uint32(start)
	for i, b := range p {
		s += uint32(b) << (8 * (1 - i&1))
		s = s&0xffff + s>>16
	}
	return uint16(s)
}

func sub16(a, b uint16) uint16 { return uint16((uint32(a) + uint32(^b)) % 0xffff) }

func pseudoSum(from, to netip.Addr, n int) uint16 {
	return sum(sum(sum(0, from.AsSlice()), to.AsSlice()), []byte{0, 17, byte(n >> 8), byte(n)})
}

// becomes is what the frame must become, by the rules of doc.go: nil if it goes on
// as it is.
func (f *frame) becomes(c dataplane.Channel, mtu int) *frame {
	header := 4
	if f.from.Addr().Is6() && f.noChecksum || f.options || f.fragment || f.damagedIP || f.vlan || f.otherHost || f.udpLen != 0 || f.ipLen != 0 {
		return nil
	}
	out := &frame{noChecksum: f.noChecksum, damaged: f.damaged, class: f.class}
	switch {
	case f.from == c.Peer && f.to == c.Relayed:
		out.from, out.to, out.payload = c.Server, c.Client, channelData(c.Number, f.payload)
	case f.from == c.Client && f.to == c.Server && len(f.payload) >= header:
		n := int(binary.BigEndian.Uint16(f.payload[2:]))
		padding := len(f.payload) - header - n
		if binary.BigEndian.Uint16(f.payload) != c.Number || padding < 0 || padding > -n&3 {
			return nil
		}
		out.from, out.to, out.payload = c.Relayed, c.Peer, f.payload[header:header+n]
	default:
		return nil
	}
	length := udpBytes + len(out.payload) + 20
	if out.from.Addr().Is6() {
		length += 20
	}
	if length > mtu || out.noChecksum && out.from.Addr().Is6() {
		return nil
	}
	return out
}

// randomFrame is mostly one that is carried, and mostly whole.
func randomFrame(r *rand.Rand, c dataplane.Channel) *frame {
	rarely := func() bool { return r.IntN(25) == 0 }
	f := &frame{
		from: c.Peer, to: c.Relayed, class: byte(r.Uint32()),
		noChecksum: rarely(), damaged: rarely(), coincidence: rarely(), options: rarely(), fragment: rarely(),
		damagedIP: rarely(), vlan: rarely(), otherHost: rarely(),
	}
	data := make([]byte, []int{r.IntN(8), r.IntN(64), r.IntN(1400)}[r.IntN(3)])
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	f.payload = data
	if r.IntN(2) == 0 {
		f.from, f.to = c.Client, c.Server
		number := c.Number
		if rarely() {
			number = uint16(r.Uint32())
		}
		padding := make([]byte, r.IntN(-len(data)&3+1))
		if rarely() {
			padding = make([]byte, r.IntN(6))
		}
		for i := range padding {
			padding[i] = byte(r.Uint32())
		}
		f.payload = append(channelData(number, data), padding...)
		if rarely() {
			f.payload[2+r.IntN(2)] = byte(r.Uint32())
		}
	}
	switch r.IntN(60) {
	case 0:
		f.from = netip.AddrPortFrom(f.from.Addr(), f.from.Port()^1)
	case 1:
		f.to = netip.AddrPortFrom(f.to.Addr(), f.to.Port()^1)
	case 2:
		f.from = netip.AddrPortFrom(f.from.Addr().Next(), f.from.Port())
	case 3:
		f.to = netip.AddrPortFrom(f.to.Addr().Prev(), f.to.Port())
	case 4:
		f.udpLen = r.IntN(9) - 4
	case 5:
		f.ipLen = r.IntN(9) - 4
	case 6:
		f.from, f.to = f.to, f.from
	}
	if f.ipLen == 0 && r.IntN(4) == 0 {
		f.behind = r.IntN(20)
	}
	return f
}

// bareProgram is the program without an interface, with the steps of a channel for
// each pair of families.
func bareProgram(t *testing.T, mtu int) (*plane, []dataplane.Channel) {
	t.Helper()
	needsRoot(t)
	p := &plane{log: slog.New(slog.DiscardHandler)}
	if err := p.load(100); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.kernel.Close() })
	if err := p.configure(-1); err != nil {
		t.Fatal(err)
	}
	var bound []dataplane.Channel
	for i, k := range kinds() {
		at := func(addr string, port int) netip.AddrPort {
			return netip.AddrPortFrom(netip.MustParseAddrPort(addr).Addr(), uint16(port))
		}
		c := &channel{place: i, Channel: dataplane.Channel{
			Client: at(k.client, 5000+i), Server: at(k.server, 3478), Number: uint16(0x4000 + i), Relayed: at(k.relay, 50000+i), Peer: at(k.peer, 6000+i),
		}}
		h := hop{card: 1, next: c.Peer.Addr(), source: c.Relayed.Addr(), mtu: uint32(mtu)}
		in := h.step()
		in.From, in.FromPort, in.To, in.ToPort = words(c.Server.Addr()), wire(3478), words(c.Client.Addr()), wire(c.Client.Port())
		in.Channel, in.Family, in.Legs = wire(c.Number), family(c.Client.Addr()), [2]relayLeg{c.inLeg(), {Count: noLeg}}
		for key, step := range map[relayKey]relayStep{c.outKey(): c.toPeer(h), c.inKey(c.Relayed.Addr()): in} {
			if err := p.kernel.Steps.Put(key, step); err != nil {
				t.Fatal(err)
			}
		}
		bound = append(bound, c.Channel)
	}
	return p, bound
}

// TestRandomFrames gives the program frames of every sort, whole and broken. What
// is not carried stays as it is, to the byte; what is carried becomes what an
// implementation that starts from nothing makes of it.
func TestRandomFrames(t *testing.T) {
	const mtu, frames = 1300, 20000
	p, bound := bareProgram(t, mtu)
	r := rand.New(rand.NewPCG(1, 2))
	carried, partial := 0, 0
	for i := range frames {
		c := bound[r.IntN(len(bound))]
		f := randomFrame(r, c)
		in := f.bytes()
		if f.looksPartial(in) {
			partial++
		}
		verdict, out, err := p.kernel.Relay.Test(in)
		if err != nil {
			t.Fatal(err)
		}
		want := f.becomes(c, mtu)
		if want == nil {
			if verdict != goesOn || !bytes.Equal(out, in) {
				t.Fatalf("frame %d %+v: verdict %d, or changed, want it to go on as it was:\n%x\n%x", i, f, int32(verdict), in, out)
			}
			continue
		}
		carried++
		if err := same(out, want); verdict != redirect || err != nil {
			t.Fatalf("frame %d %+v: verdict %d, %v", i, f, int32(verdict), err)
		}
	}
	if carried < frames/3 || partial < frames/100 {
		t.Errorf("only %d of %d were carried, and %d had the checksum of a partial one", carried, frames, partial)
	}
}

// looksPartial reports whether the checksum is that of the pseudo header alone.
func (f *frame) looksPartial(whole []byte) bool {
	l4 := ethernetBytes + 40
	if f.from.Addr().Is4() {
		l4 = ethernetBytes + 20
	}
	n := udpBytes + len(f.payload)
	return !f.vlan && !f.options && !f.fragment && binary.BigEndian.Uint16(whole[l4+6:]) == pseudoSum(f.from.Addr(), f.to.Addr(), n)
}

// same compares a frame on the wire with what it shall be. The program gives IPv4
// a random identification; what damaged a checksum must still be in it.
func same(got []byte, want *frame) error {
	b := want.bytes()
	l4 := ethernetBytes + 40
	if want.from.Addr().Is4() {
		l4 = ethernetBytes + 20
		if len(got) < l4 || sum(0, got[ethernetBytes:l4]) != 0xffff {
			return fmt.Errorf("the IP header's checksum is wrong, or it is short: %x", got)
		}
		copy(b[ethernetBytes+4:], got[ethernetBytes+4:][:2])
		copy(b[ethernetBytes+10:], got[ethernetBytes+10:][:2])
		b[ethernetBytes+8] = usualTTL
	} else {
		b[ethernetBytes+7] = usualTTL
	}
	if len(got) != len(b) {
		return fmt.Errorf("it has %d bytes, want %d:\n%x\n%x", len(got), len(b), got, b)
	}
	if want.damaged { // wrong before, wrong now, by whatever number
		if !want.noChecksum && sum(pseudoSum(want.from.Addr(), want.to.Addr(), len(got)-l4), got[l4:]) == 0xffff {
			return fmt.Errorf("what was damaged has become whole: %x", got)
		}
		copy(b[l4+6:], got[l4+6:][:2])
	}
	got, b = got[ethernetBytes:], b[ethernetBytes:] // the neighbour's address and the type are written when it is sent
	if !bytes.Equal(got, b) {
		return fmt.Errorf("it is\n%x, want\n%x", got, b)
	}
	return nil
}

// TestJunkGoesOn gives the program frames that are no frames.
func TestJunkGoesOn(t *testing.T) {
	p, bound := bareProgram(t, 1500)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 10000 {
		in := make([]byte, ethernetBytes+r.IntN(200))
		for j := range in {
			in[j] = byte(r.Uint32())
		}
		clear(in[:12]) // for us
		if r.IntN(2) == 0 {
			in = randomFrame(r, bound[r.IntN(len(bound))]).bytes()
			in = in[:ethernetBytes+r.IntN(len(in)-ethernetBytes)] // cut short: less than it says
		}
		verdict, out, err := p.kernel.Relay.Test(in)
		if err != nil {
			continue // the kernel takes no frame that is so short
		}
		if whole := ipBytes(in); verdict != goesOn && whole > len(in)-ethernetBytes || verdict == goesOn && !bytes.Equal(in, out) {
			t.Fatalf("frame %d %x: verdict %d, %x", i, in, int32(verdict), out)
		}
	}
}

// ipBytes is how long a packet says that it is.
func ipBytes(frame []byte) int {
	if len(frame) < ethernetBytes+6 {
		return 1 << 16
	}
	if frame[ethernetBytes]>>4 == 4 {
		return int(binary.BigEndian.Uint16(frame[ethernetBytes+2:]))
	}
	return 40 + int(binary.BigEndian.Uint16(frame[ethernetBytes+4:]))
}

// TestGluedDatagramsGoOn gives the program what GRO makes of several datagrams.
func TestGluedDatagramsGoOn(t *testing.T) {
	p, bound := bareProgram(t, 1500)
	c := bound[0]
	f := &frame{from: c.Client, to: c.Server, payload: channelData(c.Number, some(1000))}
	for size, want := range map[uint32]uint32{0: redirect, 500: goesOn} {
		context := make([]byte, 192) // struct __sk_buff
		binary.NativeEndian.PutUint32(context[176:], size)
		got, err := p.kernel.Relay.Run(&ebpf.RunOptions{Data: f.bytes(), Context: context})
		if err != nil || got != want {
			t.Errorf("with gso_size %d: verdict %d, %v, want %d", size, int32(got), err, int32(want))
		}
	}
}
