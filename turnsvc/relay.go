package turnsvc

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
	"github.com/wasmp2pchat/wasmp2pchat/internal/mmsg"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// A relay is the socket of one relayed transport address. Between its clients and
// the network it keeps the wall and the meter, and leads datagrams for another relay
// of this server past whatever NAT stands before it:
//
//	relay A ──to public:B──▶ inner:B ─▶ relay B, which reads it as from public:A
//
// With PlaneBatch its socket is read by a worker or, if that fails, by a goroutine of
// its own, and pion by none: see parting. With PlanePion pion reads, which costs no
// memory per packet.
type relay struct {
	conn  atomic.Pointer[net.UDPConn] // nil: the socket is sock
	sock  *mmsg.Socket
	port  uint16
	home  *relays
	owner *grant      // nil: nobody's yet
	gone  atomic.Bool // is closed, or about to be

	closing sync.Once
	closed  error        // what Close returns
	left    func(*relay) // are called at the end of that of an allocation
	over    func()

	worker *worker // that reads from sock; nil: none does
	slot   uint32  // there

	routes  routes
	in, out bucket // from peers, and to them

	last     netip.AddrPort // whose address lastAddr is: a peer
	lastAddr *net.UDPAddr   // that talks on costs no memory
}

// newRelay is one with a conn or a sock.
func (h *relays) newRelay(conn *net.UDPConn, sock *mmsg.Socket, port uint16) *relay {
	h.taken.Add(1)
	r := &relay{sock: sock, port: port, home: h}
	r.conn.Store(conn)
	return r
}

// belongTo makes the relay that of an allocation: it can be reached from other
// relays. When it is closed, left is called before its port is free again, and over
// at the end, each once.
func (r *relay) belongTo(g *grant, left func(*relay), over func()) {
	r.owner, r.left, r.over = g, left, over
	r.home.homes.join(r)
	if r.batched() {
		r.home.homes.batch.watch(r)
	}
}

// release frees the port.
func (r *relay) release() (err error) {
	if r.worker != nil {
		r.worker.drop(r)
	}
	r.gone.Store(true) // from here on fall closes what it has made
	r.home.homes.batch.shut(r)
	if r.sock != nil {
		err = r.sock.Close()
	}
	if conn := r.conn.Load(); conn != nil {
		err = conn.Close()
	}
	r.home.taken.Add(-1)
	return err
}

// batched reports whether datagrams are carried many at a time.
func (r *relay) batched() bool { return r.conn.Load() == nil }

// fall lets a goroutine of its own read, for a worker cannot.
func (r *relay) fall() {
	conn, err := r.sock.Conn()
	if err != nil {
		if !errors.Is(err, net.ErrClosed) {
			_ = r.Close() // it would be deaf
		}
		return
	}
	r.conn.Store(conn)
	r.home.homes.epoch.Add(1) // others hand it nothing any more
	if r.gone.Load() {
		_ = conn.Close()
	}
	r.home.homes.batch.read(r, conn)
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
	if err := r.sendTo(p, r.home.homes.inward(peer)); err != nil {
		return 0, err
	}
	r.home.meter.carriedOut(len(p), r.home.homes.at(peer) != nil)
	return len(p), nil
}

func (r *relay) sendTo(p []byte, to netip.AddrPort) error {
	conn := r.conn.Load()
	if conn == nil {
		return r.sock.SendTo(p, to)
	}
	_, err := conn.WriteToUDPAddrPort(p, to)
	return err
}

// ReadFrom receives from a peer what the wall and the meter let through. The address
// is shared between calls: nobody may change it. It never fails: upon an error pion
// deletes the allocation, at a moment which lastMoments forbids, or the next one of
// the same client, which may have begun by then.
//
// So when the relay is closed it ends the goroutine that asks: that is the one which
// pion has for each allocation to read and do nothing else. With PlaneBatch it does so
// at once: with the buffer that it reads into it is a third of what an idle allocation
// takes.
func (r *relay) ReadFrom(p []byte) (int, net.Addr, error) {
	if r.sock == nil {
		if n, from, err := r.receive(r.conn.Load(), p); err == nil {
			return n, from, nil
		}
	}
	runtime.Goexit()
	return 0, nil, net.ErrClosed // is not reached
}

func (r *relay) receive(conn *net.UDPConn, p []byte) (int, net.Addr, error) {
	var tired arrivals.Pause
	for {
		n, from, err := conn.ReadFromUDPAddrPort(p)
		switch {
		case errors.Is(err, net.ErrClosed):
			return 0, nil, err
		case err != nil:
			tired.Wait(nil)
			continue
		case n > maxPayloadBytes || n == len(p): // perhaps cut short by pion's buffer: a part is worse than nothing
			r.home.count.frames.Add(1)
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		peer := r.home.homes.outward(from)
		now := r.home.meter.now()
		if !r.lets(peer) || !r.routes.lets(peer.Addr(), now) {
			r.home.count.peers.Add(1)
			continue
		}
		if !r.home.meter.lets(&r.in, n, now) {
			continue
		}
		r.home.meter.carriedIn(n, r.home.homes.at(peer) != nil)
		return n, r.addr(peer), nil
	}
}

// permit notes permissions that pion has installed. The door's reader calls it.
func (r *relay) permit(peers []netip.AddrPort, now time.Time) {
	from := now.Sub(r.home.meter.start)
	r.routes.permit(peers, from, from+permissionLifetime)
}

// bind notes a channel that pion has bound. The door's reader calls it.
func (r *relay) bind(number uint16, peer netip.AddrPort, now time.Time) {
	from := now.Sub(r.home.meter.start)
	r.routes.bind(number, peer, from, from+channelLifetime)
}

// lets is the second wall. Another relay of this server is let through as such,
// and in a room only that of the other side.
func (r *relay) lets(peer netip.AddrPort) bool {
	wall := r.home.wall
	other := r.home.homes.at(peer)
	if other == nil {
		return r.letsElsewhere(peer)
	}
	return wall.grants(peer.Addr()) && (!r.home.byRoom || r.owner != nil && partners(r.owner, other.owner))
}

// letsElsewhere is lets for what is no relay of this server: of a neighbour only what
// the partner relays by there, unless the operator took its address off the list.
func (r *relay) letsElsewhere(peer netip.AddrPort) bool {
	wall, h := r.home.wall, r.home.homes
	if n := h.neighbours.Load(); n.has(peer.Addr()) {
		if r.owner != nil && h.rooms.relaysElsewhere(r.owner, n, peer, h.cfg.now()) {
			return wall.grants(peer.Addr())
		}
		if n.kin && r.home.ports.Contains(peer.Port()) || !h.filter.Load().lifts(peer.Addr()) {
			return false // another room's, perhaps
		}
	}
	return wall.lets(peer)
}

func (r *relay) addr(peer netip.AddrPort) net.Addr {
	if peer != r.last {
		r.last, r.lastAddr = peer, net.UDPAddrFromAddrPort(peer)
	}
	return r.lastAddr
}

// relayed is the relayed transport address.
func (r *relay) relayed() netip.AddrPort { return netip.AddrPortFrom(r.home.public, r.port) }

// bound is where the socket is bound on this machine.
func (r *relay) bound() netip.AddrPort { return netip.AddrPortFrom(r.home.bound, r.port) }

// LocalAddr is where the socket is bound.
func (r *relay) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(r.bound()) }

// Close closes the socket, upon which pion forgets the allocation when its door tells
// it: see parting. It may be called again and again.
func (r *relay) Close() error {
	r.closing.Do(func() {
		if r.over == nil { // nobody's
			r.closed = r.release()
			return
		}
		r.gone.Store(true)
		r.home.homes.leave(r)
		r.left(r)
		r.closed = r.release()
		r.over()
	})
	return r.closed
}

// SetDeadline does nothing, as the two below: nobody sets one.
func (r *relay) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (r *relay) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (r *relay) SetWriteDeadline(time.Time) error { return nil }
