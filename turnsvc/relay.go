package turnsvc

import (
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// A relay is the socket of one relayed transport address. Between pion and the
// network it keeps the wall, counts, and leads datagrams for another relay of
// this server past whatever NAT stands before it:
//
//	relay A ──to public:B──▶ inner:B ─▶ relay B, which reads it as from public:A
//
// One goroutine reads, pion's of this allocation; it costs no memory per packet.
type relay struct {
	*net.UDPConn
	port   uint16
	home   *relays
	closed func() error

	last     netip.AddrPort // whose address lastAddr is: a peer
	lastAddr *net.UDPAddr   // that talks on costs no memory
}

func (h *relays) newRelay(conn *net.UDPConn, port uint16) *relay {
	r := &relay{UDPConn: conn, port: port, home: h}
	r.closed = sync.OnceValue(conn.Close)
	return r
}

// belongTo makes the relay that of an allocation: it can be reached from other
// relays, and gone is called once when it is closed.
func (r *relay) belongTo(gone func()) {
	r.home.add(r)
	r.closed = sync.OnceValue(func() error {
		r.home.remove(r)
		err := r.UDPConn.Close()
		gone()
		return err
	})
}

// WriteTo sends to a peer. A datagram that the wall holds back is lost silently,
// as the network might lose it.
func (r *relay) WriteTo(p []byte, addr net.Addr) (int, error) {
	peer := gate.AddrPort(addr)
	if !r.home.wall.lets(peer) {
		r.home.count.peers.Add(1)
		return len(p), nil
	}
	n, err := r.WriteToUDPAddrPort(p, r.home.inward(peer))
	if err == nil {
		r.home.count.packetsOut.Add(1)
		r.home.count.bytesOut.Add(uint64(n))
	}
	return n, err
}

// ReadFrom receives from a peer that the wall lets through. The address is
// shared between calls: nobody may change it. Only Close makes it fail: upon an
// error pion deletes the allocation, at a moment which lastMoments forbids.
func (r *relay) ReadFrom(p []byte) (int, net.Addr, error) {
	var tired gate.Pause
	for {
		n, from, err := r.ReadFromUDPAddrPort(p)
		switch {
		case errors.Is(err, net.ErrClosed):
			return 0, nil, err
		case err != nil:
			tired.Wait(nil)
			continue
		}
		peer := r.home.outward(netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		if !r.home.wall.lets(peer) {
			r.home.count.peers.Add(1)
			continue
		}
		r.home.count.packetsIn.Add(1)
		r.home.count.bytesIn.Add(uint64(n))
		return n, r.addr(peer), nil
	}
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
