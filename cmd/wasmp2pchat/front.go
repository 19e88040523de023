package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/wasmp2pchat/wasmp2pchat/internal/edge"
	"github.com/wasmp2pchat/wasmp2pchat/internal/edge/address"
	"github.com/wasmp2pchat/wasmp2pchat/internal/edge/certs"
	"github.com/wasmp2pchat/wasmp2pchat/internal/succession"
	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// front is what the world sees of the server: its addresses, its certificate,
// and the public port, through which page, WebSockets and TURN come in.
type front struct {
	line        *succession.Line
	sockets     *sockets
	addresses   *address.Keeper
	certificate *certs.Keeper // nil: no TLS
	door        *edge.Door    // of ADDR
	plain       *edge.Door    // of REDIRECT_ADDR; nil: off
	redirect    *httpServer
	addr        net.Addr // of door
	domain      string
	publicPort  uint16 // that a proxy passes on to door; 0: none does
}

// frontEvents are told while the server serves, and must not wait.
type frontEvents struct {
	moved   func(address.Addresses) // clients are to be told other addresses
	renewed func()                  // there is another certificate
}

// toldTo tells the relay, which is there before anything happens.
func toldTo(relay **turnsvc.Server, log *slog.Logger) frontEvents {
	return frontEvents{
		moved:   func(now address.Addresses) { advertise(*relay, now, log) },
		renewed: func() { (*relay).Recheck() },
	}
}

// openFront finds the addresses, reads the certificate if there is one, and
// listens.
func openFront(ctx context.Context, cfg *config, w world, tell frontEvents, log *slog.Logger) (f *front, err error) {
	f = &front{line: w.line, domain: cfg.Domain, publicPort: cfg.PublicPort}
	if f.sockets, err = inheritSockets(w.manager.passed, w.line); err != nil {
		return nil, err
	}
	if f.addresses, err = findAddresses(ctx, cfg, tell.moved, log.With("svc", "address")); err != nil {
		return nil, err
	}
	if f.certificate, err = openCertificate(cfg, f.publicIPs, tell.renewed, log.With("svc", "tls")); err != nil {
		return nil, err
	}
	log = log.With("svc", "front")
	if f.door, f.addr, err = openDoor(ctx, cfg, f.sockets, cfg.Addr, f.tlsConfig(), log); err != nil {
		return nil, listenHint(err, "ADDR")
	}
	if cfg.redirectAddr() == "" {
		return f, nil
	}
	f.plain, _, err = openDoor(ctx, cfg, f.sockets, cfg.redirectAddr(), nil, log)
	if err != nil { // nobody is kept from chatting, and certificates come without it too
		log.Warn("http is not redirected to https", "err", err.Error(), "hint", listenAdvice(err, "REDIRECT_ADDR")+" or to off")
		return f, nil
	}
	_ = f.plain.TURN().Close() // nobody is told that TURN is here; never fails
	f.redirect = newHTTPServer(f.plain.HTTP(), f.certificate.HTTPChallenge(edge.Redirect(cfg.Domain, cmp.Or(int(f.publicPort), portOf(f.addr)))), log)
	return f, nil
}

// openDoor listens on an address.
func openDoor(ctx context.Context, cfg *config, sockets *sockets, at listenAddr, secure *tls.Config, log *slog.Logger) (*edge.Door, net.Addr, error) {
	listener, err := sockets.Listen(ctx, "tcp", string(at))
	if err != nil {
		return nil, nil, err
	}
	share := shareDescriptors(cfg.TURN.MaxAllocations)
	return edge.New(wsconn.Watch(listener), edge.Config{
		TLS: secure, Proxies: cfg.TrustedProxies, MaxConns: share.webSockets + share.turnConns, MaxPerAddr: doorPerAddr(cfg), Log: log,
	}), listener.Addr(), nil
}

// part is what becomes of it, and of the server behind it, when there is a newer process:
// those who have just come are somebody, too.
func (f *front) part(web *httpServer) succession.Part {
	part := web.part()
	open := part.Left
	part.Left = func() int {
		n := open() + f.door.Stats().Opening
		if f.plain != nil {
			n += f.plain.Stats().Opening
		}
		return n
	}
	return part
}

// setLimits changes how many connections one address may have.
func (f *front) setLimits(cfg *config) {
	for _, door := range []*edge.Door{f.door, f.plain} {
		if door != nil {
			door.SetMaxPerAddr(doorPerAddr(cfg))
		}
	}
}

// doorPerAddr is how many connections one address may have to the public port:
// twice what the services let it have, so that theirs are the limits that count.
// An allocation may take two connections. However few those are, the page comes
// to a whole office behind one address.
func doorPerAddr(cfg *config) int {
	if !countsAddresses(cfg) {
		return -1
	}
	return max(edge.DefaultMaxPerAddr, 2*(cfg.WS.MaxPerIP+2*cfg.TURN.MaxPerIP))
}

// publicIPs are what clients are told now.
func (f *front) publicIPs() []netip.Addr { return f.addresses.Current().List() }

func (f *front) tlsConfig() *tls.Config {
	if f.certificate == nil {
		return nil
	}
	return f.certificate.TLSConfig()
}

// stream is how the relay gets those who come to the public port for it.
func (f *front) stream() turnsvc.Stream {
	return turnsvc.Stream{Listener: f.door.TURN(), Secure: f.certificate != nil, Port: f.publicPort}
}

// serve does all of it until ctx ends.
func (f *front) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts := []func(context.Context) error{f.door.Serve, f.addresses.Serve}
	if f.certificate != nil {
		parts = append(parts, untilRetired(f.line, f.certificate.Serve)) // a newer process renews it then
	}
	if f.plain != nil {
		parts = append(parts, f.serveRedirects)
	}
	ended := make(chan error, len(parts))
	for _, part := range parts {
		go func() { // waited for below
			ended <- part(ctx)
			cancel() // one without the others is no front
		}()
	}
	var all error
	for range parts {
		all = errors.Join(all, <-ended)
	}
	return all
}

// serveRedirects serves the plain port: requests under way end before its door.
func (f *front) serveRedirects(ctx context.Context) error {
	open, shut := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- f.plain.Serve(open) }() // waited for below
	err := f.redirect.serve(ctx)
	shut()
	return errors.Join(err, <-ended)
}

// observe tells the addresses how visitors have found us, which those know who
// typed an address, and has browsers come by TLS if there is any.
func (f *front) observe(next http.Handler) http.Handler {
	if f.certificate != nil {
		next = edge.HSTS(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at, atErr := netip.ParseAddr(strings.Trim(hostname(r.Host), "[]"))
		from, fromErr := netip.ParseAddrPort(r.RemoteAddr)
		if atErr == nil && fromErr == nil {
			f.addresses.Observe(at, from.Addr())
		}
		next.ServeHTTP(w, r)
	})
}

// hostname is a Host header without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// warnings is what an operator ought to mend, though the server serves.
func (f *front) warnings() []string {
	var list []string
	for _, c := range f.addresses.Contradictions() {
		list = append(list, c.Text)
	}
	if f.certificate != nil {
		if status := f.certificate.Status(); status.Err != "" {
			list = append(list, "certificate: "+status.Err)
		}
	}
	return list
}

// url is where people find the page.
func (f *front) url() string {
	if f.certificate == nil {
		return "http://" + reachable(f.addr, "localhost")
	}
	name := cmp.Or(f.domain, "localhost")
	at := reachable(f.addr, name)
	if f.publicPort != 0 {
		at = net.JoinHostPort(name, strconv.Itoa(int(f.publicPort)))
	}
	return "https://" + strings.TrimSuffix(at, ":443")
}

func portOf(addr net.Addr) int {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}
