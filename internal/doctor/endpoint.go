package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"github.com/wasmp2pchat/wasmp2pchat/internal/turnclient"
)

// endpoint is one address and port at which STUN or TURN is to answer.
type endpoint struct {
	url     iceURL // of what visitors are told; else made up
	at      netip.AddrPort
	offered bool // visitors are told of it
	main    bool // the first port of its transport, which visitors ought to be told of
}

// family is that of the address, in words.
func family(ip netip.Addr) string {
	if ip.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

func (e endpoint) subject() string {
	if e.offered {
		return fmt.Sprintf("%s (%s)", e.url.text, family(e.at.Addr()))
	}
	return fmt.Sprintf("%v/%s", e.at, e.url.transport)
}

// told are the endpoints of URLs: one of each family for those with a name.
func (x *exam) told(ctx context.Context, list []iceURL) (told []endpoint) {
	for _, u := range list {
		for _, ip := range x.where(ctx, u.host) {
			told = append(told, endpoint{url: u, at: netip.AddrPortFrom(ip, u.port), offered: true})
		}
	}
	return told
}

// where are the addresses of the host of a URL.
func (x *exam) where(ctx context.Context, host string) []netip.Addr {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}
	}
	list := x.reachable
	if host != x.target.host {
		ctx, cancel := context.WithTimeout(ctx, stepTimeout)
		defer cancel()
		list, _ = x.cfg.Resolver.LookupNetIP(ctx, "ip", host) // none: nothing is asked
	}
	return oneOfEach(list)
}

// oneOfEach are the first addresses of the families that there are.
func oneOfEach(list []netip.Addr) (one []netip.Addr) {
	for _, ip := range list {
		if ip = ip.Unmap(); !slices.ContainsFunc(one, func(had netip.Addr) bool { return had.Is4() == ip.Is4() }) {
			one = append(one, ip)
		}
	}
	return one
}

// expected are the endpoints where a server listens, or such a server would, and
// of which visitors are not told.
func (x *exam) expected(w *watching, told []endpoint) (list []endpoint) {
	udp, tcp := []uint16{turnPort}, []uint16{turnPort}
	if w != nil {
		udp = w.welcome.UDP
		tcp = slices.DeleteFunc(slices.Clone(w.welcome.TCP), func(port uint16) bool { return port != turnPort })
	}
	for _, ip := range x.reachable {
		for i, port := range udp[:min(len(udp), maxURLs)] {
			list = append(list, endpoint{url: iceURL{transport: "udp", port: port}, at: netip.AddrPortFrom(ip, port), main: i == 0})
		}
		for _, port := range tcp {
			list = append(list, endpoint{url: iceURL{transport: "tcp", port: port}, at: netip.AddrPortFrom(ip, port), main: true})
		}
		if w != nil && slices.Contains(w.welcome.TLS, turnsPort) {
			list = append(list, endpoint{url: iceURL{transport: "tls", host: x.target.host, port: turnsPort}, at: netip.AddrPortFrom(ip, turnsPort)})
		}
	}
	return slices.DeleteFunc(list, func(e endpoint) bool {
		return slices.ContainsFunc(told, func(t endpoint) bool { return t.at == e.at && t.url.transport == e.url.transport })
	})
}

// dialled is a connection to an endpoint.
type dialled struct {
	conn  net.Conn
	err   error               // of UDP or TCP
	chain []*x509.Certificate // of TLS
	shook error               // of the handshake
}

func (x *exam) dial(ctx context.Context, e endpoint) (d dialled) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	network := "tcp"
	if e.url.transport == "udp" {
		network = "udp"
	}
	if d.conn, d.err = new(net.Dialer).DialContext(ctx, network, x.at(e.at).String()); d.err != nil || e.url.transport != "tls" {
		return d
	}
	secure := tls.Client(d.conn, tlsConfig(e.url.host))
	if d.shook = secure.HandshakeContext(ctx); d.shook != nil {
		_ = d.conn.Close() // nothing is left to be said
		return d
	}
	d.conn, d.chain = secure, secure.ConnectionState().PeerCertificates
	return d
}

// binding is what became of a Binding request.
type binding struct {
	endpoint
	track  *track
	mapped netip.AddrPort
	dialed dialled
	err    error
}

func (b *binding) ok() bool { return b.dialed.err == nil && b.dialed.shook == nil && b.err == nil }

// bind asks an endpoint where we come from.
func (x *exam) bind(ctx context.Context, e endpoint, w *watching) *binding {
	b := &binding{endpoint: e, track: &track{watching: w}}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	if b.dialed = x.dial(ctx, e); b.dialed.err != nil || b.dialed.shook != nil {
		return b
	}
	c := turnclient.New(b.dialed.conn, turnclient.Config{Transaction: b.track.transaction})
	defer func() { _ = c.Close() }() // it was used
	b.mapped, b.err = c.Bind(ctx)
	return b
}

// bindAll asks all at once.
func (x *exam) bindAll(ctx context.Context, list []endpoint, w *watching) []*binding {
	found := make([]*binding, len(list))
	var asking sync.WaitGroup
	for i, e := range list {
		asking.Go(func() { found[i] = x.bind(ctx, e, w) })
	}
	asking.Wait()
	return found
}

// judgeUDP is what it means that nothing came back by UDP, with what the server
// saw.
func judgeUDP(at netip.AddrPort, refused bool, v view) (status Status, cause Cause, seen, fix string) {
	port := portText(at)
	switch {
	case v.arrived && v.answered:
		return Fail, UDPOneWay, "your packets arrived (from " + v.from + ") and were answered, the answers were lost on the way back", openWayBack(port)
	case v.arrived:
		return Warn, "", "your packets arrived, and the server kept silent: it has had too many requests from your address", "ask again in a minute"
	case refused:
		return Fail, UDPBlocked, "rejected (ICMP port unreachable): nothing listens there, or a firewall rejects it", setting + "TURN_UDP_ADDR=:" + port + "   and: " + openPort(at.Addr(), "udp", port)
	case v.watched:
		return Fail, UDPBlocked, "your packets left and never arrived: UDP " + port + " is blocked on the way (or your own network lets no UDP out)", openPort(at.Addr(), "udp", port)
	}
	return Fail, UDPBlocked, "no answer in 5 s, and the server cannot say whether anything arrived", openPort(at.Addr(), "udp", port)
}

// ways are what is known of the server when its endpoints are judged.
type ways struct {
	addrs  []netip.Addr        // of the name
	bound  []*binding          // what answered STUN
	roots  *x509.CertPool      // as in Config
	v6dead bool                // the page does not answer at an IPv6 address of the name
	clocks bool                // a clock is an hour off
	right  []netip.Addr        // those of addrs at which the page answers
	told   map[string]bool     // transport and family of which visitors are told, "udp IPv4"
	hosts  map[netip.Addr]bool // addresses of which they are told
}

// answers reports whether STUN has answered at an address.
func (w *ways) answers(ip netip.Addr) bool {
	return slices.ContainsFunc(w.bound, func(b *binding) bool { return b.ok() && b.at.Addr() == ip })
}

// elsewhere is the address of the name at which the same port answers, if the one
// in the URL is another one: then clients are told a wrong address.
func (w *ways) elsewhere(e endpoint) (netip.Addr, bool) {
	if slices.Contains(w.addrs, e.at.Addr()) {
		return netip.Addr{}, false
	}
	for _, b := range w.bound {
		if b.ok() && b.at.Port() == e.at.Port() && b.at.Addr() != e.at.Addr() && b.at.Addr().Is4() == e.at.Addr().Is4() &&
			slices.Contains(w.addrs, b.at.Addr()) {
			return b.at.Addr(), true
		}
	}
	return netip.Addr{}, false
}

func kindOf(e endpoint) string { return e.url.transport + " " + family(e.at.Addr()) }

// judgeBinding is what an answer to a Binding request means, or its lack.
func judgeBinding(b *binding, w *ways) []Check {
	c := Check{ID: "stun-" + b.url.transport, Subject: b.subject(), Status: OK}
	if !b.offered {
		c.ID = "port"
	}
	if b.ok() {
		c.Seen = "you come from " + b.mapped.String()
		if b.main && !w.told[kindOf(b.endpoint)] {
			c.Status, c.Seen = Warn, "answers, and visitors are not told of it: the server did not reach it itself"
			c.Fix = "journalctl -u wasmp2pchat | grep withheld   says why: mostly a firewall that closes the server's own address to itself, or " + setting + "PUBLIC_IPS"
		}
		return []Check{c}
	}
	if !b.offered && w.told[kindOf(b.endpoint)] && (!b.main || !w.hosts[b.at.Addr()]) {
		return nil // those that visitors are told of count
	}
	c.judgeSilence(b.endpoint, b.dialed, b.err, b.track.view(), w)
	return []Check{c}
}

// judgeSilence is what it means that an endpoint does not answer.
func (c *Check) judgeSilence(e endpoint, d dialled, err error, v view, w *ways) {
	at := e.at.Addr()
	switch other, moved := w.elsewhere(e); {
	case at.Is6() && noRoute(d.err):
		c.Status, c.Seen = Skip, "this machine has no IPv6"
		return
	case moved:
		c.fail(WrongPublicIP, fmt.Sprintf("nobody answers at %v, of which visitors are told; %v answers, where the name leads", at, other), publicIPs(w.right))
		return
	case d.err != nil && e.url.transport != "udp":
		c.fail(TCPBlocked, dialText(d.err), openPort(at, "tcp", portText(e.at)))
	case d.shook != nil:
		judged := judgeHandshake(d.shook, nil)
		c.Status, c.Cause, c.Seen, c.Fix = judged.Status, judged.Cause, judged.Seen, judged.Fix
		return
	case e.url.transport == "udp":
		refused := errors.Is(errors.Join(d.err, err), syscall.ECONNREFUSED)
		c.Status, c.Cause, c.Seen, c.Fix = judgeUDP(e.at, refused, v)
	default:
		c.fail(PortTaken, "connected, and what answers is not TURN: "+errText(err), "see what has the port: sudo ss -ltnp 'sport = :"+portText(e.at)+"'")
		return
	}
	if at.Is6() && w.v6dead && c.Status == Fail {
		c.Cause = IPv6Dead
	}
}
