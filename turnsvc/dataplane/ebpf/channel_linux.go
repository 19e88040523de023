package ebpf

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
)

var (
	errEnded = errors.New("the plane has ended")
	errMost  = errors.New("as many channels are bound as there is memory for")
	errBound = errors.New("the channel is bound already")
)

// noLeg is in the place of a leg that is not there: NO_LEG of relay.c.
const noLeg = ^uint32(0)

// A channel is one that is bound, with up to two steps in the kernel:
//
//	client ──ChannelData──▶ out ──▶ peer
//	client ◀──ChannelData── in  ◀── peer
//
// Between two relays of this server a datagram never is a peer's: the out of the
// one leads to the client of the other, and nothing comes in from the network.
//
//	client A ──ChannelData──▶ out ──ChannelData──▶ client B
//
// What has no step goes through user space.
type channel struct {
	dataplane.Channel
	place      int        // in counts: out, and in behind it
	allocation int        // in buckets, likewise
	base       [2]legSums // of the place when the channel got it
	out, in    placed
}

// A legSums is a count of the kernel.
type legSums struct {
	dataplane.Traffic
	limited uint64
}

// ends are those of a channel between two relays of this server.
type ends struct{ relayed, partner netip.AddrPort }

// placed is a step that is in the kernel; none if it leads nowhere.
type placed struct {
	key  relayKey
	step relayStep
}

func (s placed) none() bool { return s.step.Ifindex == 0 }

// outLeg and inLeg are the ways of a channel.
func (c *channel) outLeg() relayLeg {
	return relayLeg{Count: uint32(2 * c.place), Bucket: uint32(2 * c.allocation)}
}

func (c *channel) inLeg() relayLeg {
	return relayLeg{Count: uint32(2*c.place + 1), Bucket: uint32(2*c.allocation + 1)}
}

// Bind puts the steps of a channel into the kernel, and that of its partner.
func (p *plane) Bind(bound dataplane.Channel) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ended:
		return errEnded
	case p.channels[bound] != nil:
		return errBound
	}
	c := &channel{Channel: bound}
	var ok bool
	if c.place, ok = p.places.take(); !ok {
		return errMost
	}
	if c.allocation, ok = p.buckets.take(bound.Allocation, p.fill); !ok {
		p.places.giveBack(c.place)
		return errMost
	}
	c.base = [2]legSums{p.sums(2 * c.place), p.sums(2*c.place + 1)}
	p.channels[bound] = c
	if bound.Partner.IsValid() {
		p.within[ends{bound.Relayed, bound.Partner}] = c
	}
	if err := errors.Join(p.lead(c), p.lead(p.partner(c))); err != nil {
		p.unbind(c)
		return err
	}
	return nil
}

// fill lets an allocation begin with full buckets.
func (p *plane) fill(allocation int) error {
	return errors.Join(p.kernel.Buckets.Put(uint32(2*allocation), uint64(0)), p.kernel.Buckets.Put(uint32(2*allocation+1), uint64(0)))
}

// Unbind takes the steps of a channel out of the kernel. What a processor has
// begun to send at that moment, one datagram, is sent.
func (p *plane) Unbind(bound dataplane.Channel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.channels[bound]; c != nil && !p.ended {
		p.unbind(c)
	}
}

func (p *plane) unbind(c *channel) {
	delete(p.channels, c.Channel)
	other := p.partner(c)
	if c.Partner.IsValid() {
		delete(p.within, ends{c.Relayed, c.Partner})
	}
	err := errors.Join(p.put(&c.out, placed{}), p.put(&c.in, placed{}), p.lead(other))
	c.addTo(&p.gone, p.sums(2*c.place), p.sums(2*c.place+1))
	p.places.giveBack(c.place)
	p.buckets.giveBack(c.Allocation)
	if err != nil {
		p.endLocked(err) // it must not be carried
	}
}

// partner is the channel at the other end of one between two relays, or nil.
func (p *plane) partner(c *channel) *channel { return p.within[ends{c.Partner, c.Relayed}] }

// lead puts into the kernel what shall become of the datagrams of a channel, as
// routes and partners are now.
func (p *plane) lead(c *channel) error {
	if c == nil {
		return nil
	}
	var out, in placed
	switch other := p.partner(c); {
	case other != nil:
		out = placed{c.outKey(), p.toClient(other, c.outLeg(), other.inLeg())}
	case !c.Partner.IsValid():
		if hop, ok := p.router.to(c.Peer.Addr(), c.Relayed.Addr()); ok {
			out = placed{c.outKey(), c.toPeer(hop)}
			in = placed{c.inKey(hop.source), p.toClient(c, c.inLeg(), relayLeg{Count: noLeg})}
		}
	}
	return errors.Join(p.put(&c.out, out), p.put(&c.in, in))
}

// outKey is how the client's datagrams are known.
func (c *channel) outKey() relayKey {
	return relayKey{
		From: words(c.Client.Addr()), FromPort: wire(c.Client.Port()),
		To: words(c.Server.Addr()), ToPort: wire(c.Server.Port()),
		Family: uint16(family(c.Server.Addr())), Channel: wire(c.Number),
	}
}

// inKey is how the peer's datagrams are known. A relay without an address of its
// own is sent to at the one that it sends from; what comes to another one is for
// user space.
func (c *channel) inKey(relayed netip.Addr) relayKey {
	return relayKey{
		From: words(c.Peer.Addr()), FromPort: wire(c.Peer.Port()),
		To: words(relayed), ToPort: wire(c.Relayed.Port()),
		Family: uint16(family(relayed)),
	}
}

// toPeer is the step of the client's datagrams.
func (c *channel) toPeer(hop hop) relayStep {
	s := hop.step()
	s.From, s.FromPort = words(hop.source), wire(c.Relayed.Port())
	s.To, s.ToPort = words(c.Peer.Addr()), wire(c.Peer.Port())
	s.Family = family(c.Peer.Addr())
	s.Legs = [2]relayLeg{c.outLeg(), {Count: noLeg}}
	return s
}

// toClient is the step of datagrams for the client; it leads nowhere if the client
// cannot be sent to from here.
func (p *plane) toClient(c *channel, legs ...relayLeg) (s relayStep) {
	hop, ok := p.router.to(c.Client.Addr(), c.Server.Addr())
	if !ok {
		return s
	}
	s = hop.step()
	s.From, s.FromPort = words(c.Server.Addr()), wire(c.Server.Port())
	s.To, s.ToPort = words(c.Client.Addr()), wire(c.Client.Port())
	s.Family, s.Channel = family(c.Client.Addr()), wire(c.Number)
	copy(s.Legs[:], legs)
	return s
}

// put makes the kernel's step what it shall be.
func (p *plane) put(is *placed, want placed) error {
	if want.none() {
		want = placed{}
	}
	if *is == want {
		return nil
	}
	if !is.none() && is.key != want.key {
		if err := p.kernel.Steps.Delete(is.key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("delete a step: %w", err)
		}
		*is = placed{}
	}
	if !want.none() {
		if err := p.kernel.Steps.Put(want.key, want.step); err != nil {
			return fmt.Errorf("put a step: %w", err)
		}
	}
	*is = want
	return nil
}
