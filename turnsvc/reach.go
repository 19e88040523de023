package turnsvc

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// How often Serve looks whether clients can come by the URLs. What was not
// reached is looked at once more soon: a certificate may be under way, or the
// machine was busy.
const (
	reachEvery = 5 * time.Minute
	reachSoon  = 15 * time.Second
)

// Reached is what a look at one URL has found. A stun: URL goes with the turn:
// URL of the same socket.
type Reached struct {
	URL string
	OK  bool // a client that comes so is answered
	// Reason says what is wrong; with OK, that browsers may not trust the issuer of
	// the certificate. Empty: nothing.
	Reason string
	// Asked is where the question was sent: the address of the URL, or of the name
	// in it, if that is on an interface of this machine. Else, which 1:1 NAT means,
	// it was the socket itself, and whether the outside leads there is not known.
	Asked  netip.AddrPort
	Inside bool // Asked is the socket itself
}

// Reach asks a Binding request of this server along every URL that it could
// offer, all at once and in at most 3 s: over UDP, TCP and TLS with Domain as the
// server name. It sends nothing beyond this machine, and changes nothing: Serve
// looks for itself, when it starts, every 5 minutes and after Recheck.
func (s *Server) Reach(ctx context.Context) []Reached { return s.reach(ctx, s.ways()) }

func (s *Server) reach(ctx context.Context, ways []way) []Reached {
	list := make([]Reached, len(ways))
	var asking sync.WaitGroup
	for i, w := range ways {
		asking.Go(func() { list[i] = s.look(ctx, w) })
	}
	asking.Wait()
	return list
}

func (s *Server) look(ctx context.Context, w way) Reached {
	distrust, err := s.ask(ctx, w)
	r := Reached{URL: w.url, OK: err == nil, Asked: w.asked, Inside: w.inside}
	switch {
	case err != nil:
		r.Reason = fmt.Sprintf("ask %v: %v", w.asked, err)
	case distrust != nil:
		r.Reason = distrust.Error()
	}
	return r
}

// Recheck makes Serve look again at once whether clients can come, for instance
// after the certificate has changed. It does not wait.
func (s *Server) Recheck() {
	select {
	case s.offer.again <- struct{}{}:
	default: // it is going to
	}
}

// An offer is what clients are told, and why not more.
type offer struct {
	urls     atomic.Pointer[[]string]
	withheld atomic.Int64 // ways that clients are not told, because they were not reached
	again    chan struct{}

	// Only watch touches these.
	found  map[string]finding // by URL
	looked bool
}

func newOffer() *offer {
	o := &offer{again: make(chan struct{}, 1)}
	o.urls.Store(new([]string))
	return o
}

// A finding is what was found last about a URL.
type finding struct {
	told     bool // clients may be told
	failed   int  // times in a row
	distrust bool // the issuer of the certificate is not known here
}

// maxFailed is how often in a row a URL that was reached before may fail until it
// is withheld: a machine that is too busy to answer itself in time would else
// have no relay for those who come meanwhile.
const maxFailed = 1

func (f finding) next(r Reached) finding {
	if r.OK {
		return finding{told: true, distrust: r.Reason != ""}
	}
	failed := f.failed + 1
	return finding{told: f.told && failed <= maxFailed, failed: failed, distrust: f.distrust}
}

// watch looks whether clients can come, again and again, until ctx ends.
func (s *Server) watch(ctx context.Context) {
	if s.cfg.blind {
		<-ctx.Done()
		return
	}
	soon := true // once
	for {
		ways := s.ways()
		found := s.reach(ctx, ways)
		if ctx.Err() != nil {
			return
		}
		s.publish(ways, found)
		wait, whole := reachEvery, !slices.ContainsFunc(found, func(r Reached) bool { return !r.OK })
		if soon && !whole {
			wait = reachSoon
		}
		soon = whole
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.offer.again:
			soon = true
		case <-timer.C:
		}
		timer.Stop()
	}
}

// after is the finding after a look. One that was one connection too many says
// nothing: strangers who take all of them must not take the URLs, too, nor fill
// the log.
func (s *Server) after(before finding, w way, r Reached) finding {
	if !r.OK && w.transport != "udp" && s.crowd.Full() {
		return before
	}
	return before.next(r)
}

// publish tells clients of the ways that were found to be good.
func (s *Server) publish(ways []way, results []Reached) {
	o := s.offer
	found := map[string]finding{}
	var good []way
	for i, w := range ways {
		before, known := o.found[w.url]
		now := s.after(before, w, results[i])
		found[w.url] = now
		s.report(results[i], before, now, known)
		if now.told {
			good = append(good, w)
		}
	}
	urls := choose(good)
	changed := !o.looked || !slices.Equal(urls, *o.urls.Load())
	o.found, o.looked = found, true
	o.withheld.Store(int64(len(ways) - len(good)))
	if changed {
		o.urls.Store(&urls)
		s.cfg.Offered()
		s.tellOffer(urls)
	}
}

// tellOffer logs what clients are told.
func (s *Server) tellOffer(urls []string) {
	switch {
	case s.cfg.Elsewhere:
		return
	case len(urls) > 0:
		s.log.Info("turn offers", "urls", urls)
		return
	}
	s.log.Warn("turn offers nothing: who needs STUN or the relay cannot chat", "public_ips", s.PublicIPs(),
		"hint", "let an address in WASMP2PCHAT_TURN_UDP_ADDR be reached at one of these; what was tried is above")
}

// report logs what has changed for one URL.
func (s *Server) report(r Reached, before, now finding, known bool) {
	switch {
	case !now.told && (before.told || !known):
		s.log.Warn("turn url withheld", "url", r.URL, "why", r.Reason)
	case now.told && known && !before.told:
		s.log.Info("turn url offered again", "url", r.URL)
	}
	if now.distrust && !before.distrust {
		s.log.Warn("turn url offered with a certificate that this machine does not trust", "url", r.URL, "why", r.Reason)
	}
}
