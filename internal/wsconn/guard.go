package wsconn

import (
	"cmp"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
)

// maxSubscribers bounds the memory of a Guard: addresses without a connection
// are forgotten first, so only their rate starts afresh.
const maxSubscribers = 1 << 16

// Limits is what a Guard checks before a connection is upgraded. The zero
// value allows the same host as the only origin and sets no other limit.
type Limits struct {
	Origins        []string                 // besides the same host: "https://example.org", exact; "*" allows all
	Fellow         func(origin string) bool // asked for an origin that is none of these; nil: it is refused
	MaxPerAddr     int                      // connections at once per address (/64 for IPv6); 0: no limit
	MaxTotal       int                      // connections at once in all; 0: no limit
	RatePerAddr    float64                  // new connections a second per address; 0: no limit
	Burst          int                      // how many of them at once; 0: those of 4 seconds, at least 1
	TrustedProxies []netip.Prefix           // whose X-Forwarded-For counts
	Log            *slog.Logger             // nil: silent
}

// Guard stands before the WebSockets of a server and counts them all
// together. It is safe for concurrent use.
type Guard struct {
	limits atomic.Pointer[Limits] // replaced while mu is held
	log    *slog.Logger

	mu    sync.Mutex // guards the fields below
	total int
	subs  map[netip.Prefix]*account
	tidy  int // how many subs there may be before the idle ones are forgotten
	stats GuardStats

	proxySeen sync.Once
}

// GuardStats counts what a Guard has let in and refused.
type GuardStats struct {
	Open           int // connections now
	RefusedOrigin  uint64
	RefusedPerAddr uint64
	RefusedRate    uint64
	RefusedTotal   uint64
}

// account is what one subscriber has open, and how fast it may open more.
type account struct {
	open   int
	budget *rate.Limiter // nil: no limit
}

// NewGuard returns a guard that holds the limits.
func NewGuard(limits Limits) *Guard {
	g := &Guard{log: logger(limits.Log), subs: map[netip.Prefix]*account{}, tidy: maxSubscribers}
	g.limits.Store(&limits)
	return g
}

// SetLimits changes the limits, but not TrustedProxies and Log. Who is in stays
// in, and counts.
func (g *Guard) SetLimits(limits Limits) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.limits.Load()
	limits.TrustedProxies, limits.Log = old.TrustedProxies, old.Log
	g.limits.Store(&limits)
	for _, acc := range g.subs {
		acc.setRate(&limits)
	}
}

// Stats is a snapshot of the guard's counters.
func (g *Guard) Stats() GuardStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	stats := g.stats
	stats.Open = g.total
	return stats
}

// Wrap puts the guard before a handler that upgrades with Hub.Accept: 403 for
// a foreign origin, 429 over a limit per address, 503 when the server is full.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addr := ClientAddr(r, g.limits.Load().TrustedProxies)
		g.lookForProxy(r)
		if !g.originAllowed(r) {
			g.count(&g.stats.RefusedOrigin)
			g.log.Debug("websocket refused", "reason", "origin", "addr", addr)
			http.Error(w, "this origin may not open WebSockets here", http.StatusForbidden)
			return
		}
		status, why := g.enter(addr)
		if status != http.StatusOK {
			g.log.Debug("websocket refused", "reason", why, "addr", addr)
			w.Header().Set("Retry-After", "10")
			http.Error(w, why, status)
			return
		}
		pass := &pass{ResponseWriter: w, addr: addr, guard: g}
		next.ServeHTTP(pass, r)
		pass.returned()
	})
}

// lookForProxy says once if requests seem to come through a proxy that is not
// trusted: every limit per address would count the proxy. A stranger can make
// it say so too, but only once.
func (g *Guard) lookForProxy(r *http.Request) {
	if len(r.Header.Values("X-Forwarded-For")) > 0 && !within(hostAddr(r.RemoteAddr), g.limits.Load().TrustedProxies) {
		g.proxySeen.Do(func() { g.log.Warn("x-forwarded-for does not count here: behind a proxy? set TRUSTED_PROXIES") })
	}
}

// originAllowed holds a browser to the origins that were allowed. A client
// that sends no Origin is not a browser.
func (g *Guard) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || sameHost(origin, r.Host) {
		return true
	}
	limits := g.limits.Load()
	for _, allowed := range limits.Origins {
		if allowed == "*" || strings.EqualFold(allowed, origin) {
			return true
		}
	}
	return limits.Fellow != nil && limits.Fellow(origin)
}

func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}

// enter counts a new connection in, or says with which status it is refused.
func (g *Guard) enter(addr netip.Addr) (status int, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	limits := g.limits.Load()
	if limits.MaxTotal > 0 && g.total >= limits.MaxTotal {
		g.stats.RefusedTotal++
		return http.StatusServiceUnavailable, "the server is full"
	}
	acc := g.account(arrivals.Source(addr))
	if limits.MaxPerAddr > 0 && acc.open >= limits.MaxPerAddr {
		g.stats.RefusedPerAddr++
		return http.StatusTooManyRequests, "too many connections from this address"
	}
	if acc.budget != nil && !acc.budget.Allow() {
		g.stats.RefusedRate++
		return http.StatusTooManyRequests, "too many new connections from this address"
	}
	acc.open++
	g.total++
	return http.StatusOK, ""
}

// account finds or opens the account of a subscriber. g.mu is held.
func (g *Guard) account(sub netip.Prefix) *account {
	acc := g.subs[sub]
	if acc == nil {
		if len(g.subs) >= g.tidy {
			g.forgetIdle()
		}
		acc = new(account)
		acc.setRate(g.limits.Load())
		g.subs[sub] = acc
	}
	return acc
}

// setRate holds the account to a rate. What it has saved up it keeps, up to the new
// burst. The guard's mu is held.
func (acc *account) setRate(limits *Limits) {
	every, burst := rate.Limit(limits.RatePerAddr), cmp.Or(limits.Burst, max(1, int(4*limits.RatePerAddr)))
	switch {
	case every <= 0:
		acc.budget = nil
	case acc.budget == nil:
		acc.budget = rate.NewLimiter(every, burst)
	default:
		acc.budget.SetLimit(every)
		acc.budget.SetBurst(burst)
	}
}

// forgetIdle drops every subscriber without a connection, and puts off the
// next time so that it costs little for each new one. g.mu is held.
func (g *Guard) forgetIdle() {
	for sub, acc := range g.subs {
		if acc.open == 0 {
			delete(g.subs, sub)
		}
	}
	g.tidy = max(maxSubscribers, 2*len(g.subs))
}

func (g *Guard) leave(addr netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	sub := arrivals.Source(addr)
	acc := g.subs[sub]
	acc.open--
	g.total--
	if acc.open == 0 && (acc.budget == nil || acc.budget.TokensAt(time.Now()) >= float64(acc.budget.Burst())) {
		delete(g.subs, sub)
	}
}

func (g *Guard) count(n *uint64) {
	g.mu.Lock()
	*n++
	g.mu.Unlock()
}

// pass is the place that a guard has given to a request, which carries it to
// Hub.Accept. It is given back once: by the connection that it became, else
// when the handler returns.
type pass struct {
	http.ResponseWriter
	addr  netip.Addr
	guard *Guard

	taken bool // by a connection; touched by the handler's goroutine only
}

// Unwrap implements what http.ResponseController looks for.
func (p *pass) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// passOf is the guard's pass of a request, nil if no guard stands before it.
func passOf(w http.ResponseWriter) *pass {
	for {
		switch layer := w.(type) {
		case *pass:
			return layer
		case interface{ Unwrap() http.ResponseWriter }:
			w = layer.Unwrap()
		default:
			return nil
		}
	}
}

func (p *pass) returned() {
	if !p.taken {
		p.guard.leave(p.addr)
	}
}

func logger(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
