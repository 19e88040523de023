package turnsvc

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// A chat is a service with one channel, in which much goes both ways.
type chat struct {
	*service
	*outlets
	ann     *client
	relayed netip.AddrPort
	peer    *net.UDPConn
}

func newChat(t *testing.T, change func(*Config)) *chat {
	t.Helper()
	s := inBatches(t, func(c *Config) {
		c.cores, c.outletAfter = 1, 5
		if change != nil {
			change(c)
		}
	})
	c := &chat{service: s, outlets: s.batch.outlets, ann: s.dial(t, "udp", "ann")}
	c.relayed = c.ann.mustAllocate()
	conn, peer := newPeer(t)
	c.peer = conn
	if !c.ann.bind(peer) {
		t.Fatal("ChannelBind was refused")
	}
	return c
}

// talk sends to and fro: all must arrive, and come from where it ever came from.
func (c *chat) talk(t *testing.T, times int) {
	t.Helper()
	p := make([]byte, 100)
	for range times {
		c.ann.send(channelData("there"))
		n, from, err := c.peer.ReadFromUDPAddrPort(p)
		if err != nil || string(p[:n]) != "there" || from != c.relayed {
			t.Fatalf("the peer got %q from %v, %v, want there from %v", p[:n], from, err, c.relayed)
		}
		if _, err := c.peer.WriteToUDPAddrPort([]byte("back"), c.relayed); err != nil {
			t.Fatal(err)
		}
		if got, err := c.ann.read(); err != nil || string(got) != "\x40\x00\x00\x04back" { // ann hears one address alone
			t.Fatalf("the client got %q, %v, want back on the channel", got, err)
		}
	}
}

// relay is that of the allocation.
func (c *chat) relay() *relay { return c.homes.at(c.relayed) }

// outlet is another one of the allocation.
func (c *chat) outlet() *outlet {
	return &outlet{relay: c.relay(), from: c.relay().bound(), to: netip.MustParseAddrPort("127.0.0.1:9")}
}

// TestBusyWayHasAnOutlet holds that a way has a socket of its own while much goes
// there and no longer, that nobody sees a difference, and that it ends with the
// allocation.
func TestBusyWayHasAnOutlet(t *testing.T) {
	t.Parallel()
	c := newChat(t, nil)
	c.talk(t, 4)
	if n := c.count(); n != 0 {
		t.Errorf("%d outlets after 4 datagrams, want none", n)
	}
	busy := func() bool {
		c.talk(t, 10)
		return c.count() == 2
	}
	c.within(t, "no outlets both ways", busy)
	c.homes.epoch.Add(1) // upon which the wall is asked anew
	c.talk(t, 1)
	c.sweep()
	if n := c.count(); n != 2 {
		t.Errorf("%d outlets are left when those in use were swept, want 2", n)
	}
	c.talk(t, 1)
	c.sweep()
	if n := c.count(); n != 2 {
		t.Errorf("%d outlets were used since the wall was asked anew, want 2", n)
	}
	c.sweep()
	if n := c.count(); n != 0 {
		t.Errorf("%d outlets are left that nobody uses, want none", n)
	}
	c.within(t, "no outlets once more", busy)
	c.EndUser("ann")
	c.within(t, "the outlets of an allocation outlive it", func() bool { return c.count() == 0 })
}

// TestOutletsLeaveRoom holds that outlets take no descriptor that an allocation may
// need, and give back what they have.
func TestOutletsLeaveRoom(t *testing.T) {
	t.Parallel()
	c := newChat(t, func(c *Config) { c.MaxAllocations, c.outletAfter = 3, 1<<20 })
	first, second, third := c.outlet(), c.outlet(), c.outlet()
	for _, o := range []*outlet{first, second, third} {
		c.outlets.connect(o)
	}
	if first.sock.Load() == nil || second.sock.Load() == nil || third.sock.Load() != nil {
		t.Error("of three outlets, with one allocation of three, not just the first two are open")
	}
	c.dial(t, "udp", "bob").mustAllocate()
	c.sweep()
	if n := c.count(); n != 1 {
		t.Errorf("%d outlets are open with two allocations of three, want 1", n)
	}
	c.talk(t, 1)
}

// TestOutletOfARelayThatIsGone holds that one which opens too late is closed again.
func TestOutletOfARelayThatIsGone(t *testing.T) {
	t.Parallel()
	c := newChat(t, nil)
	r, o := c.relay(), c.outlet()
	c.EndUser("ann")
	c.within(t, "the allocation does not end", r.gone.Load)
	c.outlets.connect(o)
	if o.sock.Load() != nil || c.count() != 0 {
		t.Error("an outlet is open, and its relay is gone")
	}
}

// TestOutletCountsWithinASecond holds what busy means.
func TestOutletCountsWithinASecond(t *testing.T) {
	t.Parallel()
	o := new(outlet)
	for _, step := range []struct {
		at   time.Duration
		want bool
	}{{0, false}, {900 * time.Millisecond, false}, {1001 * time.Millisecond, false}, {1100 * time.Millisecond, false}, {1999 * time.Millisecond, true}, {1999 * time.Millisecond, false}} {
		if got := o.busy(step.at, 3); got != step.want {
			t.Errorf("busy at %v = %v, want %v", step.at, got, step.want)
		}
	}
}
