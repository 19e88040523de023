package conformance

import (
	"fmt"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// dataRows send with and without permission (RFC 8656 §11).
func dataRows() []row {
	return []row{
		{name: "data there and back in indications", probe: func(c *client) string {
			c.mustAllocate()
			return talk(c, c.newPeer("127.0.0.1"))
		}, want: "ping arrives, data pong", stock: "ping arrives, data pong"},
		{name: "data there and back over TCP", probe: func(c *client) string {
			c = c.dial("tcp", "127.0.0.1", "ann")
			c.mustAllocate()
			return talk(c, c.newPeer("127.0.0.1"))
		}, want: "ping arrives, data pong", stock: "ping arrives, data pong"},
		{name: "Send without a permission", probe: func(c *client) string {
			c.mustAllocate()
			p := c.newPeer("127.0.0.1")
			c.sendTo(p.addr, "ping")
			c.barrier()
			return p.hears()
		}, want: "nothing arrives", stock: "nothing arrives"},
		{name: "a peer without a permission", probe: func(c *client) string {
			p := c.newPeer("127.0.0.1")
			p.from = c.mustAllocate()
			p.says("let me in")
			return c.hears()
		}, want: "nothing arrives", stock: "nothing arrives"},
		{name: "Send to an empty XOR-PEER-ADDRESS that ends the message", probe: func(c *client) string {
			c.mustAllocate()
			c.send(message(send|indication, text(attrData, "ping"), attr(attrPeer)))
			return c.ask(refresh).String()
		}, want: "success", stock: "(panics)"},
		{name: "Send without an allocation", probe: func(c *client) string {
			p := c.newPeer("127.0.0.1")
			c.sendTo(p.addr, "ping")
			c.send(channelData(0x4000, "ping"))
			c.barrier()
			return p.hears()
		}, want: "nothing arrives", stock: "nothing arrives"},
		{name: "Send with an unknown attribute that must be understood", probe: sendWith(unknownRequired()), want: "nothing arrives", stock: "ping arrives"},
		{name: "Send with a credential, which it does not need", probe: sendWith(text(attrUsername, "ann"), integrity([]byte("no key"))), want: "ping arrives", stock: "ping arrives"},
		{name: "Send with another peer behind a signature", probe: sendWith(integrity([]byte("no key")), peerIP("127.0.0.9")), want: "nothing arrives", stock: "ping arrives"},
		{name: "Send with an unknown attribute that may be ignored", probe: sendWith(attr(attrOptionalUnknown)), want: "ping arrives", stock: "ping arrives"},
	}
}

// permissionRows ask for permissions (RFC 8656 §10).
func permissionRows() []row {
	return []row{
		{name: "CreatePermission without a peer", probe: permission(), want: "400", stock: "error without a code"},
		{name: "CreatePermission for a peer of 4 bytes", probe: permission(attr(attrPeer, 0, 1, 2, 3)), want: "400", stock: "error without a code"},
		{name: "CreatePermission for a peer of family 7", probe: permission(attr(attrPeer, 0, 7, 0, 9, 1, 2, 3, 4)), want: "400 | 443", stock: "error without a code"},
		{name: "CreatePermission with an unknown attribute that must be understood", probe: permission(peerIP("127.0.0.1"), unknownRequired()), want: "420 for 0002", stock: "success"},
		{name: "two permissions in one request", probe: func(c *client) string {
			c.mustAllocate()
			a, b := c.newPeer("127.0.0.1"), c.newPeer("127.0.0.2")
			c.permit(a.addr, b.addr)
			c.sendTo(a.addr, "ping")
			c.sendTo(b.addr, "pong")
			c.barrier()
			return list(a.hears(), b.hears())
		}, want: "ping arrives, pong arrives", stock: "ping arrives, pong arrives"},
		{name: "a permission among refused ones is not installed", probe: func(c *client) string {
			c.mustAllocate()
			p := c.newPeer("127.0.0.1")
			r := c.ask(createPermission, peerAt(p.addr), peerIP("10.0.0.1"))
			c.sendTo(p.addr, "ping")
			c.barrier()
			return fmt.Sprint(r, ", ", p.hears())
		}, want: "403, nothing arrives", stock: "success, ping arrives", config: loopbackAllowed},
		{name: "the same permission alone is installed", probe: func(c *client) string {
			c.mustAllocate()
			return talk(c, c.newPeer("127.0.0.1"))
		}, want: "ping arrives, data pong", stock: "ping arrives, data pong", config: loopbackAllowed},
		{name: "a permission before a broken one is not installed", probe: func(c *client) string {
			c.mustAllocate()
			p := c.newPeer("127.0.0.1")
			r := c.ask(createPermission, peerAt(p.addr), attr(attrPeer, 0, 1, 2, 3))
			c.sendTo(p.addr, "ping")
			c.barrier()
			return fmt.Sprint(r, ", ", p.hears())
		}, want: "400, nothing arrives", stock: "error without a code, ping arrives"},
	}
}

// loopbackAllowed relays to strangers, and to peers on loopback.
func loopbackAllowed(cfg *turnsvc.Config) {
	strangersOnly(cfg)
	cfg.AllowPeers = prefixes("127.0.0.0/8")
}

// permission asks for permissions on a fresh allocation.
func permission(parts ...part) func(*client) string {
	return func(c *client) string {
		c.mustAllocate()
		return c.ask(createPermission, parts...).String()
	}
}

// sendWith sends to a permitted peer with more attributes than needed.
func sendWith(more ...part) func(*client) string {
	return func(c *client) string {
		c.mustAllocate()
		p := c.newPeer("127.0.0.1")
		c.permit(p.addr)
		c.sendTo(p.addr, "ping", more...)
		c.barrier()
		return p.hears()
	}
}

// channelRows bind channels and use them (RFC 8656 §12).
func channelRows() []row {
	rows := []row{
		{name: "data there and back in a channel", probe: overChannel("udp"), want: "ping arrives, channel 4000 says pongpong!", stock: "ping arrives, channel 4000 says pongpong!"},
		{name: "data there and back in a channel over TCP", probe: overChannel("tcp"), want: "ping arrives, channel 4000 says pongpong!", stock: "ping arrives, channel 4000 says pongpong!"},
		{name: "a channel is a permission for indications too", probe: bound(func(c *client, p *peer) { c.sendTo(p.addr, "ping") }), want: "ping arrives", stock: "ping arrives"},
		{name: "ChannelData of another channel", probe: bound(func(c *client, _ *peer) { c.send(channelData(0x4001, "ping")) }), want: "nothing arrives", stock: "nothing arrives"},
		{name: "ChannelData without padding", probe: bound(func(c *client, _ *peer) { c.send(channelData(0x4000, "hello")[:9]) }), want: "hello arrives", stock: "hello arrives"},
		{name: "ChannelData that announces more than it brings", probe: bound(func(c *client, _ *peer) { c.send([]byte{0x40, 0, 0, 9, 'p', 'i', 'n', 'g'}) }), want: "nothing arrives", stock: "nothing arrives"},
		{name: "empty ChannelData", probe: bound(func(c *client, _ *peer) { c.send(channelData(0x4000, "")) }), want: " arrives | nothing arrives", stock: " arrives"},
		{name: "the same channel to the same peer again", probe: twoChannels(0x4000, "127.0.0.1"), want: "success", stock: "success"},
		{name: "the channel of another peer", probe: twoChannels(0x4000, "127.0.0.2"), want: "400", stock: "400 unsigned"},
		{name: "a second channel to the same peer", probe: twoChannels(0x4001, "127.0.0.1"), want: "400", stock: "400 unsigned"},
		{name: "ChannelBind without a channel", probe: binds(peerIP("127.0.0.1")), want: "400", stock: "400 unsigned"},
		{name: "ChannelBind without a peer", probe: binds(channel(0x4000)), want: "400", stock: "400 unsigned"},
		{name: "a CHANNEL-NUMBER of 2 bytes", probe: binds(attr(attrChannelNumber, 0x40, 0), peerIP("127.0.0.1")), want: "400", stock: "400 unsigned"},
		{name: "ChannelBind with an unknown attribute that must be understood", probe: binds(channel(0x4000), peerIP("127.0.0.1"), unknownRequired()), want: "420 for 0002", stock: "success"},
	}
	for _, n := range []uint16{0, 0x3FFF, 0x4000, 0x4FFF, 0x5000, 0x7FFF, 0x8000, 0xFFFF} {
		want := "400"
		if n >= 0x4000 && n <= 0x4FFF {
			want = "success"
		}
		rows = append(rows, row{
			name: fmt.Sprintf("channel 0x%04X", n), probe: binds(channel(n), peerIP("127.0.0.1")), want: want, stock: "success",
		})
	}
	return rows
}

// binds asks for a channel on a fresh allocation.
func binds(parts ...part) func(*client) string {
	return func(c *client) string {
		c.mustAllocate()
		return c.ask(channelBind, parts...).String()
	}
}

// twoChannels binds channel 0x4000 to 127.0.0.1, and then another pair.
func twoChannels(n uint16, ip string) func(*client) string {
	return func(c *client) string {
		c.mustAllocate()
		c.ask(channelBind, channel(0x4000), peerIP("127.0.0.1"))
		return c.ask(channelBind, channel(n), peerIP(ip)).String()
	}
}

// bound binds channel 0x4000 to a peer, and says what arrives there afterwards.
func bound(act func(*client, *peer)) func(*client) string {
	return func(c *client) string {
		c.mustAllocate()
		p := c.newPeer("127.0.0.1")
		if r := c.bind(0x4000, p.addr); !r.succeeded() {
			return r.String()
		}
		act(c, p)
		c.barrier()
		return p.hears()
	}
}

// overChannel talks to a peer in a channel.
func overChannel(network string) func(*client) string {
	return func(c *client) string { return channelTalk(c.dial(network, "127.0.0.1", "ann")) }
}

func channelTalk(c *client) string {
	c.mustAllocate()
	p := c.newPeer("127.0.0.1")
	c.bind(0x4000, p.addr)
	c.send(channelData(0x4000, "ping"))
	c.barrier()
	heard := p.hears()
	p.says("pongpong!") // 9 bytes: padded over TCP, padded or not over UDP
	return list(heard, c.hears())
}
