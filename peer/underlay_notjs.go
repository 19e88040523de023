//go:build !js

package peer

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pion "github.com/pion/transport/v4"
	"github.com/pion/transport/v4/stdnet"
	"github.com/pion/webrtc/v4"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// underlay is the network as ICE shall see it. pion goes to relays over IPv4 alone,
// and writes addresses of IPv6 without brackets: who has IPv6 alone had neither
// STUN nor a relay.
type underlay struct {
	*stdnet.Net

	onlyIPv6  func() bool
	tls       map[int]bool // ports of relays by TLS
	firstPort int          // that of the first relay by UDP; 0: there is none
	udp, tcp  lastHeard    // relays
	reached   lastHeard    // relays by TCP that have taken the connection, and may not have answered

	done chan struct{} // closed by giveUp

	mu     sync.Mutex              // guards the fields below
	over   bool                    // giveUp was called
	asking map[*heardPackets]bool  // sockets to relays that have not answered
	relays map[netip.Addr]bool     // STUN and TURN servers that were looked up
	known  map[netip.AddrPort]bool // the partner's candidates at one of those; at most maxKnown
}

// newUnderlay is the network of this machine, with these STUN and TURN servers.
func newUnderlay(servers []webrtc.ICEServer) (*underlay, error) {
	system, err := stdnet.NewNet()
	u := &underlay{
		Net: system, onlyIPv6: func() bool { return onlyIPv6(addressesUp()) }, tls: map[int]bool{},
		done: make(chan struct{}), asking: map[*heardPackets]bool{}, relays: map[netip.Addr]bool{}, known: map[netip.AddrPort]bool{},
	}
	for _, server := range servers {
		for _, url := range server.URLs {
			switch at := faultOf(url, 0); { // it reads URLs
			case at.Via == wire.ViaTLS:
				u.tls[at.Port] = true
			case at.Via == wire.ViaUDP && u.firstPort == 0:
				u.firstPort = at.Port
			}
		}
	}
	return u, err
}

// lastHeard is when somebody was heard, in Unix nanoseconds.
type lastHeard struct{ at atomic.Int64 }

func (l *lastHeard) now() { l.at.Store(time.Now().UnixNano()) }

func (l *lastHeard) since(then time.Time) bool { return l.at.Load() >= then.UnixNano() }

// onlyIPv6 tells whether our addresses that lead anywhere are of IPv6 alone.
func onlyIPv6(addrs []net.Addr) bool {
	six := false
	for _, addr := range addrs {
		prefix, err := netip.ParsePrefix(addr.String())
		if err != nil || prefix.Addr().IsLoopback() || prefix.Addr().IsLinkLocalUnicast() {
			continue
		}
		if prefix.Addr().Unmap().Is4() {
			return false
		}
		six = true
	}
	return six
}

// family is network, of IPv6 where we have that alone.
func (u *underlay) family(network string) string {
	if base, isIPv4 := strings.CutSuffix(network, "4"); isIPv4 && u.onlyIPv6() {
		return base + "6"
	}
	return network
}

// bracketed is an address and port as others write it.
func bracketed(address string) string {
	colon := strings.LastIndexByte(address, ':')
	if colon < 0 || strings.HasPrefix(address, "[") || !strings.Contains(address[:colon], ":") {
		return address
	}
	return net.JoinHostPort(address[:colon], address[colon+1:])
}

// ResolveUDPAddr looks up a STUN or TURN server.
func (u *underlay) ResolveUDPAddr(network, address string) (*net.UDPAddr, error) {
	addr, err := u.Net.ResolveUDPAddr(u.family(network), bracketed(address))
	if err != nil {
		return nil, err
	}
	u.isRelay(addr.AddrPort().Addr())
	return addr, nil
}

// ResolveTCPAddr looks up a TURN server.
func (u *underlay) ResolveTCPAddr(network, address string) (*net.TCPAddr, error) {
	addr, err := u.Net.ResolveTCPAddr(u.family(network), bracketed(address))
	if err != nil {
		return nil, err
	}
	u.isRelay(addr.AddrPort().Addr())
	return addr, nil
}

// ListenPacket opens the socket for a relay.
func (u *underlay) ListenPacket(network, address string) (net.PacketConn, error) {
	if family := u.family(network); family != network {
		network, address = family, "[::]:0" // pion wants any address and port
	}
	conn, err := u.Net.ListenPacket(network, address)
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	socket := &heardPackets{PacketConn: conn, of: u}
	u.asking[socket] = true
	return socket, nil
}

// giveUp ends all attempts to reach relays. pion does not: its Close waits until the
// last has failed, for 8 s where UDP is blocked, and for two minutes where a firewall
// drops what belongs to TCP. Relays that have answered are left: they are told.
func (u *underlay) giveUp() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over {
		return
	}
	u.over = true
	close(u.done)
	for socket := range u.asking {
		_ = socket.PacketConn.Close() // the next retransmission fails
	}
}

// Interfaces are those that there are now. pion looks again when it gathers, but only
// in what it knows to keep a list.
func (*underlay) Interfaces() ([]*pion.Interface, error) {
	now, err := stdnet.NewNet()
	if err != nil {
		return nil, err
	}
	return now.Interfaces()
}
