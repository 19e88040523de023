//go:build deployments

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// dialUDP is a socket of somebody on the internet, towards a port of an address.
func (d *deployment) dialUDP(addr netip.Addr, port int) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(d.t.Context(), unanswered)
	defer cancel()
	return d.lab.Client(natlab.SideA).Dial(ctx, "udp", net.JoinHostPort(addr.String(), strconv.Itoa(port)))
}

// exchange sends a request until it is answered.
func exchange(conn net.Conn, method stun.Method, attributes ...stun.Setter) (*stun.Message, error) {
	request, err := stun.Build(append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attributes...)...)
	if err != nil {
		return nil, err
	}
	packet := make([]byte, 1500)
	const tries = 4
	for range tries {
		if _, err := conn.Write(request.Raw); err != nil {
			return nil, err
		}
		if err := conn.SetReadDeadline(time.Now().Add(unanswered / tries)); err != nil {
			return nil, err
		}
		n, err := conn.Read(packet)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err != nil {
			return nil, err
		}
		answer := &stun.Message{Raw: packet[:n]}
		if err := answer.Decode(); err == nil && answer.TransactionID == request.TransactionID {
			return answer, nil
		}
	}
	return nil, fmt.Errorf("%v is not answered", method)
}

// stun answers at every address of the name.
func (d *deployment) stun() error {
	for _, addr := range d.addrs {
		conn, err := d.dialUDP(addr, 3478)
		if err != nil {
			return err
		}
		_, err = exchange(conn, stun.MethodBinding)
		_ = conn.Close()
		if err != nil {
			return fmt.Errorf("%v: %w", addr, err)
		}
	}
	return nil
}

// turnTCP answers at every address of the name.
func (d *deployment) turnTCP() error {
	for _, addr := range d.addrs {
		ctx, cancel := context.WithTimeout(d.t.Context(), unanswered)
		conn, err := d.lab.Client(natlab.SideA).Dial(ctx, "tcp", netip.AddrPortFrom(addr, 3478).String())
		cancel()
		if err != nil {
			return err
		}
		_ = conn.Close()
	}
	return nil
}

// passesFirewall sends to a port of the relay that nobody has: the host says so
// with an ICMP error, if the packet gets there.
func (d *deployment) passesFirewall() error {
	const nobodys = 65535
	conn, err := d.dialUDP(d.addrs[0], nobodys)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := exchange(conn, stun.MethodBinding); !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("port %d: %w", nobodys, err)
	}
	return nil
}

// end is one of the two who relay to each other.
type end struct {
	conn    net.Conn
	relayed netip.AddrPort
	signed  []stun.Setter
}

// relay carries what one says to another, who has an allocation too.
func (d *deployment) relay() error {
	return d.withRelays(func(a, b *end) error { return a.speaksTo(b) })
}

// relayAddress is one that leads to the server: a partner without a relay of his
// own sends there.
func (d *deployment) relayAddress() error {
	return d.withRelays(func(a, _ *end) error {
		if !slices.Contains(d.addrs, a.relayed.Addr()) {
			return fmt.Errorf("partners are told %v, which does not lead to the server", a.relayed)
		}
		return nil
	})
}

// relayOut carries what somebody says who has an allocation to somebody who has
// none.
func (d *deployment) relayOut() error {
	peer, err := d.lab.Client(natlab.SideA).ListenPacket(d.t.Context(), "udp4", ":0")
	if err != nil {
		return err
	}
	defer func() { _ = peer.Close() }()
	_, port, err := net.SplitHostPort(peer.LocalAddr().String())
	if err != nil {
		return err
	}
	at, err := netip.ParseAddrPort(net.JoinHostPort(d.lab.Outside(natlab.SideA).String(), port))
	if err != nil {
		return err
	}
	return d.withRelays(func(a, _ *end) error {
		if err := a.sends(at); err != nil {
			return err
		}
		return hears(peer, a.relayed)
	})
}

// privatePeers are out of the relay's reach: it is no way into the network of
// the server.
func (d *deployment) privatePeers() error {
	return d.withRelays(func(a, _ *end) error {
		inside := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), 22)
		if _, err := a.asks(stun.MethodCreatePermission, peerAddress(inside)); err == nil {
			return fmt.Errorf("the relay permits %v", inside)
		}
		return nil
	})
}

// withRelays lends the two ends of a room.
func (d *deployment) withRelays(do func(a, b *end) error) error {
	got, err := d.get(d.addrs[0], "/check/servers")
	if err != nil {
		return err
	}
	var minted struct{ A, B []wire.ICEServer }
	if err := json.Unmarshal(got.text, &minted); err != nil {
		return fmt.Errorf("/check/servers answers %q: %w", got.text, err)
	}
	var ends [2]*end
	for i, servers := range [2][]wire.ICEServer{minted.A, minted.B} {
		conn, err := d.dialUDP(d.addrs[0], 3478)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if ends[i], err = allocates(conn, servers); err != nil {
			return err
		}
	}
	return do(ends[0], ends[1])
}

// allocates asks for a relayed address with what was minted (RFC 8656 §7).
func allocates(conn net.Conn, servers []wire.ICEServer) (*end, error) {
	var credential wire.ICEServer
	for _, server := range servers {
		if server.Username != "" {
			credential = server
		}
	}
	challenge, err := exchange(conn, stun.MethodAllocate, overUDP())
	if err != nil {
		return nil, err
	}
	var realm stun.Realm
	var nonce stun.Nonce
	if err := challenge.Parse(&realm, &nonce); err != nil {
		return nil, fmt.Errorf("answer to an Allocate without credentials: %v: %w", challenge, err)
	}
	e := &end{conn: conn, signed: []stun.Setter{
		stun.NewUsername(credential.Username), realm, nonce,
		stun.NewLongTermIntegrity(credential.Username, realm.String(), credential.Credential),
	}}
	answer, err := e.asks(stun.MethodAllocate, overUDP())
	if err != nil {
		return nil, err
	}
	var relayed stun.XORMappedAddress
	if err := relayed.GetFromAs(answer, stun.AttrXORRelayedAddress); err != nil {
		return nil, err
	}
	at, _ := netip.AddrFromSlice(relayed.IP)
	e.relayed = netip.AddrPortFrom(at.Unmap(), uint16(relayed.Port))
	return e, nil
}

// asks sends a signed request that has to be granted.
func (e *end) asks(method stun.Method, attributes ...stun.Setter) (*stun.Message, error) {
	answer, err := exchange(e.conn, method, append(attributes, e.signed...)...)
	if err != nil {
		return nil, err
	}
	if answer.Type.Class != stun.ClassSuccessResponse {
		var fault stun.ErrorCodeAttribute
		_ = fault.GetFrom(answer) // 0 if it has none
		return nil, fmt.Errorf("%v is answered with error %d", method, fault.Code)
	}
	return answer, nil
}

// speaksTo sends from relay to relay, which both have to permit.
func (e *end) speaksTo(other *end) error {
	if _, err := other.asks(stun.MethodCreatePermission, peerAddress(e.relayed)); err != nil {
		return err
	}
	if err := e.sends(other.relayed); err != nil {
		return err
	}
	if err := other.conn.SetReadDeadline(time.Now().Add(unanswered)); err != nil {
		return err
	}
	if _, err := other.conn.Read(make([]byte, 1500)); err != nil {
		return fmt.Errorf("nothing comes from %v to %v: %w", e.relayed, other.relayed, err)
	}
	return nil
}

// sends has the relay send to a peer (RFC 8656 §11.1).
func (e *end) sends(peer netip.AddrPort) error {
	if _, err := e.asks(stun.MethodCreatePermission, peerAddress(peer)); err != nil {
		return err
	}
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication),
		peerAddress(peer), stun.RawAttribute{Type: stun.AttrData, Value: []byte("hello")})
	if err != nil {
		return err
	}
	_, err = e.conn.Write(m.Raw)
	return err
}

// hears waits for anything.
func hears(peer net.PacketConn, from netip.AddrPort) error {
	if err := peer.SetReadDeadline(time.Now().Add(unanswered)); err != nil {
		return err
	}
	if _, _, err := peer.ReadFrom(make([]byte, 1500)); err != nil {
		return fmt.Errorf("nothing comes from %v: %w", from, err)
	}
	return nil
}
