package turnsvc

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// patience bounds every wait of a test for the network.
const patience = 5 * time.Second

// client is a TURN client that sends exactly what a test says.
type client struct {
	t                  testing.TB
	conn               net.Conn
	frames             *gate.Reader // nil: datagrams
	username, password string
	nonce              stun.Nonce
}

// dial connects a client over "udp" or "tcp", with fresh credentials for claims.
func (s *service) dial(t testing.TB, network, claims string) *client {
	t.Helper()
	addr := s.udp[0].LocalAddr()
	if network == "tcp" {
		addr = s.tcp.Addr()
	}
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), network, addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(4 * patience)); err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, conn: conn}
	if network == "tcp" {
		c.frames = gate.NewReader(conn)
	}
	c.username, c.password = s.credentials(claims)
	return c
}

// send sends one message as it is.
func (c *client) send(p []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(p); err != nil {
		c.t.Fatal(err)
	}
}

// read receives one message.
func (c *client) read() ([]byte, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if c.frames != nil {
		frame, err := c.frames.Next()
		return slices.Clone(frame), err
	}
	p := make([]byte, gate.MaxFrameBytes)
	n, err := c.conn.Read(p)
	return p[:n], err
}

// receive receives one STUN message.
func (c *client) receive() *stun.Message {
	c.t.Helper()
	raw, err := c.read()
	if err != nil {
		c.t.Fatalf("receive: %v", err)
	}
	m := &stun.Message{Raw: raw}
	if err := m.Decode(); err != nil {
		c.t.Fatalf("receive: %v", err)
	}
	return m
}

// raw sends a request without credentials and returns the answer. The system may have
// given this client the address of one that has just gone: what is answered to that
// one is passed over.
func (c *client) raw(method stun.Method, attrs ...stun.Setter) *stun.Message {
	c.t.Helper()
	m, err := stun.Build(append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attrs...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(m.Raw)
	answer := c.receive()
	for answer.TransactionID != m.TransactionID && answer.Type.Class != stun.ClassIndication {
		answer = c.receive()
	}
	return answer
}

// do sends a request with credentials, fetches a nonce before if it has none,
// and returns the answer.
func (c *client) do(method stun.Method, attrs ...stun.Setter) *stun.Message {
	c.t.Helper()
	const realm = "wasmp2pchat"
	if c.nonce == nil {
		if err := c.nonce.GetFrom(c.raw(stun.MethodAllocate)); err != nil {
			c.t.Fatalf("the first answer has no nonce: %v", err)
		}
	}
	return c.raw(method, append(attrs, stun.NewUsername(c.username), stun.NewRealm(realm), c.nonce,
		stun.NewLongTermIntegrity(c.username, realm, c.password))...)
}

// allocate asks for an allocation and returns its relayed address, or the code
// of the error.
func (c *client) allocate(attrs ...stun.Setter) (netip.AddrPort, stun.ErrorCode) {
	c.t.Helper()
	m := c.do(stun.MethodAllocate, append(attrs, attr(stun.AttrRequestedTransport, 17, 0, 0, 0))...)
	if m.Type.Class != stun.ClassSuccessResponse {
		return netip.AddrPort{}, code(m)
	}
	return c.addr(m, stun.AttrXORRelayedAddress), 0
}

// mustAllocate is allocate where the answer is no question.
func (c *client) mustAllocate() netip.AddrPort {
	c.t.Helper()
	relayed, code := c.allocate()
	if code != 0 {
		c.t.Fatalf("Allocate = %d, want success", code)
	}
	return relayed
}

func (c *client) addr(m *stun.Message, at stun.AttrType) netip.AddrPort {
	c.t.Helper()
	var x stun.XORMappedAddress
	if err := x.GetFromAs(m, at); err != nil {
		c.t.Fatal(err)
	}
	ip, _ := netip.AddrFromSlice(x.IP)
	return netip.AddrPortFrom(ip.Unmap(), uint16(x.Port))
}

// permit asks for a permission.
func (c *client) permit(peer netip.AddrPort) bool {
	c.t.Helper()
	return c.do(stun.MethodCreatePermission, peerAddr(peer)).Type.Class == stun.ClassSuccessResponse
}

// bind asks for channel 0x4000.
func (c *client) bind(peer netip.AddrPort) bool {
	c.t.Helper()
	m := c.do(stun.MethodChannelBind, attr(stun.AttrChannelNumber, 0x40, 0, 0, 0), peerAddr(peer))
	return m.Type.Class == stun.ClassSuccessResponse
}

// sendTo sends data to a peer in a Send indication (RFC 8656 §11.1).
func (c *client) sendTo(peer netip.AddrPort, data string) {
	c.t.Helper()
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication),
		peerAddr(peer), attr(stun.AttrData, []byte(data)...))
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(m.Raw)
}

// data receives a Data indication (RFC 8656 §11.4).
func (c *client) data() (from netip.AddrPort, data string) {
	c.t.Helper()
	m := c.receive()
	v, err := m.Get(stun.AttrData)
	if err != nil {
		c.t.Fatalf("received %v, want Data", m)
	}
	return c.addr(m, stun.AttrXORPeerAddress), string(v)
}

// channelData is a ChannelData message, padded (RFC 8656 §12.4).
func channelData(data string) []byte {
	p := append(binary.BigEndian.AppendUint32(nil, 0x40000000|uint32(len(data))), data...)
	return append(p, make([]byte, -len(p)&3)...)
}

func attr(at stun.AttrType, value ...byte) stun.Setter {
	return stun.RawAttribute{Type: at, Value: value}
}

// peerAddr is an XOR-PEER-ADDRESS (RFC 8656 §18.3). IPv4-mapped addresses go out
// as IPv6.
type peerAddr netip.AddrPort

func (p peerAddr) AddTo(m *stun.Message) error {
	ap := netip.AddrPort(p)
	family, ip := byte(1), ap.Addr().AsSlice()
	if len(ip) == 16 {
		family = 2
	}
	v := binary.BigEndian.AppendUint16([]byte{0, family}, ap.Port()^0x2112)
	for i, b := range ip {
		v = append(v, b^m.Raw[4+i]) // the cookie, and for IPv6 the transaction
	}
	m.Add(stun.AttrXORPeerAddress, v)
	return nil
}

// code is the ERROR-CODE of an answer: 0 for success, -1 for an error without.
func code(m *stun.Message) stun.ErrorCode {
	var e stun.ErrorCodeAttribute
	switch err := e.GetFrom(m); {
	case m.Type.Class == stun.ClassSuccessResponse:
		return 0
	case errors.Is(err, stun.ErrAttributeNotFound):
		return -1
	}
	return e.Code
}

// newPeer is a UDP socket on loopback.
func newPeer(t testing.TB) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	return peerFrom(t, "127.0.0.1")
}

// peerFrom is newPeer at another address of loopback.
func peerFrom(t testing.TB, ip string) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	conn, err := listenPeer(t, ip)
	if err == nil {
		err = conn.SetDeadline(time.Now().Add(4 * patience))
	}
	if err != nil {
		t.Fatal(err)
	}
	return conn, gate.AddrPort(conn.LocalAddr())
}

// listenPeer opens a UDP socket until the test ends, and sees to it that no server is
// on the TCP port of the same number: no relay sends to a port where clients come in.
func listenPeer(t testing.TB, ip string) (*net.UDPConn, error) {
	t.Helper()
	for {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
		if err != nil {
			return nil, err
		}
		l, err := net.ListenTCP("tcp", &net.TCPAddr{Port: conn.LocalAddr().(*net.UDPAddr).Port})
		if err == nil {
			t.Cleanup(func() { _, _ = conn.Close(), l.Close() })
			return conn, nil
		}
		_ = conn.Close()
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
	}
}
