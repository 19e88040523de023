package turnsvc

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// A handover stands for the demultiplexer: it accepts, does what comes before
// TURN, and hands the connection over.
type handover struct {
	net.Listener
	before func(net.Conn) net.Conn
	conns  chan net.Conn
	gone   chan struct{}
	shut   func()
}

// handOver starts one on loopback, which the test ends.
func handOver(t testing.TB, before func(net.Conn) net.Conn) *handover {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &handover{Listener: l, before: before, conns: make(chan net.Conn), gone: make(chan struct{})}
	h.shut = sync.OnceFunc(func() { close(h.gone) })
	var working sync.WaitGroup
	working.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			working.Go(func() { h.hand(before(conn)) })
		}
	})
	t.Cleanup(func() {
		h.shut()
		_ = l.Close()
		working.Wait()
	})
	return h
}

func (h *handover) hand(conn net.Conn) {
	select {
	case h.conns <- conn:
	case <-h.gone:
		_ = conn.Close()
	}
}

func (h *handover) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.gone:
		return nil, net.ErrClosed
	}
}

// Close ends the handing over, not the port, which the page has, too.
func (h *handover) Close() error {
	h.shut()
	return nil
}

// told is a connection of which somebody has said where it comes from and which
// address of ours it was for.
type told struct {
	net.Conn
	client, asked string
}

func (c told) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.client))
}

func (c told) LocalAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.asked))
}

// shakenBy shakes hands as the demultiplexer does, with or without a wrapper.
func shakenBy(config *tls.Config, wrap func(net.Conn) net.Conn) func(net.Conn) net.Conn {
	return func(conn net.Conn) net.Conn {
		c := tls.Server(conn, config)
		if err := c.HandshakeContext(context.Background()); err != nil {
			return conn // the client is gone
		}
		return wrap(c)
	}
}

// peeked is a connection whose first bytes somebody has read already.
type peeked struct {
	net.Conn
	rest []byte
}

func (p *peeked) Read(b []byte) (int, error) {
	if len(p.rest) > 0 {
		n := copy(b, p.rest)
		p.rest = p.rest[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// peek reads the first byte, as who must decide does.
func peek(conn net.Conn) net.Conn {
	p := &peeked{Conn: conn, rest: make([]byte, 1)}
	if _, err := conn.Read(p.rest); err != nil {
		p.rest = nil
	}
	return p
}

func same(conn net.Conn) net.Conn { return conn }

// only is a Config that listens nowhere but at a stream.
func only(h *handover, secure bool) func(*Config) {
	return func(c *Config) {
		c.UDPAddrs, c.TCPAddr = nil, ""
		c.Streams = []Stream{{Listener: h, Secure: secure}}
	}
}

// at connects a client to a stream.
func (h *handover) at(t testing.TB, secure *tls.Config) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", h.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		return tls.Client(conn, secure)
	}
	return conn
}

func TestStreamsAreServedAsOurOwn(t *testing.T) {
	t.Parallel()
	cert := certificate(t)
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	client := &tls.Config{RootCAs: trusted(t, cert), ServerName: domain}
	for _, c := range []struct {
		name   string
		before func(net.Conn) net.Conn
		client *tls.Config
	}{
		{"plain", same, nil},
		{"plain with a byte peeked", peek, nil},
		{"TLS", shakenBy(config, same), client},
		{"TLS with a byte peeked", shakenBy(config, peek), client},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := handOver(t, c.before)
			s := serve(t, only(h, c.client != nil))
			ann := s.over(t, h.at(t, c.client), "tcp", "ann")
			m := ann.raw(stun.MethodBinding)
			if got, want := ann.addr(m, stun.AttrXORMappedAddress).String(), ann.conn.LocalAddr().String(); got != want {
				t.Errorf("XOR-MAPPED-ADDRESS = %s, want %s", got, want)
			}
			relayed := ann.mustAllocate()
			conn, peer := newPeer(t)
			if !ann.permit(peer) {
				t.Fatal("CreatePermission was refused")
			}
			exchange(t, ann, conn, peer, relayed, []byte("there and back"))
			if !ann.bind(peer) {
				t.Fatal("ChannelBind was refused")
			}
			exchangeByChannel(t, ann, conn, relayed, []byte("odd"))
			s.stopped(t)
			if _, err := ann.read(); err == nil {
				t.Error("a stream is open after Serve")
			}
			if _, err := h.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("after Serve Accept = %v, want the listener closed", err)
			}
		})
	}
}

// TestStreamsAreOffered holds that clients are told of them as well, of TLS on 443
// in the place of TLS elsewhere.
func TestStreamsAreOffered(t *testing.T) {
	t.Parallel()
	cert := certificate(t)
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	plain, other, secure := handOver(t, peek), handOver(t, shakenBy(config, same)), handOver(t, shakenBy(config, peek))
	s := serve(t, func(c *Config) {
		c.blind, c.TLSAddr, c.TLS, c.Domain, c.roots = false, "127.0.0.1:0", config, domain, trusted(t, cert)
		c.PublicIPs = addrs("198.51.100.7", "127.0.0.1") // who passes the ports on is elsewhere
		c.Streams = []Stream{{Listener: other, Secure: true, Port: 8443}, {Listener: secure, Secure: true, Port: 443}, {Listener: plain, Port: 80}}
	})
	s.offers(t, s.named([]string{
		"stun:127.0.0.1:UDP", "turn:127.0.0.1:UDP?transport=udp", "turn:127.0.0.1:TCP?transport=tcp",
		"turn:198.51.100.7:80?transport=tcp", "turns:turn.example:443?transport=tcp",
	})...)
}

// TestStreamsKeepTheClientsAddress holds that the address which a proxy has told
// is the client's: in answers, and in the limit of connections from one address,
// which all listeners have in common.
func TestStreamsKeepTheClientsAddress(t *testing.T) {
	t.Parallel()
	h := handOver(t, func(conn net.Conn) net.Conn { return told{conn, "192.0.2.77:5000", "192.0.2.1:443"} })
	s := serve(t, func(c *Config) {
		only(h, false)(c)
		c.MaxPerAddr = 1 // two connections an address
	})
	for range 2 {
		c := s.over(t, h.at(t, nil), "tcp", "ann")
		if got := c.addr(c.raw(stun.MethodBinding), stun.AttrXORMappedAddress).String(); got != "192.0.2.77:5000" {
			t.Errorf("XOR-MAPPED-ADDRESS = %s, want 192.0.2.77:5000", got)
		}
	}
	third := s.over(t, h.at(t, nil), "tcp", "ann")
	if _, err := third.read(); err == nil {
		t.Error("the third connection of an address is open")
	}
	if n := s.Stats().RefusedFrames; n != 1 {
		t.Errorf("RefusedFrames = %d, want 1", n)
	}
}

// TestStreamsDrain holds that the owner may close a stream before Serve ends
// without cutting who relays.
func TestStreamsDrain(t *testing.T) {
	t.Parallel()
	h := handOver(t, same)
	s := serve(t, only(h, false))
	ann := s.over(t, h.at(t, nil), "tcp", "ann")
	ann.mustAllocate()
	_ = h.Close()
	if got := code(ann.do(stun.MethodRefresh)); got != 0 {
		t.Errorf("Refresh after the stream was closed = %d, want success", got)
	}
}

func TestStreamThatIsNoTURNIsCut(t *testing.T) {
	t.Parallel()
	h := handOver(t, peek)
	s := serve(t, only(h, false))
	c := s.over(t, h.at(t, nil), "tcp", "ann")
	c.send([]byte("GET / HTTP/1.1\r\n\r\n"))
	if _, err := c.read(); err == nil {
		t.Error("a stream of HTTP is answered")
	}
	if n := s.Stats().RefusedFrames; n != 1 {
		t.Errorf("RefusedFrames = %d, want 1", n)
	}
}

// TestOwnPortsIncludeAll holds that no relay sends to any port where clients come
// in, even where every peer is allowed.
func TestOwnPortsIncludeAll(t *testing.T) {
	t.Parallel()
	h := handOver(t, same)
	s := serve(t, func(c *Config) {
		c.UDPAddrs = []string{"127.0.0.1:0", "127.0.0.1:0"}
		c.Streams = []Stream{{Listener: h}}
	})
	w := s.homes.of(family4).wall
	for _, addr := range []net.Addr{s.udp[0].LocalAddr(), s.udp[1].LocalAddr(), s.tcp.Addr(), h.Addr()} {
		if w.lets(gate.AddrPort(addr)) {
			t.Errorf("a relay may send to our own %v", addr)
		}
	}
	if _, peer := newPeer(t); !w.lets(peer) {
		t.Errorf("a relay may not send to %v", peer)
	}
}

// TestUDPAddresses serves on two, and does without the second when somebody has
// it; without the first it does not.
func TestUDPAddresses(t *testing.T) {
	t.Parallel()
	_, taken := newPeer(t)
	s := serve(t, func(c *Config) { c.UDPAddrs = []string{"127.0.0.1:0", "127.0.0.1:0", taken.String(), ""} })
	if len(s.udp) != 2 {
		t.Fatalf("%d UDP addresses, want the two that are free", len(s.udp))
	}
	for i, udp := range s.udp {
		c := s.over(t, dialUDP(t, udp.LocalAddr()), "udp", []string{"ann", "bob"}[i])
		relayed := c.mustAllocate()
		conn, peer := newPeer(t)
		if !c.permit(peer) {
			t.Fatal("CreatePermission was refused")
		}
		exchange(t, c, conn, peer, relayed, []byte("there and back"))
	}
	cfg := s.cfg
	cfg.UDPAddrs, cfg.TCPAddr = []string{taken.String(), "127.0.0.1:0"}, ""
	if again, err := Listen(t.Context(), cfg); err == nil {
		t.Error("Listen without the first UDP address succeeded")
		_ = again.closeSockets()
	}
}

func dialUDP(t testing.TB, addr net.Addr) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "udp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestListenThatFailsLeavesTheStreams holds that they are the caller's then.
func TestListenThatFailsLeavesTheStreams(t *testing.T) {
	t.Parallel()
	_, taken := newPeer(t)
	h := handOver(t, same)
	cfg := Config{Secrets: []string{"new"}, UDPAddrs: []string{taken.String()}, PublicIPs: addrs("127.0.0.1"), Streams: []Stream{{Listener: h}}}
	if _, err := Listen(t.Context(), cfg); err == nil {
		t.Fatal("Listen at a port that is taken succeeded")
	}
	select {
	case <-h.gone:
		t.Error("Listen has failed and closed a stream")
	default:
	}
}
