//go:build browser || proxies || deployments

package e2e

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// granted is what allocate returns instead of an error code.
const granted stun.ErrorCode = 0

// allocate asks a TURN server for a relay over UDP, as a browser does (RFC 8656
// §7), and returns the error code of the answer.
func allocate(t *testing.T, on machine, address string, credential wire.ICEServer) stun.ErrorCode {
	t.Helper()
	c := dialRelay(t, on, address, credential)
	defer func() { _ = c.conn.Close() }()
	return c.allocate()
}

// turnClient is a client of the relay that does what a test says.
type turnClient struct {
	t          *testing.T
	conn       net.Conn
	credential wire.ICEServer
	realm      stun.Realm
	nonce      stun.Nonce
}

// dialRelay fetches the nonce that all requests need.
func dialRelay(t *testing.T, on machine, address string, credential wire.ICEServer) *turnClient {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := on.Dial(ctx, "udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &turnClient{t: t, conn: conn, credential: credential}
	challenge := c.roundTrip(stun.MethodAllocate, overUDP())
	if err := challenge.Parse(&c.realm, &c.nonce); err != nil {
		t.Fatalf("answer to an Allocate without credentials: %v: %v", challenge, err)
	}
	return c
}

// overUDP is a REQUESTED-TRANSPORT: 17 is UDP in the registry of IP protocols.
func overUDP() stun.Setter {
	return stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}
}

func (c *turnClient) allocate() stun.ErrorCode {
	c.t.Helper()
	return c.ask(stun.MethodAllocate, overUDP())
}

// permit asks for permission to send to an address (RFC 8656 §10).
func (c *turnClient) permit(peer netip.AddrPort) stun.ErrorCode {
	c.t.Helper()
	return c.ask(stun.MethodCreatePermission, peerAddress(peer))
}

// ask sends a signed request and returns the error code of the answer.
func (c *turnClient) ask(method stun.Method, attributes ...stun.Setter) stun.ErrorCode {
	c.t.Helper()
	answer := c.roundTrip(method, append(attributes,
		stun.NewUsername(c.credential.Username), c.realm, c.nonce,
		stun.NewLongTermIntegrity(c.credential.Username, c.realm.String(), c.credential.Credential))...)
	if answer.Type.Class == stun.ClassSuccessResponse {
		return granted
	}
	var fault stun.ErrorCodeAttribute
	if err := fault.GetFrom(answer); err != nil {
		c.t.Fatalf("answer to %v: %v: %v", method, answer, err)
	}
	return fault.Code
}

// sendTo sends data to a peer, permitted or not (RFC 8656 §11.1).
func (c *turnClient) sendTo(peer netip.AddrPort, data string) {
	c.t.Helper()
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication),
		peerAddress(peer), stun.RawAttribute{Type: stun.AttrData, Value: []byte(data)})
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.conn.Write(m.Raw); err != nil {
		c.t.Fatal(err)
	}
}

// peerAddress is an XOR-PEER-ADDRESS (RFC 8656 §18.3).
type peerAddress netip.AddrPort

// AddTo implements stun.Setter.
func (p peerAddress) AddTo(m *stun.Message) error {
	ap := netip.AddrPort(p)
	x := stun.XORMappedAddress{IP: ap.Addr().AsSlice(), Port: int(ap.Port())}
	return x.AddToAs(m, stun.AttrXORPeerAddress)
}

// roundTrip sends a request until it is answered.
func (c *turnClient) roundTrip(method stun.Method, attributes ...stun.Setter) *stun.Message {
	c.t.Helper()
	request, err := stun.Build(append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attributes...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	packet := make([]byte, 1500)
	for range 5 {
		if _, err := c.conn.Write(request.Raw); err != nil {
			c.t.Fatal(err)
		}
		if err := c.conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			c.t.Fatal(err)
		}
		n, err := c.conn.Read(packet)
		if err != nil {
			continue
		}
		answer := &stun.Message{Raw: packet[:n]}
		if err := answer.Decode(); err == nil && answer.TransactionID == request.TransactionID {
			return answer
		}
	}
	c.t.Fatalf("the relay does not answer %v", method)
	return nil
}
