//go:build netns

package ebpf

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
)

// until waits for what another goroutine, or the kernel, does.
func until(t *testing.T, what string, true func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !true(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%s: never", what)
		}
	}
}

// TestOnlyWhatIsBound sends what somebody else might: all of it comes to the
// sockets of user space, and the next right datagram is carried.
func TestOnlyWhatIsBound(t *testing.T) {
	w := newWires(t)
	p := w.plane(t, dataplane.Options{})
	stun := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...)
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			c := w.call(t, k)
			bind(t, p, c.Channel)
			other := w.client.listen(t, k.client)
			for name, datagram := range map[string][]byte{
				"STUN": stun, "another channel": channelData(0x4002, some(5)), "no channel": channelData(0x5001, some(5)),
				"cut short": channelData(c.Number, some(5))[:8], "too long": append(channelData(c.Number, some(5)), 0, 0, 0, 0),
				"nothing": {}, "a byte": {0x40},
			} {
				t.Run(name, func(t *testing.T) {
					c.client.send(datagram, c.Server)
					c.gets(t, c.server, datagram, c.Client)
				})
			}
			mine := channelData(c.Number, some(50))
			other.send(mine, c.Server)
			c.gets(t, c.server, mine, other.at())
			forged := w.peer.listen(t, k.peer)
			forged.send(some(60), c.Relayed)
			c.gets(t, c.relay, some(60), forged.at())
			c.out(t, some(70), 0)
			c.in(t, some(70))
			p.Unbind(c.Channel)
		})
	}
	if n, _ := p.Counts(); n.Out.Packets != 4 || n.In.Packets != 4 {
		t.Errorf("carried %+v, want 4 each way", n)
	}
}

// TestUnbindEndsItAtOnce unbinds a channel between two datagrams.
func TestUnbindEndsItAtOnce(t *testing.T) {
	w := newWires(t)
	p := w.plane(t, dataplane.Options{})
	c := w.call(t, kinds()[0])
	for range 3 {
		bind(t, p, c.Channel)
		c.out(t, some(100), 0)
		c.in(t, some(100))
		p.Unbind(c.Channel)
		c.client.send(channelData(c.Number, some(9)), c.Server)
		c.gets(t, c.server, channelData(c.Number, some(9)), c.Client)
		c.peer.send(some(9), c.Relayed)
		c.gets(t, c.relay, some(9), c.Peer)
	}
	if n, want := must(p.Counts()), (dataplane.Traffic{Packets: 3, Bytes: 300}); n.In != want || n.Out != want {
		t.Errorf("counted %+v, want %v each way", n, want)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// twoRelays are two calls whose peers are each other's relays.
func (w *wires) twoRelays(t *testing.T, a, b kind) (left, right *call) {
	t.Helper()
	left, right = w.call(t, a), w.call(t, b)
	right.client = w.peer.listen(t, b.peer) // on the other side of the server
	right.Client, right.Number, right.Allocation = right.client.at(), 0x4fff, 2
	left.Peer, left.Partner = right.Relayed, right.Relayed
	right.Peer, right.Partner = left.Relayed, left.Relayed
	return left, right
}

// TestFromRelayToRelay takes the short way from client to client once both
// channels are bound, and no longer when one is not.
func TestFromRelayToRelay(t *testing.T) {
	w := newWires(t)
	p := w.plane(t, dataplane.Options{})
	same4, same6 := kinds()[0], kinds()[1]
	mixed4, mixed6 := same4, same6
	mixed4.relay, mixed6.relay = same4.relay, same4.relay // both relays are of IPv4
	for name, k := range map[string][2]kind{"IPv4": {same4, same4}, "IPv6": {same6, same6}, "IPv4 and IPv6": {mixed4, mixed6}} {
		t.Run(name, func(t *testing.T) {
			left, right := w.twoRelays(t, k[0], k[1])
			before := must(p.Counts())
			crosses := func() {
				t.Helper()
				for _, size := range []int{0, 1, 2, 3, 160, 1199} {
					left.client.send(channelData(left.Number, some(size)), left.Server)
					right.gets(t, right.client, channelData(right.Number, some(size)), right.Server)
					right.client.send(channelData(right.Number, some(size)), right.Server)
					left.gets(t, left.client, channelData(left.Number, some(size)), left.Server)
				}
			}
			goesUp := func(c *call) {
				t.Helper()
				c.client.send(channelData(c.Number, some(9)), c.Server)
				c.gets(t, c.server, channelData(c.Number, some(9)), c.Client)
			}
			bind(t, p, left.Channel)
			goesUp(left)
			bind(t, p, right.Channel)
			crosses()
			p.Unbind(left.Channel)
			goesUp(left)
			goesUp(right)
			bind(t, p, left.Channel)
			crosses()
			p.Unbind(right.Channel)
			goesUp(left)
			p.Unbind(left.Channel)
			want := dataplane.Traffic{Packets: 24, Bytes: 4 * (1 + 2 + 3 + 160 + 1199)}
			after := must(p.Counts())
			for way, n := range map[string]dataplane.Traffic{
				"in": after.In.Minus(before.In), "out": after.Out.Minus(before.Out),
				"in within": after.InWithin.Minus(before.InWithin), "out within": after.OutWithin.Minus(before.OutWithin),
			} {
				if n != want {
					t.Errorf("counted %v %s, want %v", n, way, want)
				}
			}
		})
	}
}

// TestBitrate lets a burst pass, each way for itself, and then nothing.
func TestBitrate(t *testing.T) {
	w := newWires(t)
	p := w.plane(t, dataplane.Options{Bitrate: 1}) // the next byte may pass in 8 seconds
	const size, fit = 1200, (64 << 10) / 1200
	c := w.call(t, kinds()[0])
	bind(t, p, c.Channel)
	for range fit {
		c.out(t, some(size), 0)
	}
	for range fit {
		c.in(t, some(size))
	}
	dropped := func(want uint64) {
		t.Helper()
		until(t, fmt.Sprint(want, " are dropped"), func() bool { return must(p.Counts()).Dropped == want })
	}
	c.client.send(channelData(c.Number, some(size)), c.Server)
	dropped(1)
	c.peer.send(some(size), c.Relayed)
	dropped(2)
	second := c.Channel
	second.Number, second.Peer = 0x4002, netip.AddrPortFrom(c.Peer.Addr(), 9)
	bind(t, p, second) // another channel of the allocation
	c.client.send(channelData(second.Number, some(size)), c.Server)
	dropped(3)
	p.SetBitrate(-1)
	c.out(t, some(size), 0)
	c.in(t, some(size))
	p.SetBitrate(1)
	c.client.send(channelData(c.Number, some(size)), c.Server)
	dropped(4)
	p.Unbind(second)
	p.Unbind(c.Channel)
	again := c.Channel
	again.Allocation = 7 // begins with a full bucket
	bind(t, p, again)
	c.out(t, some(size), 0)
	if n := must(p.Counts()); n.Out.Packets != fit+2 || n.In.Packets != fit+1 || n.Dropped != 4 {
		t.Errorf("counted %+v", n)
	}
}

// TestBitrateFromRelayToRelay holds the way between two clients to the buckets of
// both: that out of the one, that in to the other.
func TestBitrateFromRelayToRelay(t *testing.T) {
	w := newWires(t)
	p := w.plane(t, dataplane.Options{Bitrate: 1})
	const size, fit = 1200, (64 << 10) / 1200
	left, right := w.twoRelays(t, kinds()[0], kinds()[0])
	bind(t, p, left.Channel)
	bind(t, p, right.Channel)
	for range fit {
		left.client.send(channelData(left.Number, some(size)), left.Server)
		right.gets(t, right.client, channelData(right.Number, some(size)), right.Server)
	}
	left.client.send(channelData(left.Number, some(size)), left.Server)
	until(t, "one is dropped", func() bool { return must(p.Counts()).Dropped == 1 })
	right.client.send(channelData(right.Number, some(size)), right.Server)
	left.gets(t, left.client, channelData(left.Number, some(size)), left.Server)
}

// TestMTU carries what just fits the next link, and leaves what does not to user
// space. IPv6 is cut at what every link carries.
func TestMTU(t *testing.T) {
	const mtu4 = 1400
	fits := func(addr string) int {
		if netip.MustParseAddrPort(addr).Addr().Is4() {
			return mtu4 - 20 - udpBytes
		}
		return minIPv6MTU - 40 - udpBytes
	}
	narrow := func(t *testing.T, name string) (*wires, *plane) {
		t.Helper()
		w := newWires(t)
		w.server.must(t, func() error {
			device, err := netlink.LinkByName(name)
			return errors.Join(err, netlink.LinkSetMTU(device, mtu4))
		})
		return w, w.plane(t, dataplane.Options{})
	}
	t.Run("towards the peer", func(t *testing.T) {
		w, p := narrow(t, "s1")
		for _, k := range kinds() {
			c, n := w.call(t, k), fits(k.peer)
			bind(t, p, c.Channel)
			c.out(t, some(n), 0)
			c.client.send(channelData(c.Number, some(n+1)), c.Server)
			c.gets(t, c.server, channelData(c.Number, some(n+1)), c.Client)
			p.Unbind(c.Channel)
		}
	})
	t.Run("towards the client", func(t *testing.T) {
		w, p := narrow(t, "s0")
		for _, k := range kinds() {
			c, n := w.call(t, k), fits(k.client)-4
			bind(t, p, c.Channel)
			c.out(t, nil, 0) // so that the server's kernel knows where the client is
			c.in(t, some(n))
			c.peer.send(some(n+1), c.Relayed)
			c.gets(t, c.relay, some(n+1), c.Peer)
			p.Unbind(c.Channel)
		}
	})
}

// TestSegmentedByTheCard lets the sender leave the cutting to the card: what comes
// as one is cut by the stack for the sockets.
func TestSegmentedByTheCard(t *testing.T) {
	w := newWires(t)
	p := w.plane(t, dataplane.Options{})
	for _, k := range kinds()[:2] {
		c := w.call(t, k)
		bind(t, p, c.Channel)
		one := channelData(c.Number, some(996))
		segment(t, c.client, len(one))
		c.client.send(append(append(one, one...), one...), c.Server)
		for range 3 {
			c.gets(t, c.server, one, c.Client)
		}
		segment(t, c.peer, 500)
		c.peer.send(append(some(500), some(500)...), c.Relayed)
		for range 2 {
			c.gets(t, c.relay, some(500), c.Peer)
		}
		p.Unbind(c.Channel)
	}
	if n := must(p.Counts()); n != (dataplane.Counts{}) {
		t.Errorf("counted %+v, want nothing", n)
	}
}

func segment(t *testing.T, s *socket, size int) {
	t.Helper()
	raw, err := s.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var set error
	err = raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, size) })
	if err := errors.Join(err, set); err != nil {
		t.Fatal(err)
	}
}

// TestFragmentsGoUp sends datagrams that the sender's kernel cuts into fragments:
// they come whole to the sockets.
func TestFragmentsGoUp(t *testing.T) {
	w := newWires(t)
	p := w.plane(t, dataplane.Options{})
	for _, k := range kinds() {
		c := w.call(t, k)
		bind(t, p, c.Channel)
		c.client.send(channelData(c.Number, some(3000)), c.Server)
		c.gets(t, c.server, channelData(c.Number, some(3000)), c.Client)
		c.peer.send(some(3000), c.Relayed)
		c.gets(t, c.relay, some(3000), c.Peer)
		p.Unbind(c.Channel)
	}
}

// TestAtNoAddress has a relay that is bound to none, as behind a 1:1 NAT: it sends
// from the address that the route has. What comes to another one goes up.
func TestAtNoAddress(t *testing.T) {
	w := newWires(t)
	p := w.plane(t, dataplane.Options{})
	for _, k := range kinds()[:2] {
		from := netip.MustParseAddrPort(k.relay).Addr()
		any4 := k
		any4.relay = map[bool]string{true: "0.0.0.0:0", false: "[::]:0"}[from.Is4()]
		c := w.call(t, any4)
		bind(t, p, c.Channel)
		port := c.Relayed.Port()
		c.client.send(channelData(c.Number, some(10)), c.Server)
		c.gets(t, c.peer, some(10), netip.AddrPortFrom(from, port))
		c.peer.send(some(11), netip.AddrPortFrom(from, port))
		c.gets(t, c.client, channelData(c.Number, some(11)), c.Server)
		c.peer.send(some(12), netip.AddrPortFrom(c.Server.Addr(), port))
		c.gets(t, c.relay, some(12), c.Peer)
		p.Unbind(c.Channel)
	}
}

// TestMost binds more channels than there is room for.
func TestMost(t *testing.T) {
	w := newWires(t)
	p := w.plane(t, dataplane.Options{MaxChannels: 2})
	c := w.call(t, kinds()[0])
	at := func(n int) dataplane.Channel {
		one := c.Channel
		one.Allocation, one.Number, one.Peer = uint64(n), uint16(0x4000+n), netip.AddrPortFrom(c.Peer.Addr(), uint16(1000+n))
		return one
	}
	bind(t, p, at(1))
	bind(t, p, at(2))
	if err := p.Bind(at(3)); !errors.Is(err, errMost) {
		t.Errorf("a third channel: %v, want %v", err, errMost)
	}
	if err := p.Bind(at(2)); !errors.Is(err, errBound) {
		t.Errorf("the second one again: %v, want %v", err, errBound)
	}
	p.Unbind(at(3))
	p.Unbind(at(1))
	bind(t, p, at(3))
	p.Unbind(at(2))
	bind(t, p, c.Channel)
	c.out(t, some(5), 0)
}
