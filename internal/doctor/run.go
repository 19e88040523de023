package doctor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// exam is one examination.
type exam struct {
	cfg       Config
	target    *target
	sheet     sheet
	addrs     []netip.Addr // where the server is looked for
	reachable []netip.Addr // those to which this machine has a way
	sites     []*site      // one for each of addrs
	inside    map[netip.Addr]netip.Addr
}

// Run examines a server, in at most half a minute. The error says why nothing
// could be asked.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	t, err := parseTarget(cfg.URL)
	if err != nil {
		return nil, err
	}
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	ctx, cancel := context.WithTimeout(ctx, totalTimeout)
	defer cancel()
	x := &exam{cfg: cfg, target: t}
	version := x.run(ctx)
	for _, s := range x.sites {
		s.client.CloseIdleConnections()
	}
	return x.sheet.report(t.base, version), nil
}

// run does everything, in the order of doc.go.
func (x *exam) run(ctx context.Context) (version string) {
	facts, factsErr := x.askFacts(ctx)
	x.addrs = x.lookFor(x.addresses(ctx, facts), facts)
	x.sites = x.visitAll(ctx, x.addrs)
	for _, s := range x.sites {
		if !noRoute(s.dialErr) {
			x.reachable = append(x.reachable, s.at.Addr())
		}
	}
	good := slices.DeleteFunc(slices.Clone(x.sites), func(s *site) bool { return !s.ours })
	x.examineHost(ctx, facts, factsErr, len(good) > 0)
	if len(good) == 0 {
		x.examineStranger(ctx)
		x.sheet.explain(PortTaken, NotReady, TCPBlocked)
		x.sheet.explain(NotReady, TCPBlocked)
		return ""
	}
	x.judgeSites(hints{})
	x.examineServices(ctx, good)
	x.sheet.explain(DescriptorsFew, CredentialsRefuse, PortsFew, PortTaken, NotReady, NoUpgrade, TCPBlocked, UDPBlocked, RelayPortsBlocked)
	return good[0].version
}

// lookFor are the addresses at which the server is looked for: those of its name.
// On its own machine those of other hosts are not, and those that are known
// outside only, with 1:1 NAT, are asked within.
func (x *exam) lookFor(named []netip.Addr, f *Facts) []netip.Addr {
	h := x.cfg.Host
	if h == nil {
		return named
	}
	if _, literal := x.target.literal(); !literal && len(named) > 0 {
		x.sheet.add(judgeAddress(x.target.host, named, h, f))
	}
	var list []netip.Addr
	for _, ip := range named {
		if h.Proxied || ip.IsLoopback() || slices.Contains(h.own(f), ip) {
			list = append(list, ip)
		}
	}
	if len(list) == 0 && f != nil {
		list = f.PublicIPs
	}
	x.inside = h.hidden(f)
	return list[:min(len(list), maxAddresses)]
}

// at is where an address is asked.
func (x *exam) at(to netip.AddrPort) netip.AddrPort {
	if inner, ok := x.inside[to.Addr()]; ok {
		return netip.AddrPortFrom(inner, to.Port())
	}
	return to
}

// judgeSites writes down what was seen at each address.
func (x *exam) judgeSites(h hints) {
	open := 0
	for _, s := range x.sites {
		if s.dialErr == nil {
			open++
		}
	}
	for _, s := range x.sites {
		x.sheet.add(judgeTCP(s, open))
		if s.dialErr != nil {
			continue
		}
		c := Check{Status: OK}
		if x.target.secure {
			if c = judgeCertificate(s.chain, x.target.host, x.cfg.Roots, x.cfg.Now()); s.tlsErr != nil {
				c = judgeHandshake(s.tlsErr, s.opening)
			}
			c.Subject = s.at.String()
			x.sheet.add(c)
		}
		if s.tlsErr != nil {
			continue
		}
		if s.ours {
			x.sheet.add(judgePage(s)...)
		} else {
			h.host, h.cert, h.others = x.target.host, x.target.secure && c.Status != Fail, x.answersElsewhere(s)
			_, literal := x.target.literal()
			h.named = !literal
			h.onHost = x.onHost() // where only its own addresses are looked at
			x.sheet.add(judgeStranger(s, h))
		}
		clock := judgeClock(s.date, s.asked)
		clock.Subject = s.at.String()
		if s.ours || clock.Status == Skip {
			x.sheet.add(clock)
		}
	}
}

func (x *exam) answersElsewhere(not *site) bool {
	return slices.ContainsFunc(x.sites, func(s *site) bool { return s != not && s.ours })
}

// examineStranger looks at the ports of a server whose page does not answer: what
// answers there tells whether it is the right machine.
func (x *exam) examineStranger(ctx context.Context) {
	list := x.expected(nil, nil)
	bound := x.bindAll(ctx, list, nil)
	stun := slices.ContainsFunc(bound, func(b *binding) bool { return b.ok() })
	x.judgeSites(hints{stun: stun})
	if stun {
		x.judgeBound(bound, list)
	}
	if len(x.addrs) > 0 {
		x.sheet.add(Check{ID: "websocket", Status: Skip, Seen: "the program does not answer"}, Check{ID: "match", Status: Skip, Seen: "the program does not answer"})
	}
}

// judgeBound writes down what STUN has answered.
func (x *exam) judgeBound(bound []*binding, told []endpoint) *ways {
	w := x.ways(bound, told)
	for _, b := range bound {
		x.sheet.add(judgeBinding(b, w)...)
	}
	return w
}

func (x *exam) ways(bound []*binding, told []endpoint) *ways {
	w := &ways{addrs: x.addrs, bound: bound, roots: x.cfg.Roots, told: map[string]bool{}, hosts: map[netip.Addr]bool{}}
	for _, e := range told {
		w.told[kindOf(e)], w.hosts[e.at.Addr()] = true, true
	}
	for _, s := range x.sites {
		if s.ours {
			w.right = append(w.right, s.at.Addr())
		}
		w.v6dead = w.v6dead || s.at.Addr().Is6() && s.dialErr != nil
		w.clocks = w.clocks || judgeClock(s.date, s.asked).Status == Fail
	}
	return w
}

// examineServices does what visitors do, where the program answers.
func (x *exam) examineServices(ctx context.Context, good []*site) {
	first := good[0]
	w, err := x.watch(ctx, first)
	if err != nil {
		w = nil
		x.sheet.add(Check{ID: "probe", Subject: "/doctor/probes", Status: Skip, Seen: errText(err)})
	}
	var plain sync.WaitGroup
	plain.Go(func() { x.askPlain(ctx, first) })
	defer plain.Wait()
	p := x.meet(ctx, first, good[len(good)-1])
	defer p.leave()
	x.sheet.add(judgeUpgrade("/matchmaking", p.a.upgrade), judgeUpgrade("/signaling", p.a.door), judgeMatch(p), judgeRoom(p))

	a, b := p.servers()
	matched := len(a) > 0
	if !matched {
		a, b = x.askServers(ctx, first)
	}
	x.sheet.add(judgeServers(a, p.a.match.ExpiresAt, first, w))
	from := p.seenFrom(w)
	if !matched {
		from = netip.Addr{} // such credentials know nobody's address
	}
	x.examineRelay(ctx, first, w, [2][]wire.ICEServer{a, b}, from)
}

// examineRelay tries STUN and TURN by every way.
func (x *exam) examineRelay(ctx context.Context, s *site, w *watching, members [2][]wire.ICEServer, from netip.Addr) {
	told := x.told(ctx, urls(members[0]))
	turn := slices.DeleteFunc(slices.Clone(told), func(e endpoint) bool { return !e.url.turn })
	stun := slices.DeleteFunc(slices.Clone(told), func(e endpoint) bool { return e.url.turn })
	var relayed []*relaying
	done := make(chan struct{})
	go func() { // waited for below
		defer close(done)
		relayed = x.relayAll(ctx, turn, w, members, from)
	}()
	bound := x.bindAll(ctx, append(stun, x.expected(w, told)...), w)
	<-done
	ports := [2]uint16{49152, 65535}
	if w != nil {
		ports = w.welcome.Relay
		if err := x.recall(ctx, s, w); err != nil {
			x.sheet.add(Check{ID: "probe", Subject: "/doctor/probes", Status: Skip, Seen: errText(err)})
		} else {
			x.sheet.add(Check{ID: "probe", Subject: "/doctor/probes", Status: OK, Seen: fmt.Sprintf("the server saw %d requests of ours", len(w.seen))})
		}
	}
	view := x.judgeBound(bound, told)
	for _, r := range relayed {
		x.sheet.add(judgeRelaying(r, view, x.cfg.Now())...)
	}
	x.sheet.add(judgeDirect(relayed, true, view, ports)...)
	x.sheet.add(judgeDirect(relayed, false, view, ports)...)
	x.sheet.add(judgePrivate(relayed))
	if w != nil {
		x.sheet.add(judgeSource(w.welcome.From, bound, x.onHost())...)
	}
}

// askServers asks for the credentials of /check, when there was no match.
func (x *exam) askServers(ctx context.Context, s *site) (a, b []wire.ICEServer) {
	text, err := x.call(ctx, s, http.MethodGet, "/check/servers", http.StatusOK)
	if err != nil {
		return nil, nil
	}
	return parseServers(text)
}
