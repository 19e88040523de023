package doctor

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/turnclient"
)

// direct is what became of datagrams between a socket of ours and a relayed
// address: through the firewall, as those of a partner go who has no relay.
type direct struct {
	skipped string // why it was not tried
	tried   bool
	in, out bool // arrived at the relay's client; and back at our socket
}

// throughFirewall sends to a relayed address, and has its client answer. From is
// our address as the server knows it: the relay hears no other.
func (x *exam) throughFirewall(ctx context.Context, c *turnclient.Client, relayed netip.AddrPort, from netip.Addr) (d direct) {
	switch {
	case x.onHost():
		d.skipped = "the machine of the server is no outside: ask from another one"
		return d
	case !from.IsValid():
		d.skipped = "the server does not know where we come from"
		return d
	case from.Is4() != relayed.Addr().Is4():
		d.skipped = "the server knows our " + family(from) + " address only"
		return d
	}
	if err := c.Permit(ctx, netip.AddrPortFrom(from, 9)); err != nil {
		d.skipped = fmt.Sprintf("the relay may not send to %v, as which it sees us: ask from a machine outside", from)
		return d
	}
	sock, err := new(net.Dialer).DialContext(ctx, "udp", relayed.String())
	if err != nil {
		d.skipped = dialText(err)
		return d
	}
	defer func() { _ = sock.Close() }() // it was used
	d.tried = true
	word := rand.Text()
	var back netip.AddrPort
	for range hops {
		_, _ = sock.Write([]byte(word)) // what is refused has not arrived
		if back, err = hears(ctx, c, word); err == nil {
			d.in = true
			break
		}
	}
	answer := make([]byte, len(word)+1)
	for i := 0; d.in && i < hops && !d.out; i++ {
		_ = sock.SetReadDeadline(time.Now().Add(hopWait)) // fails only if it is closed
		if c.Send(back, []byte(word)) != nil {
			break
		}
		n, err := sock.Read(answer)
		d.out = err == nil && string(answer[:n]) == word
	}
	return d
}

// judgeDirect is what became of it in one family, over all ways.
func judgeDirect(list []*relaying, v4 bool, w *ways, ports [2]uint16) []Check {
	c := Check{ID: "relay-ports", Status: Skip}
	best := -1
	for _, r := range list {
		if !r.relayed[0].IsValid() || r.relayed[0].Addr().Is4() != v4 {
			continue
		}
		rank := r.direct.rank()
		if rank <= best {
			continue
		}
		best = rank
		c = Check{ID: "relay-ports", Subject: fmt.Sprintf("%v/udp", r.relayed[0])}
		c.judgeDirect(r.direct, r.relayed[0], w, ports)
	}
	if best < 0 {
		return nil
	}
	return []Check{c}
}

// rank orders what was seen: what worked once works.
func (d direct) rank() int {
	switch {
	case d.out:
		return 3
	case d.in:
		return 2
	case d.tried:
		return 1
	}
	return 0
}

func (c *Check) judgeDirect(d direct, relayed netip.AddrPort, w *ways, ports [2]uint16) {
	ours := slices.Contains(w.addrs, relayed.Addr()) || w.answers(relayed.Addr())
	told := fmt.Sprintf("relayed addresses are %v, and the name leads to %s", relayed.Addr(), join(w.addrs))
	is := func(ip netip.Addr) bool { return ip.Is4() == relayed.Addr().Is4() }
	right := relayed.Addr()
	if at := slices.IndexFunc(w.right, is); at >= 0 {
		right = w.right[at]
	}
	open := fmt.Sprintf("%d-%d", ports[0], ports[1])
	switch {
	case d.out:
		c.Status, c.Seen = OK, "a packet of ours came in through the firewall, and the answer back"
	case d.in:
		c.fail(UDPOneWay, "a packet of ours came in, the answer did not come back", openWayBack(open))
	case d.tried && !ours:
		c.fail(WrongPublicIP, "nothing arrives there: "+told, publicIPs(w.right))
	case d.tried:
		c.fail(RelayPortsBlocked, "a packet of ours to a relay port has not arrived", openPort(relayed.Addr(), "udp", open))
	case !ours && isInner(relayed.Addr()) && !isInner(right):
		c.fail(WrongPublicIP, told, publicIPs(w.right))
	case !ours && right != relayed.Addr():
		c.Status, c.Cause, c.Seen, c.Fix = Warn, WrongPublicIP, told+"; it could not be tried: "+d.skipped, publicIPs(w.right)
	default:
		c.Status, c.Seen = Skip, "not tried: "+d.skipped
	}
}

// isInner reports whether an address is reached from its own network only.
func isInner(ip netip.Addr) bool {
	return ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10).Contains(ip)
}

func join(list []netip.Addr) string {
	texts := make([]string, len(list))
	for i, ip := range list {
		texts[i] = ip.String()
	}
	return strings.Join(texts, ", ")
}
