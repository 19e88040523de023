//go:build netns

package ebpf

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
)

// TestDetachedByOthers ends the plane, and only the plane: what it carried comes to
// the sockets, until another one is opened.
func TestDetachedByOthers(t *testing.T) {
	w := newWires(t)
	c := w.call(t, kinds()[0])
	for range 2 {
		p := w.plane(t, dataplane.Options{})
		bind(t, p, c.Channel)
		c.out(t, some(5), 0)
		p.mu.Lock()
		for _, a := range p.links.attached {
			if a.name == "s0" {
				if err := a.Detach(); err != nil {
					t.Error(err)
				}
			}
		}
		p.mu.Unlock()
		select {
		case err := <-p.Failed():
			if err == nil {
				t.Error("it failed without an error")
			}
		case <-time.After(patience):
			t.Fatal("nobody noticed")
		}
		c.client.send(channelData(c.Number, some(9)), c.Server)
		c.gets(t, c.server, channelData(c.Number, some(9)), c.Client)
		c.peer.send(some(9), c.Relayed) // here nobody has detached it
		c.gets(t, c.relay, some(9), c.Peer)
		if n := must(p.Counts()); n.Out != (dataplane.Traffic{Packets: 1, Bytes: 5}) {
			t.Errorf("counted %+v", n)
		}
	}
}

// TestInterfacesAndRoutesChange lets an interface come and go, and a route appear
// that a channel needs.
func TestInterfacesAndRoutesChange(t *testing.T) {
	w := newWires(t)
	p := w.plane(t, dataplane.Options{})
	attached := func(n int) func() bool {
		return func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.links.attached) == n
		}
	}
	far := "10.9.3.2"
	w.peer.must(t, func() error { return setUp("p0", far+"/32") })
	k := kinds()[0]
	k.peer = far + ":0"
	c := w.call(t, k)
	bind(t, p, c.Channel)
	c.client.send(channelData(c.Number, some(9)), c.Server)
	c.gets(t, c.server, channelData(c.Number, some(9)), c.Client)
	w.server.must(t, func() error {
		_, dst, _ := net.ParseCIDR(far + "/32")
		return netlink.RouteAdd(&netlink.Route{Dst: dst, Gw: net.ParseIP("10.9.2.2")})
	})
	until(t, "the channel has a way", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return !p.channels[c.Channel].out.none()
	})
	c.out(t, some(10), 0)
	c.in(t, some(10))

	extra := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "x0"}, PeerName: "x1"}
	w.server.must(t, func() error { return errors.Join(netlink.LinkAdd(extra), setUp("x1"), setUp("x0", "10.9.4.1/24")) })
	until(t, "the new interface is attached to", attached(3))
	w.server.must(t, func() error { return netlink.LinkDel(extra) })
	until(t, "the old one is forgotten", attached(2))
	c.out(t, some(10), 0)
	select {
	case err := <-p.Failed():
		t.Errorf("it failed: %v", err)
	default:
	}
}
