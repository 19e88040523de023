package turnsvc

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// A relay is the socket of one relayed transport address. Between pion and the
// network it keeps the wall and the meter, and leads datagrams for another relay of
// this server past whatever NAT stands before it:
//
//	relay A ──to public:B──▶ inner:B ─▶ relay B, which reads it as from public:A
//
// One goroutine reads, pion's of this allocation; it costs no memory per packet.
type relay struct {
	*net.UDPConn
	port   uint16
	home   *relays
	owner  *grant // nil: nobody's yet
	closed func() error
	gone   atomic.Bool // is closed, or about to be

	permits permits
	in, out bucket // from peers, and to them

	last     netip.AddrPort // whose address lastAddr is: a peer
	lastAddr *net.UDPAddr   // that talks on costs no memory
}

func (h *relays) newRelay(conn *net.UDPConn, port uint16) *relay {
	h.taken.Add(1)
	r := &relay{UDPConn: conn, port: port, home: h}
	r.closed = sync.OnceValue(r.release)
	return r
}

// belongTo makes the relay that of an allocation: it can be reached from other
// relays. When it is closed, left is called before its port is free again, and gone
// at the end, each once.
func (r *relay) belongTo(g *grant, left func(*relay), gone func()) {
	r.owner = g
	r.home.homes.join(r)
	r.closed = sync.OnceValue(func() error {
		r.gone.Store(true)
		r.home.homes.leave(r)
		left(r)
		err := r.release()
		gone()
		return err
	})
}

// release frees the port.
func (r *relay) release() error {
	err := r.UDPConn.Close()
	r.home.taken.Add(-1)
	return err
}

// WriteTo sends to a peer. A datagram that the wall or the meter holds back is
// lost silently, as the network might lose it.
func (r *relay) WriteTo(p []byte, addr net.Addr) (int, error) {
	peer := gate.AddrPort(addr)
	if !r.lets(peer) {
		r.home.count.peers.Add(1)
		return len(p), nil
	}
	if !r.home.meter.lets(&r.out, len(p), r.home.meter.now()) {
		return len(p), nil
	}
	to := r.home.homes.inward(peer)
	n, err := r.WriteToUDPAddrPort(p, to)
	if err == nil {
		r.home.meter.carriedOut(n, to != peer)
	}
	return n, err
}

// ReadFrom receives from a peer what the wall and the meter let through. The
// address is shared between calls: nobody may change it. Only Close makes it fail:
// upon an error pion deletes the allocation, at a moment which lastMoments forbids.
func (r *relay) ReadFrom(p []byte) (int, net.Addr, error) {
	var tired arrivals.Pause
	for {
		n, from, err := r.ReadFromUDPAddrPort(p)
		switch {
		case errors.Is(err, net.ErrClosed):
			return 0, nil, err
		case err != nil:
			tired.Wait(nil)
			continue
		case n == len(p): // perhaps cut short by pion's buffer: a part is worse than nothing
			r.home.count.frames.Add(1)
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		peer := r.home.homes.outward(from)
		now := r.home.meter.now()
		if !r.lets(peer) || !r.permits.lets(peer.Addr(), now) {
			r.home.count.peers.Add(1)
			continue
		}
		if !r.home.meter.lets(&r.in, n, now) {
			continue
		}
		r.home.meter.carriedIn(n, from != peer)
		return n, r.addr(peer), nil
	}
}

// permit lets datagrams from the addresses of peers through for as long as a
// channel lasts, which is longer than a permission: pion has the last word. The
// door's reader calls it.
func (r *relay) permit(peers []netip.AddrPort, now time.Time) {
	from := now.Sub(r.home.meter.start)
	r.permits.add(peers, from, from+channelLifetime)
}

// lets is the second wall. Another relay of this server is let through as such,
// and in a room only that of the other side.
func (r *relay) lets(peer netip.AddrPort) bool {
	wall := r.home.wall
	other := r.home.homes.at(peer)
	if other == nil {
		return wall.lets(peer)
	}
	return wall.grants(peer.Addr()) && (!r.home.byRoom || r.owner != nil && partners(r.owner, other.owner))
}

func (r *relay) addr(peer netip.AddrPort) net.Addr {
	if peer != r.last {
		r.last, r.lastAddr = peer, net.UDPAddrFromAddrPort(peer)
	}
	return r.lastAddr
}

// Close closes the socket, upon which pion forgets the allocation. It may be
// called again and again.
func (r *relay) Close() error { return r.closed() }
