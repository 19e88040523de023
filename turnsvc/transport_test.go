package turnsvc

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

const domain = "turn.example"

// certificate is a self-signed one for domain.
func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	return certificateFor(t, domain, time.Hour)
}

// certificateFor is a self-signed one that is good for so long.
func certificateFor(t testing.TB, name string, left time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(left),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// everywhere is a Config with every transport on every address of the machine.
func everywhere(t testing.TB) func(*Config) {
	t.Helper()
	cert := certificate(t)
	return func(c *Config) {
		c.UDPAddrs, c.TCPAddr, c.TLSAddr = []string{":0"}, ":0", ":0"
		c.TLS, c.Domain = &tls.Config{Certificates: []tls.Certificate{cert}}, domain
		c.cores, c.roots = 2, trusted(t, cert)
	}
}

// dialVia connects a client to a host of this machine by a transport: "udp",
// "tcp", "tls1.2", "tls1.3" or "dtls".
func (s *service) dialVia(t testing.TB, transport, host, claims string) *client {
	t.Helper()
	return s.over(t, s.connect(t, transport, host), transport, claims)
}

// over is a client on a connection that there is.
func (s *service) over(t testing.TB, conn net.Conn, transport, claims string) *client {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(4 * patience)); err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, conn: conn}
	if transport != "udp" && transport != "dtls" {
		c.frames = gate.NewReader(conn)
	}
	c.username, c.password = s.credentials(claims)
	return c
}

func (s *service) connect(t testing.TB, transport, host string) net.Conn {
	t.Helper()
	var d net.Dialer
	var conn net.Conn
	var err error
	switch transport {
	case "udp":
		conn, err = d.DialContext(t.Context(), "udp", hostPort(host, s.udp[0].LocalAddr()))
	case "tcp":
		conn, err = d.DialContext(t.Context(), "tcp", hostPort(host, s.tcp.Addr()))
	case "tls1.2", "tls1.3":
		config := s.trusting(t)
		config.MaxVersion = tls.VersionTLS12
		if transport == "tls1.3" {
			config.MinVersion, config.MaxVersion = tls.VersionTLS13, tls.VersionTLS13
		}
		conn, err = (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", hostPort(host, s.tls.Addr()))
	case "dtls":
		conn, err = s.dialDTLS(t, host, s.trusting(t).RootCAs)
	}
	if err != nil {
		t.Fatalf("dial %s at %s: %v", transport, host, err)
	}
	return conn
}

func (s *service) dialDTLS(t testing.TB, host string, roots *x509.CertPool) (net.Conn, error) {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "udp", hostPort(host, s.dtls.Addr()))
	if err != nil {
		return nil, err
	}
	c, err := dtls.ClientWithOptions(packets{conn}, conn.RemoteAddr(), dtls.WithRootCAs(roots), dtls.WithServerName(domain))
	if err != nil {
		return nil, err
	}
	return c, c.HandshakeContext(t.Context())
}

// packets is a connected UDP socket as a net.PacketConn.
type packets struct{ net.Conn }

func (p packets) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := p.Read(b)
	return n, p.RemoteAddr(), err
}

func (p packets) WriteTo(b []byte, _ net.Addr) (int, error) { return p.Write(b) }

// trusting is what a client needs to trust the server.
func (s *service) trusting(t testing.TB) *tls.Config {
	t.Helper()
	return &tls.Config{RootCAs: trusted(t, s.cfg.TLS.Certificates[0]), ServerName: domain, MinVersion: tls.VersionTLS12}
}

// trusted is a pool with one certificate.
func trusted(t testing.TB, pair tls.Certificate) *x509.CertPool {
	t.Helper()
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return roots
}

func hostPort(host string, addr net.Addr) string { return net.JoinHostPort(host, portOf(addr)) }

// hosts are the addresses of loopback that this machine has.
func hosts(t testing.TB) []string {
	t.Helper()
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(t.Context(), "udp6", "[::1]:0")
	if err != nil {
		t.Log("no IPv6 on this machine")
		return []string{"127.0.0.1"}
	}
	_ = conn.Close()
	return []string{"127.0.0.1", "::1"}
}

func transports() []string { return []string{"udp", "tcp", "tls1.2", "tls1.3", "dtls"} }

// TestTransports relays payloads of odd lengths, both ways and by both kinds of
// message, and holds that ChannelData is padded where there is a stream, and
// nowhere else.
func TestTransports(t *testing.T) {
	t.Parallel()
	s := serve(t, everywhere(t))
	for _, host := range hosts(t) {
		for _, transport := range transports() {
			t.Run(transport+" to "+host, func(t *testing.T) {
				t.Parallel()
				c := s.dialVia(t, transport, host, transport+" "+host)
				m := c.raw(stun.MethodBinding)
				if got, want := c.addr(m, stun.AttrXORMappedAddress).String(), c.conn.LocalAddr().String(); got != want {
					t.Errorf("XOR-MAPPED-ADDRESS = %s, want %s", got, want)
				}
				relayed := c.mustAllocate()
				conn, peer := newPeer(t)
				if !c.permit(peer) {
					t.Fatal("CreatePermission was refused")
				}
				for _, size := range []int{170, 1, 0} {
					exchange(t, c, conn, peer, relayed, bytes.Repeat([]byte{'x'}, size))
				}
				if !c.bind(peer) {
					t.Fatal("ChannelBind was refused")
				}
				for _, size := range []int{170, 1, 0} {
					exchangeByChannel(t, c, conn, relayed, bytes.Repeat([]byte{'y'}, size))
				}
			})
		}
	}
}

// exchange sends data there by Send and back by Data.
func exchange(t *testing.T, c *client, conn *net.UDPConn, peer, relayed netip.AddrPort, data []byte) {
	t.Helper()
	c.sendTo(peer, string(data))
	receivePeer(t, conn, relayed, data)
	if _, err := conn.WriteToUDPAddrPort(data, relayed); err != nil {
		t.Fatal(err)
	}
	if from, got := c.data(); from != peer || got != string(data) {
		t.Errorf("the client got %q from %v, want %q from %v", got, from, data, peer)
	}
}

// exchangeByChannel sends data there and back by ChannelData, first with padding
// and then, where that is allowed, without.
func exchangeByChannel(t *testing.T, c *client, conn *net.UDPConn, relayed netip.AddrPort, data []byte) {
	t.Helper()
	padded := channelData(string(data))
	bare := padded[:4+len(data)]
	want := padded
	c.send(padded)
	receivePeer(t, conn, relayed, data)
	if c.frames == nil {
		want = bare
		c.send(bare)
		receivePeer(t, conn, relayed, data)
	}
	if _, err := conn.WriteToUDPAddrPort(data, relayed); err != nil {
		t.Fatal(err)
	}
	if got, err := c.read(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the client got %d bytes %x, %v, want %d bytes", len(got), got, err, len(want))
	}
}

func receivePeer(t *testing.T, conn *net.UDPConn, relayed netip.AddrPort, data []byte) {
	t.Helper()
	p := make([]byte, gate.MaxFrameBytes)
	n, from, err := conn.ReadFromUDPAddrPort(p)
	if err != nil || !bytes.Equal(p[:n], data) || from != relayed {
		t.Fatalf("the peer got %q from %v, %v, want %q from %v", p[:n], from, err, data, relayed)
	}
}

// TestTransportsDrain holds that Serve ends whatever is on and wherever clients
// are.
func TestTransportsDrain(t *testing.T) {
	t.Parallel()
	s := serve(t, everywhere(t))
	var clients []*client
	for _, transport := range transports() {
		holds, idles := s.dialVia(t, transport, "127.0.0.1", "holds "+transport), s.dialVia(t, transport, "127.0.0.1", "idles")
		holds.mustAllocate()
		clients = append(clients, holds, idles)
	}
	silent := s.connect(t, "tcp", "127.0.0.1")
	var d net.Dialer
	half, err := d.DialContext(t.Context(), "tcp", hostPort("127.0.0.1", s.tls.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := half.Write([]byte{22, 3, 1}); err != nil {
		t.Fatal(err)
	}
	s.stopped(t)
	for _, conn := range []net.Conn{silent, half} {
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("a connection is open after Serve")
		}
		_ = conn.Close()
	}
	for _, c := range clients {
		if c.frames != nil {
			if _, err := c.read(); err == nil {
				t.Error("a stream is open after Serve")
			}
		}
	}
	for _, addr := range []net.Addr{s.udp[0].LocalAddr(), s.dtls.Addr()} {
		conn, err := net.ListenUDP("udp", addr.(*net.UDPAddr))
		if err != nil {
			t.Fatalf("the UDP port is still taken after Serve: %v", err)
		}
		_ = conn.Close()
	}
}
