//go:build !js

package peer

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	pion "github.com/pion/transport/v4"
)

// heardPackets is a socket to a relay.
type heardPackets struct {
	net.PacketConn

	of    *underlay
	heard atomic.Bool // it has answered
	tried atomic.Bool // something was sent, or would have been
}

// WriteTo keeps back the first request to a relay by another port than the first that
// we know, as if it were lost. When it is sent again, 200 ms later, the relay has
// answered at the first one, and there is nothing to ask; or UDP passes to this port
// alone.
func (h *heardPackets) WriteTo(p []byte, to net.Addr) (int, error) {
	if udp, ok := to.(*net.UDPAddr); ok && !h.heard.Load() && h.of.firstPort != 0 && udp.Port != h.of.firstPort {
		switch {
		case !h.tried.Swap(true):
			return len(p), nil
		case h.of.udp.since(time.Now().Add(-heardOf)):
			return 0, errNotNeeded
		}
	}
	return h.PacketConn.WriteTo(p, to)
}

// ReadFrom takes note, and leaves out what candidateSocket leaves out, if it comes
// through a relay.
func (h *heardPackets) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, from, err := h.PacketConn.ReadFrom(p)
		if err == nil {
			h.of.udp.now()
			if !h.heard.Swap(true) {
				h.settled()
			}
			if peer, relayed := peerOf(p[:n]); relayed && h.of.hidesRelay(peer) {
				continue
			}
		}
		return n, from, err
	}
}

// peerOf is who sent what a Data indication holds (RFC 8656 §11.6): all that a relay
// passes on of those to whom nothing was sent yet. Of IPv4, as relayed addresses are.
func peerOf(packet []byte) (netip.AddrPort, bool) {
	const (
		headerBytes, attributeBytes = 20, 4 // RFC 8489 §5 and §14
		xorPeerAddress, ipv4        = 0x0012, 1
		cookie                      = 0x2112a442
	)
	order := binary.BigEndian
	if len(packet) < headerBytes || order.Uint16(packet) != 0x0017 || order.Uint32(packet[4:]) != cookie {
		return netip.AddrPort{}, false
	}
	for rest := packet[headerBytes:]; len(rest) >= attributeBytes; {
		kind, length := order.Uint16(rest), int(order.Uint16(rest[2:]))
		value := rest[attributeBytes:]
		if length > len(value) {
			break
		}
		if kind == xorPeerAddress && length == 8 && value[1] == ipv4 {
			var addr [4]byte
			order.PutUint32(addr[:], order.Uint32(value[4:])^cookie)
			return netip.AddrPortFrom(netip.AddrFrom4(addr), order.Uint16(value[2:])^cookie>>16), true
		}
		rest = value[min(len(value), (length+3)&^3):] // with its padding
	}
	return netip.AddrPort{}, false
}

// Close closes the socket.
func (h *heardPackets) Close() error {
	h.settled()
	return h.PacketConn.Close()
}

// settled takes a socket from those that have not answered.
func (h *heardPackets) settled() {
	h.of.mu.Lock()
	defer h.of.mu.Unlock()
	delete(h.of.asking, h)
}

// maxKnown bounds what is kept of the partner's candidates; he may tell of many.
const maxKnown = 1024

// isRelay takes note of the address of a server.
func (u *underlay) isRelay(addr netip.Addr) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.relays[addr.Unmap()] = true
}

// told takes note of a candidate of the partner.
func (u *underlay) told(candidate string) {
	f := strings.Fields(candidate)
	if len(f) < 6 {
		return
	}
	at, err := netip.ParseAddrPort(net.JoinHostPort(f[4], f[5]))
	u.mu.Lock()
	defer u.mu.Unlock()
	if err == nil && len(u.known) < maxKnown {
		u.known[netip.AddrPortFrom(at.Addr().Unmap(), at.Port())] = true
	}
}

// ListenUDP opens the socket of a candidate.
func (u *underlay) ListenUDP(network string, at *net.UDPAddr) (pion.UDPConn, error) {
	conn, err := u.Net.ListenUDP(network, at)
	if err != nil {
		return nil, err
	}
	return &candidateSocket{conn, u}, nil
}

// candidateSocket is a socket that the partner's checks come to.
type candidateSocket struct {
	pion.UDPConn

	of *underlay
}

// ReadFrom leaves out checks that come from a relay before its owner has told of it. He
// makes them again, and tells meanwhile; until then pion would take the relay for a
// direct way, because it does not know the address, and settle for it at once.
func (s *candidateSocket) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, from, err := s.UDPConn.ReadFrom(p)
		udp, ok := from.(*net.UDPAddr)
		if err != nil || !ok || !isCheck(p[:n]) || !s.of.hidesRelay(udp.AddrPort()) {
			return n, from, err
		}
	}
}

// isCheck tells a Binding request (RFC 8489 §5).
func isCheck(packet []byte) bool {
	const headerBytes = 20
	return len(packet) >= headerBytes && string(packet[:2]) == "\x00\x01" && string(packet[4:8]) == "\x21\x12\xa4\x42"
}

// hidesRelay tells whether an address is one of a relay that we were not told of.
func (u *underlay) hidesRelay(at netip.AddrPort) bool {
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.relays[at.Addr()] && !u.known[at] && len(u.known) < maxKnown
}
