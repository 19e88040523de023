package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// turnSecret is that of servers whose relay a test uses by itself.
const turnSecret = "a secret of the tests"

// turnClient is a TURN client with one allocation, over whatever a server of
// ours listens on. It does one thing after the other.
type turnClient struct {
	conn               net.Conn
	in                 *bufio.Reader // of a stream, or of a datagram at a time
	username, password string
	nonce              stun.Nonce
	realm              stun.Realm
	answer             *stun.Message // to the last request with credentials
}

// dialTURN connects over "udp", "tls" or "dtls".
func dialTURN(t *testing.T, transport string, port int, roots *x509.CertPool) *turnClient {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	network := "udp"
	if transport == "tls" {
		network = "tcp"
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	switch transport {
	case "tls":
		secure := tls.Client(conn, &tls.Config{ServerName: "localhost", RootCAs: roots})
		conn, err = secure, secure.HandshakeContext(ctx)
	case "dtls":
		var secure *dtls.Conn
		if secure, err = dtls.ClientWithOptions(packets{conn}, conn.RemoteAddr(), dtls.WithRootCAs(roots), dtls.WithServerName("localhost")); err == nil {
			conn, err = secure, secure.HandshakeContext(ctx)
			t.Cleanup(func() { _ = secure.Close() })
		}
	}
	if err != nil {
		t.Fatalf("%s to port %d: %v", transport, port, err)
	}
	c := newTURNClient(conn)
	c.username, c.password, _ = turnsvc.Issuer{Secret: turnSecret, TTL: time.Hour}.Credentials("tester")
	return c
}

func newTURNClient(conn net.Conn) *turnClient {
	return &turnClient{conn: conn, in: bufio.NewReader(conn)}
}

// packets is a connected UDP socket as package dtls wants it.
type packets struct{ net.Conn }

func (p packets) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := p.Read(b)
	return n, p.RemoteAddr(), err
}

func (p packets) WriteTo(b []byte, _ net.Addr) (int, error) { return p.Write(b) }

// receive reads one message. Those that come here have no padding.
func (c *turnClient) receive() (*stun.Message, error) {
	const headerBytes = 20
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	header, err := c.in.Peek(headerBytes)
	if err != nil {
		return nil, err
	}
	m := &stun.Message{Raw: make([]byte, headerBytes+int(binary.BigEndian.Uint16(header[2:])))}
	if _, err := io.ReadFull(c.in, m.Raw); err != nil {
		return nil, err
	}
	return m, m.Decode()
}

// send sends a message and returns the next one that comes.
func (c *turnClient) send(setters ...stun.Setter) (*stun.Message, error) {
	m, err := stun.Build(append([]stun.Setter{stun.TransactionID}, setters...)...)
	if err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(m.Raw); err != nil {
		return nil, err
	}
	return c.receive()
}

// bind asks where we come from.
func (c *turnClient) bind() (netip.AddrPort, error) {
	m, err := c.send(stun.BindingRequest)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var at stun.XORMappedAddress
	if err := at.GetFrom(m); err != nil {
		return netip.AddrPort{}, err
	}
	ip, _ := netip.AddrFromSlice(at.IP)
	return netip.AddrPortFrom(ip.Unmap(), uint16(at.Port)), nil
}

// do sends a request with credentials, and wants success.
func (c *turnClient) do(method stun.Method, attrs ...stun.Setter) error {
	request := stun.NewType(method, stun.ClassRequest)
	if c.nonce == nil {
		m, err := c.send(request)
		if err != nil {
			return err
		}
		if err := errors.Join(c.nonce.GetFrom(m), c.realm.GetFrom(m)); err != nil {
			return err
		}
	}
	realm := c.realm.String()
	m, err := c.send(append(append([]stun.Setter{request}, attrs...), stun.NewUsername(c.username), stun.NewRealm(realm), c.nonce,
		stun.NewLongTermIntegrity(c.username, realm, c.password))...)
	c.answer = m
	if err == nil && m.Type.Class != stun.ClassSuccessResponse {
		var code stun.ErrorCodeAttribute
		_ = code.GetFrom(m) // or it is 0
		err = fmt.Errorf("%v: error %d", request, code.Code)
	}
	return err
}

// allocate makes an allocation that may send to a peer.
func (c *turnClient) allocate(peer netip.AddrPort) error {
	if err := c.do(stun.MethodAllocate, stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}); err != nil {
		return err
	}
	return c.do(stun.MethodCreatePermission, peerAddress(peer))
}

// echo sends a text to a peer that sends back what it is told, and wants it.
func (c *turnClient) echo(peer netip.AddrPort, text string) error {
	m, err := c.send(stun.NewType(stun.MethodSend, stun.ClassIndication), peerAddress(peer), stun.RawAttribute{Type: stun.AttrData, Value: []byte(text)})
	if err != nil {
		return err
	}
	if got, err := m.Get(stun.AttrData); err != nil || string(got) != text {
		return fmt.Errorf("%q came back as %q, %w", text, got, err)
	}
	return nil
}

// peerAddress is an XOR-PEER-ADDRESS.
type peerAddress netip.AddrPort

// AddTo implements stun.Setter.
func (p peerAddress) AddTo(m *stun.Message) error {
	at := netip.AddrPort(p)
	return stun.XORMappedAddress{IP: at.Addr().AsSlice(), Port: int(at.Port())}.AddToAs(m, stun.AttrXORPeerAddress)
}

// answerOnUDP is somebody on the loopback interface who answers datagrams until
// the test ends; nil is no answer.
func answerOnUDP(t *testing.T, answer func([]byte) []byte) netip.AddrPort {
	t.Helper()
	return answerOnUDPAt(t, "127.0.0.1:0", answer)
}

// answerOnUDPAt is answerOnUDP at a certain address.
func answerOnUDPAt(t *testing.T, addr string, answer func([]byte) []byte) netip.AddrPort {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(p)
			if err != nil {
				return
			}
			if reply := answer(p[:n]); reply != nil {
				_, _ = conn.WriteTo(reply, from) // the one who asked misses it
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-ended
	})
	return netip.MustParseAddrPort(conn.LocalAddr().String())
}
