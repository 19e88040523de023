package address

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// findTimeout bounds one round: all sources are asked at once.
	findTimeout = 3 * time.Second
	// checkEvery is how often the sources are asked again, ±10 %.
	checkEvery = 30 * time.Second
	// confirmAfter is how soon they are asked again when something has changed:
	// a change must be seen twice in a row.
	confirmAfter = 5 * time.Second
	// pollEvery is how often the interfaces alone are looked at.
	pollEvery = 5 * time.Second
	// keepFor is how long the last answer of a source counts after the source
	// began to fail: longer than a name server or a metadata service takes to
	// restart, shorter than an address of somebody else's may be told.
	keepFor = 10 * time.Minute
)

// Config says where to look and whom to tell. Public is required; zero fields
// mean the default that they name.
type Config struct {
	PublicIPs []netip.Addr // what the operator says: it wins over everything
	Domain    string       // public name of this server; empty: no DNS is asked
	Proxied   bool         // Domain may name a proxy in front, so the DNS says nothing about us
	Sources   Sources

	Public  func(netip.Addr) bool // whether the world reaches an address
	Changed func(Addresses)       // told of a change that Serve sees, by Serve's goroutine; nil: nobody
	Log     *slog.Logger          // nil: nothing is logged

	// The world. Tests have one of their own.
	Interfaces func() ([]netip.Addr, error)                                         // nil: those of this machine
	Resolver   Resolver                                                             // nil: the system's
	Dial       func(ctx context.Context, network, address string) (net.Conn, error) // for metadata and STUN; nil: a net.Dialer
	DMI        fs.FS                                                                // nil: /sys/class/dmi/id
	Metadata   string                                                               // base URL; empty: http://169.254.169.254
}

// Keeper finds the addresses and keeps them true. Find and Serve run one after
// the other; everything else may be called at any time.
type Keeper struct {
	cfg       Config
	sources   []*source
	sightings sightings
	state     atomic.Pointer[state]

	// Of Find, then of Serve.
	interfaces []netip.Addr // as of the last round
	families   [2]held
	alarms     alarms
}

// state is what others may look at.
type state struct {
	addresses      Addresses
	contradictions []Contradiction
}

// New prepares a keeper and starts nothing. It reads the firmware's name of the
// machine, and asks nobody.
func New(cfg Config) *Keeper {
	cfg.PublicIPs = slices.Clone(cfg.PublicIPs)
	for i, addr := range cfg.PublicIPs {
		cfg.PublicIPs[i] = addr.Unmap()
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Changed == nil {
		cfg.Changed = func(Addresses) {}
	}
	if cfg.Interfaces == nil {
		cfg.Interfaces = interfaceAddrs
	}
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	if cfg.DMI == nil {
		cfg.DMI = os.DirFS("/sys/class/dmi/id")
	}
	if cfg.Metadata == "" {
		cfg.Metadata = metadataURL
	}
	k := &Keeper{cfg: cfg, sources: newSources(&cfg), alarms: alarms{}}
	k.state.Store(&state{})
	return k
}

// errNone is returned when nothing was found.
var errNone = errors.New("this machine has no address that others reach")

// Find asks all sources at once and decides, within 3 seconds. It fails when
// there is no address at all.
func (k *Keeper) Find(ctx context.Context) (Addresses, error) {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	v := k.look(ctx)
	told := v.decide()
	if len(told.List()) == 0 {
		return Addresses{}, errNone
	}
	for i, f := range families() {
		k.families[i] = held{choice: *told.Of(f)}
	}
	k.cfg.Log.Info("addresses found", "ipv4", k.families[0].choice, "ipv6", k.families[1].choice)
	k.publish(v.contradictions(told))
	return told, nil
}

// Current is what clients are to be told now. The zero value: nothing was found.
func (k *Keeper) Current() Addresses { return k.state.Load().addresses }

// Contradictions lists what disagrees now.
func (k *Keeper) Contradictions() []Contradiction { return k.state.Load().contradictions }

// Observe notes that a visitor from one address reached this server at another,
// such as an IP literal in the Host header. Strangers may lie: it takes several
// networks that say the same, and then it is only a contradiction.
func (k *Keeper) Observe(at, from netip.Addr) { k.sightings.add(at, from, time.Now()) }

// Serve asks again and again until ctx ends, and tells of changes. Its error is
// always nil.
func (k *Keeper) Serve(ctx context.Context) error {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	check := time.NewTimer(jitter(checkEvery))
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
			if now, err := k.cfg.Interfaces(); err != nil || slices.Equal(now, k.interfaces) {
				continue
			}
		case <-check.C:
		}
		if ctx.Err() == nil {
			check.Reset(k.round(ctx))
		}
	}
}

// round asks all sources and tells of a change. It returns when to ask again.
func (k *Keeper) round(ctx context.Context) time.Duration {
	asking, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	v := k.look(asking)
	if ctx.Err() != nil {
		return checkEvery // nobody was given time to answer
	}
	told := v.decide()
	if len(told.List()) == 0 {
		return confirmAfter // the network is down: what is told is as good as nothing
	}
	before, changed, pending := k.Current(), false, false
	for i, f := range families() {
		h := &k.families[i]
		gone := h.choice.Ours && !meet(h.choice.Addrs, v.interfaces)
		changed = h.offer(*told.Of(f), gone) || changed
		pending = pending || h.next != nil
	}
	// What disagrees is what disagrees with this round: a change that is yet to
	// be seen twice is no contradiction.
	k.publish(v.contradictions(told))
	if changed {
		now := k.Current()
		k.cfg.Log.Info("addresses changed: new visitors are told the new ones",
			"ipv4", now.IPv4, "ipv6", now.IPv6, "ipv4_before", before.IPv4, "ipv6_before", before.IPv6)
		k.cfg.Changed(now)
	}
	if pending {
		return confirmAfter
	}
	return jitter(checkEvery)
}

// publish lets others see what is held and what disagrees, and logs what is new.
func (k *Keeper) publish(contradictions []Contradiction) {
	now := Addresses{IPv4: k.families[0].choice, IPv6: k.families[1].choice}
	k.state.Store(&state{now, contradictions})
	k.alarms.private(k.cfg.Log, now)
	k.alarms.contradictions(k.cfg.Log, contradictions)
}

// look asks all sources at once. The interfaces are always looked at: they tell
// what is ours.
func (k *Keeper) look(ctx context.Context) view {
	v := view{
		publicIPs: k.cfg.PublicIPs,
		domain:    k.cfg.Domain,
		public:    k.cfg.Public,
		visited:   k.sightings.count(time.Now()),
	}
	v.reports = askAll(ctx, k.sources, k.cfg.Log)
	if now, err := k.cfg.Interfaces(); err == nil {
		k.interfaces = now
	}
	v.interfaces = k.interfaces
	return v
}

// jitter is 90 to 110 % of a pause, which keeps the machines of a fleet from
// asking all at once.
func jitter(pause time.Duration) time.Duration {
	var die [1]byte
	_, _ = rand.Read(die[:]) // never fails
	return pause - pause/10 + pause/5*time.Duration(die[0])/255
}

// held is what is told of one family.
type held struct {
	choice Choice
	next   *Choice // seen once, to be seen again
}

// offer takes what was found in a round, and tells whether it replaces what was
// told. It does so when it is seen twice in a row; or at once when the old
// address is gone from this machine and the new one reaches as far.
func (h *held) offer(found Choice, gone bool) (changed bool) {
	switch {
	case slices.Equal(found.Addrs, h.choice.Addrs):
		h.choice, h.next = found, nil // maybe other sources say so
		return false
	case h.next != nil && slices.Equal(found.Addrs, h.next.Addrs),
		gone && len(found.Addrs) > 0 && found.Private == h.choice.Private:
		h.choice, h.next = found, nil
		return true
	}
	h.next = &found
	return false
}

// LogValue writes a choice as one text.
func (c Choice) LogValue() slog.Value {
	if len(c.Addrs) == 0 {
		return slog.StringValue("none")
	}
	text := join(c.Addrs) + " (" + strings.Join(c.By, ", ")
	if c.NAT {
		text += "; behind NAT"
	}
	return slog.StringValue(text + ")")
}
