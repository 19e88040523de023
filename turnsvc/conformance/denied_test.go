package conformance

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// strangersOnly is a server as on the internet, behind a 1:1 NAT: its public
// addresses are on no interface.
func strangersOnly(cfg *turnsvc.Config) {
	cfg.Peers = turnsvc.PeersPublic
	cfg.PublicIPs = addrs("198.51.100.7", "2001:db8::7")
}

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// deniedRows ask for peers in every range of THREATS.md §1.
func deniedRows() []row {
	denied := []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.254", "127.0.0.1", "127.255.255.254",
		"169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.254", "192.0.0.1", "192.0.2.1", "192.88.99.1",
		"192.168.1.1", "198.18.0.1", "198.19.255.254", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
		"240.0.0.1", "255.255.255.255",
		"::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8",
		"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:7f00:1::1", "2002:a9fe:a9fe::1",
		"2001:0:808:808::80ff:fffe", "2001:db8::1", "fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "100::1",
	}
	var rows []row
	for _, ip := range denied {
		want := "403"
		if strings.HasPrefix(ip, "::ffff:") {
			want = "403 | 443"
		}
		rows = append(rows, row{name: "a permission and a channel for " + ip, probe: reach(ip), want: want, stock: "success"})
	}
	for _, ip := range []string{"8.8.8.8", "172.32.0.1", "2606:4700::1111"} {
		rows = append(rows, row{name: "a permission and a channel for " + ip, probe: reach(ip), want: "success", stock: "success"})
	}
	return rows
}

// reach asks for an address in both ways, of a relay of its family.
func reach(ip string) func(*client) string {
	return func(c *client) string {
		of := family(ipv4)
		if strings.Contains(ip, ":") {
			of = family(ipv6)
		}
		c.mustAllocate(of)
		permitted := c.ask(createPermission, peerIP(ip)).String()
		if bound := c.ask(channelBind, channel(0x4000), peerIP(ip)).String(); bound != permitted {
			return permitted + ", channel " + bound
		}
		return permitted
	}
}

// wallRows send, whatever the answers were.
func wallRows() []row {
	return []row{
		{name: "Send and ChannelData to 127.0.0.1", probe: force("127.0.0.1", ""), want: "nothing arrives", stock: "by Send by channel arrives"},
		{name: "Send and ChannelData to ::ffff:127.0.0.1", probe: force("127.0.0.1", "::ffff:127.0.0.1"), want: "nothing arrives", stock: "by Send by channel arrives"},
		{name: "Send and ChannelData to 0.0.0.0", probe: force("127.0.0.1", "0.0.0.0"), want: "nothing arrives", stock: "by Send by channel arrives"},
		{name: "Send and ChannelData to ::1 from an IPv6 relay", probe: force("::1", ""), want: "nothing arrives", stock: "nothing arrives"},
		{name: "the server's own port through its own relay", probe: ownPort, want: "nothing arrives", stock: "it answers", config: anybody},
		{name: "the server's own port, as a stranger sees it", probe: ownPort, want: "nothing arrives", stock: "it answers"},
		{name: "a relay to a relay of the same server", probe: relayToRelay, want: "data hello, from its relay: true", stock: "data hello, from its relay: true"},
		{name: "a relay to a relay on an interface of its own", probe: relayToRelay, want: "data hello, from its relay: true", stock: "data hello, from its relay: true", config: anybody},
	}
}

// anybody undoes strangersOnly.
func anybody(*turnsvc.Config) {}

// force sends to a peer under another of its addresses.
func force(ip, as string) func(*client) string {
	return func(c *client) string {
		p := c.newPeer(ip)
		to := p.addr
		if as != "" {
			to = netip.AddrPortFrom(netip.MustParseAddr(as), to.Port())
		}
		if to.Addr().Is4() {
			c.mustAllocate()
		} else {
			c.mustAllocate(family(ipv6))
		}
		c.permit(to)
		c.bind(0x4000, to)
		c.sendTo(to, "by Send")
		c.send(channelData(0x4000, "by channel"))
		c.barrier()
		return p.hears()
	}
}

// ownPort asks the server itself through its own relay.
func ownPort(c *client) string {
	c.mustAllocate()
	c.permit(c.udp)
	c.sendTo(c.udp, string(message(binding)))
	c.barrier()
	if heard := c.hears(); heard == "nothing arrives" {
		return heard
	}
	return "it answers"
}

// relayToRelay lets one client talk to another, each through its relay.
func relayToRelay(c *client) string {
	bob := c.dial("tcp", "127.0.0.1", "bob")
	a, b := c.mustAllocate(), bob.mustAllocate()
	c.permit(b)
	bob.permit(a)
	c.sendTo(b, "hello")
	c.barrier()
	heard := bob.hears()
	return list(heard, fmt.Sprint("from its relay: ", reply{raw: bob.heard}.addr(attrPeer) == a))
}
