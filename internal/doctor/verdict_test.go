package doctor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/internal/turnclient"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// now is when everything here happens.
func now() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func ip(text string) netip.Addr { return netip.MustParseAddr(text) }

func at(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }

// A verdict is what is made of something that was seen.
type verdict struct {
	name   string
	seen   []Check
	status Status // of the worst
	cause  Cause
	fix    string // is part of what mends it
}

// TestVerdicts holds what is made of everything that can be seen, and that each
// cause can be named.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	named := map[Cause]bool{}
	for _, v := range slices.Concat(ofNames(), ofSites(t), ofVisitors(), ofEndpoints(), ofRelays(), ofHosts(), ofWarnings()) {
		var worst Check
		for _, c := range v.seen {
			if c.Status.rank() > worst.Status.rank() {
				worst = c
			}
		}
		if worst.Status != v.status || worst.Cause != v.cause || !strings.Contains(worst.Fix, v.fix) {
			t.Errorf("%s: %s, %q, fix %q; want %s, %q, fix with %q", v.name, worst.Status, worst.Cause, worst.Fix, v.status, v.cause, v.fix)
		}
		if (v.status == Fail || v.status == Warn) && (worst.Fix == "" || worst.Seen == "") {
			t.Errorf("%s: %+v does not say what was seen and what mends it", v.name, worst)
		}
		if v.status == Fail {
			named[v.cause] = true
		}
	}
	for _, cause := range Causes() {
		if (cause == BuffersSmall || cause == DataPlaneFell) != !named[cause] { // these two only slow a server down
			t.Errorf("%s is named: %v", cause, named[cause])
		}
		if cause.Sentence() == string(cause) {
			t.Errorf("%s has no sentence", cause)
		}
	}
}

func ofNames() []verdict {
	const host = "chat.example.org"
	dns := func(err error, right ...netip.Addr) []Check { return judgeDNS(host, nil, err, right) }
	gone := &net.DNSError{Err: "no such host", IsNotFound: true}
	return []verdict{
		{"a name with both", judgeDNS(host, []netip.Addr{ip("192.0.2.1"), ip("2001:db8::1")}, nil, nil), OK, "", ""},
		{"a name with one", judgeDNS(host, []netip.Addr{ip("192.0.2.1")}, nil, nil), OK, "", ""},
		{"no such name", dns(gone), Fail, DNSMissing, "set the A record of chat.example.org"},
		{"no such name, on its host", dns(gone, ip("51.51.51.10"), ip("2a0a::1")), Fail, DNSMissing, "set the AAAA record of chat.example.org to 2a0a::1"},
		{"a name server that is silent", dns(&net.DNSError{Err: "timeout", IsTimeout: true}), Fail, DNSMissing, "record"},
	}
}

// page is a site that is well.
func page(change func(*site)) *site {
	html := []byte(`<!doctype html><link href="app.0123456789ab.wasm">`)
	sum := sha256.Sum256(html)
	s := &site{
		at: at("192.0.2.1:443"), ours: true, version: "v1", page: hex.EncodeToString(sum[:hashBytes]), status: http.StatusOK,
		home: fetched{status: http.StatusOK, kind: "text/html", body: html}, wasm: fetched{status: http.StatusOK, kind: "application/wasm"},
	}
	change(s)
	return s
}

// stranger is a site of somebody else's.
func stranger(status int, server, body string) *site {
	return &site{at: at("192.0.2.1:443"), status: status, server: server, body: []byte(body)}
}

func ofSites(t *testing.T) []verdict {
	t.Helper()
	dial := func(text string, err error, others int) []Check {
		return []Check{judgeTCP(&site{at: at(text), dialErr: err}, others)}
	}
	seen := func(change func(*site)) []Check { return judgePage(page(change)) }
	someoneElse := func(s *site, h hints) []Check { h.host = "chat.example.org"; return []Check{judgeStranger(s, h)} }
	clock := func(apart time.Duration) []Check { return []Check{judgeClock(now().Add(apart), now())} }
	nginx := stranger(http.StatusNotFound, "nginx/1.26", "<html>404")
	return append([]verdict{
		{"an open port", dial("192.0.2.1:443", nil, 0), OK, "", ""},
		{"a silent port", dial("192.0.2.1:443", context.DeadlineExceeded, 0), Fail, TCPBlocked, "nft insert rule inet filter input tcp dport 443 accept"},
		{"a closed port", dial("192.0.2.1:443", syscall.ECONNREFUSED, 0), Fail, TCPBlocked, "start the program"},
		{"a dead AAAA", dial("[2001:db8::dead]:443", syscall.EHOSTUNREACH, 1), Fail, IPv6Dead, "remove the AAAA record 2001:db8::dead"},
		{"all addresses are dead", dial("[2001:db8::dead]:443", syscall.EHOSTUNREACH, 0), Fail, TCPBlocked, "ipv6"},
		{"no IPv6 here", dial("[2001:db8::1]:443", syscall.ENETUNREACH, 1), Skip, "", ""},

		{"a page", seen(func(*site) {}), OK, "", ""},
		{"a page without a client", seen(func(s *site) {
			s.home = fetched{status: http.StatusServiceUnavailable, body: []byte("The browser client is not part of this program.\n")}
		}), Fail, PageMissing, "make"},
		{"a page that somebody changes", seen(func(s *site) { s.page = "000000000000" }), Warn, PageMissing, "cache"},
		{"no wasm", seen(func(s *site) { s.wasm.status = http.StatusNotFound }), Fail, PageMissing, "same build"},
		{"wasm of another type", seen(func(s *site) { s.wasm.kind = "text/plain" }), Fail, PageMissing, "application/wasm"},
		{"a page that comes with an error", seen(func(s *site) { s.home.status = http.StatusForbidden }), Fail, PageMissing, "ADDR"},
		{"a page that does not come", seen(func(s *site) { s.home.err = context.DeadlineExceeded }), Fail, PageMissing, "journalctl"},

		{"a proxy before nobody", someoneElse(stranger(http.StatusBadGateway, "nginx/1.26", "<html>502"), hints{named: true}), Fail, PageMissing, "proxy_pass"},
		{"http to https", someoneElse(stranger(http.StatusBadRequest, "", "Client sent an HTTP request to an HTTPS server."), hints{named: true}), Fail, PageMissing, "https://"},
		{"another server, with our certificate", someoneElse(nginx, hints{named: true, cert: true}), Fail, PortTaken, "ss -ltnp"},
		{"another server, beside STUN", someoneElse(nginx, hints{named: true, stun: true}), Fail, PortTaken, "ss -ltnp"},
		{"another server, on this machine", someoneElse(nginx, hints{named: true, onHost: true}), Fail, PortTaken, "ss -ltnp"},
		{"another server, by address", someoneElse(nginx, hints{}), Fail, PortTaken, "ss -ltnp"},
		{"another host", someoneElse(nginx, hints{named: true}), Fail, DNSElsewhere, "A record of chat.example.org"},
		{"another host, and ours elsewhere", someoneElse(nginx, hints{named: true, others: true, cert: true}), Fail, DNSElsewhere, "A record of chat.example.org"},
		{"no HTTP at all", someoneElse(&site{at: at("192.0.2.1:443"), versionErr: errors.New("malformed HTTP response")}, hints{}), Fail, PortTaken, "ss -ltnp"},

		{"http that leads to https", []Check{judgePlain(at("192.0.2.1:80"), fetched{status: http.StatusMovedPermanently, location: "https://chat.example.org/"})}, OK, "", ""},
		{"http of others", []Check{judgePlain(at("192.0.2.1:80"), fetched{status: http.StatusOK})}, Skip, "", ""},
		{"no http", []Check{judgePlain(at("192.0.2.1:80"), fetched{err: syscall.ECONNREFUSED})}, Skip, "", ""},

		{"a clock that is right", clock(20 * time.Second), OK, "", ""},
		{"a clock two minutes ahead", clock(2 * time.Minute), Warn, ClockOff, "timedatectl"},
		{"a clock an hour late", clock(-time.Hour), Fail, ClockOff, "timedatectl"},
		{"no clock", []Check{judgeClock(time.Time{}, now())}, Skip, "", ""},
	}, ofCertificates(t)...)
}

// pair is a couple who are well, in the room.
func pair(change func(a, b *visitor)) *couple {
	ws := upgrade{asked: true, status: http.StatusSwitchingProtocols}
	p := &couple{}
	for _, v := range []*visitor{&p.a, &p.b} {
		v.upgrade, v.door, v.match = ws, ws, wire.MatchMessage{RoomID: "room"}
		v.lobby = new(websocket.Conn)
	}
	p.b.accept.IsExistClient, p.b.heard = true, wire.SignalCandidate
	change(&p.a, &p.b)
	return p
}

func ofVisitors() []verdict {
	up := func(status int, server, body string) []Check {
		return []Check{judgeUpgrade("/matchmaking", upgrade{asked: true, err: errors.New("no WebSocket"), status: status, server: server, body: []byte(body)})}
	}
	match := func(change func(a, b *visitor)) []Check { return []Check{judgeMatch(pair(change))} }
	room := func(change func(a, b *visitor)) []Check { return []Check{judgeRoom(pair(change))} }
	alone := func(a, b *visitor) {
		a.match, b.match, a.err, b.err = wire.MatchMessage{}, wire.MatchMessage{}, context.DeadlineExceeded, context.DeadlineExceeded
	}
	return []verdict{
		{"an open WebSocket", []Check{judgeUpgrade("/", upgrade{asked: true, status: http.StatusSwitchingProtocols})}, OK, "", ""},
		{"one that was not tried", []Check{judgeUpgrade("/", upgrade{})}, Skip, "", ""},
		{"nginx without Upgrade", up(http.StatusBadRequest, "nginx/1.26", "Bad Request"), Fail, NoUpgrade, "proxy_set_header Upgrade $http_upgrade;"},
		{"Caddy that serves files", up(http.StatusOK, "Caddy", "<html>"), Fail, NoUpgrade, "reverse_proxy"},
		{"nginx without Host", up(http.StatusForbidden, "nginx/1.26", "Forbidden"), Fail, NoUpgrade, "proxy_set_header Host $host;"},
		{"Apache without Host", up(http.StatusForbidden, "Apache/2.4", "Forbidden"), Fail, NoUpgrade, "ProxyPreserveHost On"},
		{"Apache", up(http.StatusUpgradeRequired, "Apache/2.4", ""), Fail, NoUpgrade, "upgrade=websocket"},
		{"somebody", up(http.StatusUpgradeRequired, "", ""), Fail, NoUpgrade, "HAProxy"},
		{"a proxy before nobody", up(http.StatusBadGateway, "Caddy", ""), Fail, PageMissing, "reverse_proxy"},
		{"too many of one address", up(http.StatusTooManyRequests, "", "too many"), Warn, "", "TRUSTED_PROXIES"},
		{"a full server", up(http.StatusServiceUnavailable, "", "the server is full\n"), Fail, DescriptorsFew, "LimitNOFILE"},
		{"a connection that breaks", up(0, "", ""), Fail, TCPBlocked, "journalctl"},

		{"a match", match(func(_, _ *visitor) {}), OK, "", ""},
		{"no match, and nobody waits", match(func(a, b *visitor) { alone(a, b); a.waiting, b.waiting = 1, 1 }), Fail, NotReady, "one server"},
		{"no match in a crowd", match(func(a, b *visitor) { alone(a, b); a.waiting, b.waiting = 90, 90 }), Warn, "", "MATCH_CROWD"},
		{"two rooms", match(func(_, b *visitor) { b.match.RoomID = "another" }), Fail, NotReady, "several servers"},
		{"a server that stops", match(func(a, b *visitor) { alone(a, b); a.err = errors.New("ERROR " + wire.ErrorShuttingDown) }), Fail, NotReady, "start"},
		{"a ban", match(func(a, b *visitor) { alone(a, b); a.err = errors.New("ERROR " + wire.ErrorBanned) }), Warn, "", "later"},

		{"a room", room(func(_, _ *visitor) {}), OK, "", ""},
		{"another secret", room(func(a, _ *visitor) { a.reject, a.joined = wire.RejectNotFound, errRejected }), Fail, SecretMismatch, "WASMP2PCHAT_ROOM_SECRET"},
		{"a webhook that says no", room(func(a, _ *visitor) { a.reject, a.joined = "no", errRejected }), Fail, NotReady, "AUTHN_WEBHOOK"},
		{"a room that breaks", room(func(_, b *visitor) { b.joined = net.ErrClosed }), Fail, NotReady, "journalctl"},
		{"two rooms of one name", room(func(_, b *visitor) { b.accept.IsExistClient = false }), Fail, NotReady, "one server"},
		{"a room that is silent", room(func(_, b *visitor) { b.heard = "" }), Fail, NotReady, "journalctl"},
		{"no room", room(func(a, _ *visitor) { a.match.RoomID = "" }), Skip, "", ""},
	}
}

func ofEndpoints() []verdict {
	udp := func(refused bool, v view) []Check {
		var c Check
		c.Status, c.Cause, c.Seen, c.Fix = judgeUDP(at("192.0.2.1:3478"), refused, v)
		return []Check{c}
	}
	stun := endpoint{url: iceURL{text: "stun:192.0.2.1:3478", transport: "udp"}, at: at("192.0.2.1:3478"), offered: true}
	elsewhere := stun
	elsewhere.at = at("192.0.2.99:3478")
	here := &binding{endpoint: stun, track: new(track), mapped: at("198.51.100.1:7")}
	known := &ways{addrs: []netip.Addr{ip("192.0.2.1")}, right: []netip.Addr{ip("192.0.2.1")}, bound: []*binding{here}, told: map[string]bool{}, hosts: map[netip.Addr]bool{}}
	judge := func(e endpoint, d dialled, err error, w *ways) []Check {
		return judgeBinding(&binding{endpoint: e, track: new(track), dialed: d, err: err, mapped: at("198.51.100.1:7")}, w)
	}
	secret, tcp, v6 := stun, stun, stun
	secret.offered, secret.main = false, true
	tcp.url.transport = "tcp"
	v6.at = at("[2001:db8::1]:3478")
	dead := *known
	dead.v6dead = true
	return []verdict{
		{"UDP that never arrives", udp(false, view{watched: true}), Fail, UDPBlocked, "input udp dport 3478 accept"},
		{"UDP that nobody watches", udp(false, view{}), Fail, UDPBlocked, "input udp dport 3478 accept"},
		{"UDP that is rejected", udp(true, view{watched: true}), Fail, UDPBlocked, "TURN_UDP_ADDR"},
		{"UDP whose answer is lost", udp(false, view{watched: true, arrived: true, answered: true}), Fail, UDPOneWay, "output udp sport 3478 accept"},
		{"UDP that is not answered", udp(false, view{watched: true, arrived: true}), Warn, "", "minute"},
		{"an answer", judge(stun, dialled{}, nil, known), OK, "", ""},
		{"an answer of which nobody is told", judge(secret, dialled{}, nil, known), Warn, "", "withheld"},
		{"silence", judge(stun, dialled{}, turnclient.ErrNoAnswer, &ways{}), Fail, UDPBlocked, "udp dport"},
		{"silence at another address", judge(elsewhere, dialled{}, turnclient.ErrNoAnswer, known), Fail, WrongPublicIP, "WASMP2PCHAT_PUBLIC_IPS=192.0.2.1 "},
		{"a closed TCP port", judge(tcp, dialled{err: syscall.ECONNREFUSED}, nil, &ways{}), Fail, TCPBlocked, "tcp dport 3478 accept"},
		{"a TCP port of others", judge(tcp, dialled{}, turnclient.ErrNoAnswer, &ways{}), Fail, PortTaken, "ss -ltnp"},
		{"no IPv6 here", judge(v6, dialled{err: syscall.ENETUNREACH}, nil, known), Skip, "", ""},
		{"a dead IPv6 address", judge(v6, dialled{}, turnclient.ErrNoAnswer, &dead), Fail, IPv6Dead, "ipv6"},
	}
}

func ofRelays() []verdict {
	url := iceURL{text: "turn:192.0.2.1:3478?transport=udp", turn: true, transport: "udp"}
	known := &ways{addrs: []netip.Addr{ip("51.51.51.10")}, right: []netip.Addr{ip("51.51.51.10")}}
	good := func(change func(*relaying)) *relaying {
		r := &relaying{
			endpoint: endpoint{url: url, at: at("51.51.51.10:3478"), offered: true}, track: new(track),
			relayed: [2]netip.AddrPort{at("51.51.51.10:50000"), at("51.51.51.10:50001")}, asked: true,
			direct: direct{tried: true, in: true, out: true},
		}
		change(r)
		return r
	}
	refused := func(code int, w *ways) []Check {
		return judgeRelaying(good(func(r *relaying) { r.err = &turnclient.RefusedError{Code: code} }), w, now())
	}
	through := func(d direct, relayed string) []Check {
		return judgeDirect([]*relaying{good(func(r *relaying) { r.direct, r.relayed[0] = d, at(relayed) })}, true, known, [2]uint16{49152, 65535})
	}
	late := &ways{clocks: true}
	return []verdict{
		{"a relay", judgeRelaying(good(func(*relaying) {}), known, now()), OK, "", ""},
		{"a relay that loses", judgeRelaying(good(func(r *relaying) { r.hop[1] = turnclient.ErrNoAnswer }), known, now()), Fail, RelayPortsBlocked, "svc=turn"},
		{"another secret", refused(turnclient.Unauthorized, known), Fail, SecretMismatch, "WASMP2PCHAT_TURN_SECRETS"},
		{"another clock", refused(turnclient.Unauthorized, late), Fail, ClockOff, "set-ntp"},
		{"a limit", refused(turnclient.QuotaReached, known), Fail, CredentialsRefuse, "TURN_MAX_ALLOCATIONS"},
		{"no port left", refused(turnclient.NoCapacity, known), Fail, PortsFew, "TURN_RELAY_PORTS"},
		{"something else", refused(turnclient.Forbidden, known), Fail, CredentialsRefuse, "LOG_LEVEL"},
		{"no answer", judgeRelaying(good(func(r *relaying) { r.err = turnclient.ErrNoAnswer }), known, now()), Fail, UDPBlocked, "udp dport"},

		{"through the firewall", through(direct{tried: true, in: true, out: true}, "51.51.51.10:50000"), OK, "", ""},
		{"not through it", through(direct{tried: true}, "51.51.51.10:50000"), Fail, RelayPortsBlocked, "udp dport 49152-65535 accept"},
		{"not back", through(direct{tried: true, in: true}, "51.51.51.10:50000"), Fail, UDPOneWay, "udp sport 49152-65535 accept"},
		{"to an address of nobody", through(direct{tried: true}, "51.51.51.99:50000"), Fail, WrongPublicIP, "PUBLIC_IPS=51.51.51.10 "},
		{"to an inner address", through(direct{skipped: "no route"}, "10.0.0.10:50000"), Fail, WrongPublicIP, "PUBLIC_IPS=51.51.51.10 "},
		{"to another address, not tried", through(direct{skipped: "no partner"}, "51.51.51.99:50000"), Warn, WrongPublicIP, "PUBLIC_IPS"},
		{"not tried", through(direct{skipped: "no partner"}, "51.51.51.10:50000"), Skip, "", ""},

		{"private peers are refused", []Check{judgePrivate([]*relaying{good(func(*relaying) {})})}, OK, "", ""},
		{"private peers are not", []Check{judgePrivate([]*relaying{good(func(r *relaying) { r.open = []netip.Addr{ip("10.0.0.1")} })})}, Fail, PrivatePeersOpen, "WASMP2PCHAT_TURN_PEERS=room"},
		{"private peers were not tried", []Check{judgePrivate(nil)}, Skip, "", ""},

		{"STUN and TURN", []Check{judgeServers(oneServer(), now().Add(time.Minute), &site{date: now(), asked: time.Now()}, nil)}, OK, "", ""},
		{"nothing", []Check{judgeServers(nil, time.Time{}, &site{}, nil)}, Fail, "", "withheld"},
		{"a credential of yesterday", []Check{judgeServers(oneServer(), now().Add(-time.Minute), &site{date: now(), asked: time.Now()}, nil)}, Fail, ClockOff, "set-ntp"},
	}
}

func oneServer() []wire.ICEServer {
	return []wire.ICEServer{{URLs: []string{"stun:192.0.2.1:3478"}}, {URLs: []string{"turn:192.0.2.1:3478?transport=udp"}, Username: "u", Credential: "p"}}
}

func ofHosts() []verdict {
	h := &Host{Own: []netip.Addr{ip("51.51.51.10")}}
	inner := &Host{Own: []netip.Addr{ip("10.0.0.10")}}
	proxied := &Host{Own: h.Own, Proxied: true}
	leads := func(to string, h *Host, f *Facts) []Check {
		return []Check{judgeAddress("chat.example.org", []netip.Addr{ip(to)}, h, f)}
	}
	listen := func(err error) []Check {
		c, bad := judgeListen(Listen{"TURN_UDP_ADDR", "udp", ":3478"}, fmt.Errorf("listen: %w", err))
		if !bad {
			c.Status = OK
		}
		return []Check{c}
	}
	facts := func(change func(*Facts)) []Check {
		f := &Facts{
			Descriptors: Descriptors{Limit: 20000, WebSockets: 9000, Allocations: 4500, Wanted: 10000}, Ports: Ports{First: 49152, Last: 65535},
			Buffers: Buffers{Wanted: 4 << 20, Receive: 4 << 20, Send: 4 << 20}, DataPlane: DataPlane{Asked: "auto", Taken: "batch"},
			URLs: []OwnURL{{URL: "turn:192.0.2.1:3478", OK: true}},
		}
		change(f)
		return judgeFacts(f)
	}
	return []verdict{
		{"the name leads here", leads("51.51.51.10", h, nil), OK, "", ""},
		{"the name leads elsewhere", leads("51.51.51.12", h, nil), Fail, DNSElsewhere, "set the A record of chat.example.org to 51.51.51.10"},
		{"the name leads to the outer side of a NAT", leads("51.51.51.10", inner, &Facts{PublicIPs: h.Own}), OK, "", ""},
		{"the name leads past a NAT", leads("51.51.51.12", inner, &Facts{PublicIPs: h.Own}), Fail, DNSElsewhere, "51.51.51.10"},
		{"nobody knows the outer side", leads("51.51.51.12", inner, nil), Skip, "", ""},
		{"the name leads to a proxy", leads("51.51.51.12", proxied, nil), Skip, "", ""},

		{"a port that can be had", listen(nil), OK, "", ""},
		{"a port of others", listen(syscall.EADDRINUSE), Fail, PortTaken, "ss -lnp 'sport = :3478'"},
		{"a port of root", listen(syscall.EACCES), Fail, NotReady, "setcap cap_net_bind_service"},
		{"an address of others", listen(syscall.EADDRNOTAVAIL), Fail, NotReady, "WASMP2PCHAT_TURN_UDP_ADDR=:3478"},

		{"a host that is well", facts(func(*Facts) {}), OK, "", ""},
		{"64 files", facts(func(f *Facts) { f.Descriptors = Descriptors{64, 28, 14, 10000} }), Fail, DescriptorsFew, "LimitNOFILE"},
		{"4096 files", facts(func(f *Facts) { f.Descriptors = Descriptors{4096, 1842, 921, 10000} }), Warn, DescriptorsFew, "LimitNOFILE"},
		{"no relay port was left", facts(func(f *Facts) { f.Ports = Ports{50000, 50009, 3, 7} }), Fail, PortsFew, "TURN_RELAY_PORTS=49152-65535"},
		{"ten relay ports", facts(func(f *Facts) { f.Ports = Ports{50000, 50009, 3, 0} }), Warn, PortsFew, "TURN_RELAY_PORTS=49152-65535"},
		{"small buffers", facts(func(f *Facts) { f.Buffers.Receive = 208 << 10 }), Warn, BuffersSmall, "sysctl -w net.core.rmem_max=4194304"},
		{"another plane", facts(func(f *Facts) { f.DataPlane.Asked = "ebpf" }), Warn, DataPlaneFell, "setcap cap_bpf"},
		{"a URL that is withheld", facts(func(f *Facts) { f.URLs[0] = OwnURL{URL: "turn:192.0.2.1:3478", Reason: "no answer"} }), Warn, "", "iif lo accept"},
		{"a server that starts", facts(func(f *Facts) { f.NotReady = "starting" }), Fail, NotReady, "journalctl"},
		{"no server", []Check{judgeNoFacts(syscall.ECONNREFUSED, false)}, Fail, NotReady, "systemctl start"},
		{"a server that does not say", []Check{judgeNoFacts(syscall.ECONNREFUSED, true)}, Warn, "", "ADMIN_ADDR"},
	}
}

func ofWarnings() []verdict {
	judge := func(text string) []Check { return []Check{judgeWarning(text)} }
	return []verdict{
		{"a Redis that does not run", judge("redis is down: connect to 10.0.0.5:6379: connect: connection refused (redis://10.0.0.5:6379); this node pairs its own visitors only"), Fail, RedisDown, "sudo systemctl start redis-server   on 10.0.0.5; redis-cli"},
		{"a Redis behind a firewall", judge("redis is down: it does not answer: look whether it runs, and at what is between us (rediss://redis.example:6380/1); this node pairs its own visitors only"), Fail, RedisDown, "tcp dport 6380 accept   on redis.example,"},
		{"another password", judge("redis is down: the user or the password in the address is wrong, or the user is off (WRONGPASS) (redis://10.0.0.5:6379); this node pairs its own visitors only"), Fail, RedisDown, "WASMP2PCHAT_REDIS_URL and restart"},
		{"a Redis without memory", judge("redis is down: its memory is full: raise its maxmemory, or give us a server of our own (OOM) (unix:///run/redis.sock); this node pairs its own visitors only"), Fail, RedisDown, "redis-cli"},
		{"nodes that do not believe one another", judge("secrets differ: node n2 has another ROOM_SECRET than this node"), Fail, SecretMismatch, "WASMP2PCHAT_ROOM_SECRET"},
		{"two nodes of one name", judge("two processes are called n1: set WASMP2PCHAT_NODE_ID to another name on one of them"), Warn, "", "set WASMP2PCHAT_NODE_ID"},
		{"the DNS", judge("DNS of chat.example.org says A 192.0.2.1, this machine is 192.0.2.2 (interfaces): set the A record to 192.0.2.2"), Warn, DNSElsewhere, "set the A record to 192.0.2.2"},
		{"the certificate", judge("certificate: not renewed"), Warn, TLSExpired, "certificate"},
		{"PUBLIC_IPS", judge("PUBLIC_IPS says 10.0.0.1, but interfaces say 192.0.2.2: set WASMP2PCHAT_PUBLIC_IPS=192.0.2.2 or remove it"), Warn, WrongPublicIP, "PUBLIC_IPS=192.0.2.2"},
		{"anything", judge("something"), Warn, "", "something"},
	}
}
