package conformance

import (
	"bytes"
	"fmt"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// allocateRows ask for relays (RFC 8656 §7.2).
func allocateRows() []row {
	return []row{
		{name: "a good Allocate", probe: func(c *client) string {
			r := c.allocate()
			return list(r, r.relay(), r.lifetime(), "mapped address right: "+fmt.Sprint(r.addr(attrMapped).String() == c.conn.LocalAddr().String()))
		}, want: "success, IPv4 relay, 600 s, mapped address right: true", stock: "success, IPv4 relay, 600 s, mapped address right: true"},
		{name: "a good Allocate over TCP", probe: func(c *client) string {
			return c.dial("tcp", "127.0.0.1", "ann").allocate().String()
		}, want: "success", stock: "success"},
		{name: "a second Allocate on the same 5-tuple", probe: func(c *client) string {
			c.mustAllocate()
			return c.allocate().String()
		}, want: "437", stock: "437 unsigned"},
		{name: "a retransmitted Allocate", probe: func(c *client) string {
			p := c.signed(allocate, udp())
			first, again := c.exchange(p, c.key()), c.exchange(p, c.key())
			return list(again, "the same: "+fmt.Sprint(bytes.Equal(first.raw, again.raw)))
		}, want: "success, the same: true", stock: "success, the same: true"},
		{name: "an Allocate after Refresh 0", probe: func(c *client) string {
			c.mustAllocate()
			c.ask(refresh, lifetime(0))
			return c.allocate().String()
		}, want: "success", stock: "success"},
		{name: "REQUESTED-TRANSPORT TCP", probe: asked(transport(6)), want: "442", stock: "success"},
		{name: "REQUESTED-TRANSPORT 99", probe: asked(transport(99)), want: "442", stock: "442 unsigned"},
		{name: "no REQUESTED-TRANSPORT", probe: asked(), want: "400", stock: "400 unsigned"},
		{name: "a REQUESTED-TRANSPORT of 1 byte", probe: asked(attr(attrRequestedTransport, 17)), want: "400", stock: "400 unsigned"},
		{name: "an unknown attribute that must be understood", probe: asked(udp(), unknownRequired()), want: "420 for 0002", stock: "success"},
		{name: "two of them", probe: asked(udp(), unknownRequired(), attr(0x7F02)), want: "420 for 00027f02 | 420 for 7f020002", stock: "success"},
		{name: "an unknown attribute that may be ignored", probe: asked(udp(), attr(attrOptionalUnknown, 1)), want: "success", stock: "success"},
		{name: "the XOR-MAPPED-ADDRESS of a draft, which may be ignored", probe: asked(udp(), attr(0x8020, 0, 1, 0, 9, 1, 2, 3, 4)), want: "success", stock: "success"},
		{name: "DONT-FRAGMENT", probe: asked(udp(), attr(attrDontFragment)), want: "420 for 001a | success", stock: "420 for 001a0000 unsigned"},
		{name: "no relay port left", probe: func(c *client) string {
			for range 5 {
				if r := c.dial("udp", "127.0.0.1", "ann").allocate(); !r.succeeded() {
					return r.String()
				}
			}
			return "success"
		}, want: "508", stock: "(has no range of ports)", config: fewPorts},
	}
}

// asked sends a signed Allocate of nothing but parts.
func asked(parts ...part) func(*client) string {
	return func(c *client) string { return c.ask(allocate, parts...).String() }
}

// fewPorts leaves no more relay ports than a handful.
func fewPorts(cfg *turnsvc.Config) { cfg.RelayPorts = turnsvc.PortRange{Min: 29996, Max: 29999} }

// bothFamilies gives the server a relay address of each family.
func bothFamilies(cfg *turnsvc.Config) { cfg.PublicIPs = addrs("127.0.0.1", "::1") }

// familyRows ask for the family of the relay (RFC 8656 §7.2, §7.3, §9.2, §12.2).
func familyRows() []row {
	relay := func(parts ...part) func(*client) string {
		return func(c *client) string {
			r := c.allocate(parts...)
			return list(r, r.relay())
		}
	}
	return []row{
		{name: "REQUESTED-ADDRESS-FAMILY IPv4", probe: relay(family(ipv4)), want: "success, IPv4 relay", stock: "success, IPv4 relay"},
		{name: "IPv6 of a server that has it", probe: relay(family(ipv6)), want: "success, IPv6 relay | 440", stock: "success, IPv4 relay", config: bothFamilies},
		{name: "IPv6 of a server that has it not", probe: relay(family(ipv6)), want: "440", stock: "success, IPv4 relay"},
		{name: "an unknown family", probe: relay(family(3)), want: "440", stock: "success, IPv4 relay"},
		{name: "ADDITIONAL-ADDRESS-FAMILY IPv4", probe: relay(attr(attrAdditionalFamily, ipv4, 0, 0, 0)), want: "400 | success, IPv4 relay", stock: "success, IPv4 relay"},
		{name: "ADDITIONAL-ADDRESS-FAMILY IPv6 of a server that has it not", probe: func(c *client) string {
			r := c.allocate(attr(attrAdditionalFamily, ipv6, 0, 0, 0))
			return list(r, r.relay(), fmt.Sprintf("address error %x", r.get(attrAddressErrorCode)))
		}, want: "success, IPv4 relay, address error 02000428 | success, IPv4 relay, address error ", stock: "success, IPv4 relay, address error "},
		{name: "a Refresh for the other family", probe: func(c *client) string {
			c.mustAllocate()
			return c.ask(refresh, family(ipv6)).String()
		}, want: "443", stock: "success"},
		{name: "a permission for a peer of the other family", probe: func(c *client) string {
			c.mustAllocate()
			return c.ask(createPermission, peerIP("2a00::1")).String()
		}, want: "443", stock: "success"},
		{name: "a channel to a peer of the other family", probe: func(c *client) string {
			c.mustAllocate()
			return c.ask(channelBind, channel(0x4000), peerIP("2a00::1")).String()
		}, want: "443", stock: "success"},
		{name: "an IPv6 relay carries data", probe: func(c *client) string {
			if r := c.allocate(family(ipv6)); r.relay() != "IPv6 relay" {
				return list(r, r.relay())
			}
			p := c.newPeer("::1")
			return talk(c, p)
		}, want: "ping arrives, data pong | 440", stock: "success, IPv4 relay", config: bothFamilies},
	}
}

// talk sends a word to a peer and lets it answer.
func talk(c *client, p *peer) string {
	if r := c.permit(p.addr); !r.succeeded() {
		return r.String()
	}
	c.sendTo(p.addr, "ping")
	c.barrier()
	heard := p.hears()
	p.says("pong")
	return list(heard, c.hears())
}

// portRows ask for special relay ports (RFC 8656 §7.2).
func portRows() []row {
	next := func(c *client, token []byte) reply {
		return c.dial("udp", "127.0.0.1", "bob").allocate(reservation(token))
	}
	return []row{
		{name: "EVEN-PORT", probe: func(c *client) string {
			r := c.allocate(evenPort())
			return list(r, r.parity(), fmt.Sprint("token: ", r.get(attrReservationToken) != nil))
		}, want: "success, even, token: false", stock: "success, even, token: true"},
		{name: "EVEN-PORT with the next port reserved", probe: func(c *client) string {
			r := c.allocate(evenPortAndNext())
			return list(r, r.parity(), fmt.Sprint("token of ", len(r.get(attrReservationToken)), " bytes"))
		}, want: "success, even, token of 8 bytes", stock: "success, even, token of 8 bytes"},
		{name: "the token gets the next port", probe: func(c *client) string {
			r := c.allocate(evenPortAndNext())
			second := next(c, r.get(attrReservationToken))
			return list(second, "the next: "+fmt.Sprint(second.relayed().Port() == r.relayed().Port()+1))
		}, want: "success, the next: true", stock: "success, the next: false"},
		{name: "a token a second time", probe: func(c *client) string {
			token := c.allocate(evenPortAndNext()).get(attrReservationToken)
			next(c, token)
			return next(c, token).String()
		}, want: "508", stock: "success"},
		{name: "a token that we did not make", probe: func(c *client) string {
			return c.allocate(reservation([]byte("guessed!"))).String()
		}, want: "508", stock: "success"},
		{name: "a token of 3 bytes", probe: func(c *client) string {
			return c.allocate(reservation([]byte("abc"))).String()
		}, want: "400 | 508", stock: "success"},
		{name: "a token and EVEN-PORT", probe: func(c *client) string {
			return c.allocate(reservation([]byte("guessed!")), evenPort()).String()
		}, want: "400", stock: "400 unsigned"},
		{name: "a token and REQUESTED-ADDRESS-FAMILY", probe: func(c *client) string {
			return c.allocate(reservation([]byte("guessed!")), family(ipv4)).String()
		}, want: "400", stock: "success"},
	}
}

// lifetimeRows ask how long an allocation lives (RFC 8656 §7.2, §7.3, §18.2).
func lifetimeRows() []row {
	life := func(method uint16, parts ...part) func(*client) string {
		return func(c *client) string {
			ask := c.allocate
			if method == refresh {
				c.mustAllocate()
				ask = func(parts ...part) reply { return c.ask(refresh, parts...) }
			}
			r := ask(parts...)
			return list(r, r.lifetime())
		}
	}
	return []row{
		{name: "an Allocate for 1 s", probe: life(allocate, lifetime(1)), want: "success, 600 s", stock: "success, 1 s"},
		{name: "an Allocate for 0 s", probe: life(allocate, lifetime(0)), want: "success, 600 s", stock: "508 unsigned"},
		{name: "an Allocate for 20 min", probe: life(allocate, lifetime(1200)), want: "success, 1200 s", stock: "success, 1200 s"},
		{name: "an Allocate for 136 years", probe: life(allocate, lifetime(0xFFFFFFFF)), want: "success, 3600 s | success, 3599 s", stock: "success, 600 s"},
		{name: "a Refresh", probe: life(refresh), want: "success, 600 s", stock: "success, 600 s"},
		{name: "a Refresh for 1 s", probe: life(refresh, lifetime(1)), want: "success, 600 s", stock: "success, 1 s"},
		{name: "a Refresh for 136 years", probe: life(refresh, lifetime(0xFFFFFFFF)), want: "success, 3600 s | success, 3599 s", stock: "success, 600 s"},
		{name: "a Refresh 0", probe: life(refresh, lifetime(0)), want: "success, 0 s", stock: "success, 0 s"},
		{name: "what comes after Refresh 0", probe: func(c *client) string {
			c.mustAllocate()
			c.ask(refresh, lifetime(0))
			return c.ask(createPermission, peerIP("127.0.0.1")).String()
		}, want: "437", stock: "silence"},
		{name: "a Refresh with an unknown attribute that must be understood", probe: life(refresh, unknownRequired()), want: "420 for 0002", stock: "success, 600 s"},
		{name: "the relay is gone after Refresh 0", probe: func(c *client) string {
			p := c.newPeer("127.0.0.1")
			relay := c.mustAllocate()
			c.permit(p.addr)
			c.ask(refresh, lifetime(0))
			p.from = relay
			p.says("anybody there?")
			return c.hears()
		}, want: "nothing arrives", stock: "nothing arrives"},
	}
}
