package turnsvc

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/mmsg"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// The way of a datagram with PlaneBatch. Each stage handles what one system call
// has brought, then the next one does.
//
//	client → peer                               peer → client
//	 1 lane    recvmmsg of a socket of the gate  1 worker  epoll, recvmmsg of relay sockets
//	 2 lane    whose allocation, which channel   2 worker  which peer this is, seen from outside
//	 3 porter  the wall, remembered by verdicts  3 porter  the wall, remembered by verdicts
//	 4 porter  bitrate, counters                 4 porter  permission or channel
//	 5 porter  queued for the relay's socket     5 porter  bitrate, counters
//	 6 mmsg    sendmmsg, runs as segments        6 porter  its header written before it, in place
//	                                             7 porter  queued for the client's socket, or stream
//	 relay → relay of this server: after 4       8 mmsg    sendmmsg, runs as segments; Kick
//	 on the left comes 4 on the right
//
// A lane is the goroutine in which pion reads from a door; what is no data it gives
// to pion. A worker is a goroutine for many relays; if it fails, each of them has one
// of its own (batch.read). Each has a porter of its own.
// Where much goes, it goes by a connected socket: an outlet.
//
// A datagram lies from stage 1 to the end in the memory of who has received it
// (mmsg.Receiver, or the arena of a lane), which is not used again before. Headers
// are written into the room before it. Only what goes to a stream is copied.

const (
	// roomBefore is what is written before a payload at most: the header of a Data
	// indication with an IPv6 address.
	roomBefore = messageHeaderBytes + attributeHeaderBytes + addressBytes6 + attributeHeaderBytes
	// roomAfter is for padding.
	roomAfter = 4
	// maxPayloadBytes is what pion's buffer takes from a peer.
	maxPayloadBytes = 1599
	// channelHeaderBytes is the header of ChannelData: RFC 8656 §12.4.
	channelHeaderBytes = 4
)

// A porter takes datagrams from one side to the other. One goroutine uses it,
// between begin and end.
type porter struct {
	srv     *Server
	out     *mmsg.Sender
	now     time.Duration
	rate    Bitrate
	waiting []*gate.Stream // have something to write

	// What was counted since begin.
	toPeers, toClients     dataplane.Traffic
	spent                  int64
	strangers, over, parts uint64 // that the wall, the bitrate and the size held back
}

func newPorter(s *Server, datagrams int) *porter {
	c := &porter{srv: s, out: mmsg.NewSender(datagrams), waiting: make([]*gate.Stream, 0, datagrams)}
	if !s.batch.segments {
		c.out.Apart()
	}
	return c
}

// begin is before the first datagram.
func (c *porter) begin() {
	m := c.srv.homes.meter
	c.now, c.rate = m.now(), m.rate()
}

// end sends what was queued; then the memory that it lies in is free. What the
// kernel does not take is lost as on the network, and counts as carried.
func (c *porter) end() {
	c.out.Flush()
	for _, s := range c.waiting {
		s.Kick()
	}
	clear(c.waiting)
	c.waiting = c.waiting[:0]

	count := &c.srv.count
	if c.toPeers.Packets+c.toClients.Packets > 0 {
		count.user.note(c.toClients, c.toPeers)
		c.srv.budget.spend(c.spent)
		c.toPeers, c.toClients, c.spent = dataplane.Traffic{}, dataplane.Traffic{}, 0
	}
	if c.strangers+c.over+c.parts > 0 {
		count.peers.Add(c.strangers)
		count.bitrate.Add(c.over)
		count.frames.Add(c.parts)
		c.strangers, c.over, c.parts = 0, 0, 0
	}
}

// full reports whether end must come before another datagram.
func (c *porter) full() bool { return c.out.Free() == 0 || len(c.waiting) == cap(c.waiting) }

// take carries a message of the client of r: ChannelData, or a Send indication. A
// message that is neither, or of nobody's channel, ends here.
func (c *porter) take(r *relay, p gate.Packet) {
	if p.Buf[p.Begin] < minChannel>>8 {
		if peer, payload, ok := readSend(p); ok && r.routes.permits(peer.Addr(), c.now) {
			c.send(r, peer, payload)
		}
		return
	}
	head := p.Buf[p.Begin:]
	route := r.routes.channel(binary.BigEndian.Uint16(head), c.now)
	if route == nil {
		return
	}
	p.Begin += channelHeaderBytes
	p.End = p.Begin + int(binary.BigEndian.Uint16(head[2:])) // which the gate has compared
	c.toPeer(r, c.judged(r, route), p)
}

// send carries what a Send indication brings.
func (c *porter) send(r *relay, peer netip.AddrPort, p gate.Packet) {
	if route := r.routes.toward(peer, c.now); route != nil {
		c.toPeer(r, c.judged(r, route), p)
		return
	}
	v := r.judge(peer)
	c.toPeer(r, &v, p)
}

// judged is the verdict about a channel's peer.
func (c *porter) judged(r *relay, route *route) *verdict {
	if route.out.epoch != r.home.homes.epoch.Load()+1 {
		before := route.out.outlet
		route.out = r.judge(route.peer)
		route.out.outlet = r.outletTo(&route.out, before)
	}
	return &route.out
}

// judge asks the wall where a datagram to peer goes.
func (r *relay) judge(peer netip.AddrPort) verdict {
	h := r.home.homes
	v := verdict{epoch: h.epoch.Load() + 1} // before anything is asked
	if v.lets = r.lets(peer); !v.lets {
		return v
	}
	v.to = mmsg.NewName(h.inward(peer), r.home.bound.Is6(), 0)
	if other := h.at(peer); other != nil {
		v.near = true
		if other.batched() && r.batched() && other.lets(r.relayed()) {
			v.other = other
		}
	}
	return v
}

// toPeer carries a payload from the client of r.
func (c *porter) toPeer(r *relay, v *verdict, p gate.Packet) {
	n := p.End - p.Begin
	switch {
	case !v.lets:
		c.strangers++
		return
	case !c.lets(&r.out, n):
		return
	}
	c.toPeers.Packets++
	c.toPeers.Bytes += uint64(n)
	c.spend(n, v.near)
	if v.other != nil {
		c.toClient(v.other, r.relayed(), p, true)
		return
	}
	c.out.Add(v.outlet.socket(c.now, r.sock), &v.to, nil, p.Bytes())
}

// fromPeer carries a payload that has come to the socket of r.
func (c *porter) fromPeer(r *relay, from netip.AddrPort, p gate.Packet) {
	peer, lets, near := c.met(r, from)
	if !lets {
		c.strangers++
		return
	}
	c.toClient(r, peer, p, near)
}

// met is who a peer is, seen from outside, and whether the wall lets him. Of a
// channel's peer that is remembered.
func (c *porter) met(r *relay, from netip.AddrPort) (peer netip.AddrPort, lets, near bool) {
	h := r.home.homes
	route := r.routes.toward(from, c.now)
	epoch := h.epoch.Load() + 1
	if route != nil && route.in.epoch == epoch {
		return from, route.in.lets, route.in.near
	}
	peer = h.outward(from)
	lets, near = r.lets(peer), h.at(peer) != nil
	if route != nil && peer == from {
		route.in = verdict{epoch: epoch, lets: lets, near: near}
	}
	return peer, lets, near
}

// toClient carries a payload that peer has sent to r, if it may.
func (c *porter) toClient(r *relay, peer netip.AddrPort, p gate.Packet, near bool) {
	n := p.End - p.Begin
	route := r.routes.toward(peer, c.now)
	switch {
	case n > maxPayloadBytes:
		c.parts++
		return
	case route == nil && !r.routes.permits(peer.Addr(), c.now):
		c.strangers++
		return
	case !c.lets(&r.in, n):
		return
	}
	c.toClients.Packets++
	c.toClients.Bytes += uint64(n)
	c.spend(n, near)
	if route != nil {
		p.Begin -= channelHeaderBytes
		binary.BigEndian.PutUint16(p.Buf[p.Begin:], route.number)
		binary.BigEndian.PutUint16(p.Buf[p.Begin+2:], uint16(n))
	} else {
		p = writeData(peer, p)
	}
	c.deliver(r.owner, p)
}

// deliver queues a message for the client of an allocation.
func (c *porter) deliver(g *grant, p gate.Packet) {
	if g.door.sock != nil {
		c.out.Add(g.outlet.socket(c.now, g.door.sock), &g.reply.Name, g.reply.Control, p.Bytes())
		return
	}
	end := p.End
	p.End += -(p.End - p.Begin) & 3
	clear(p.Buf[end:p.End])
	if stream := g.door.stream; stream != nil && stream.Queue(p.Bytes()) {
		if n := len(c.waiting); n == 0 || c.waiting[n-1] != stream {
			c.waiting = append(c.waiting, stream)
		}
	}
}

// lets reports whether n bytes may pass the bucket now.
func (c *porter) lets(way *bucket, n int) bool {
	if c.rate < 0 || way.take(n, c.rate, c.now) {
		return true
	}
	c.over++
	return false
}

func (c *porter) spend(n int, near bool) {
	c.spent += weight(n, near)
}
