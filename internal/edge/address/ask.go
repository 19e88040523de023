package address

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// interfacesName is the name of the source that is this machine itself.
const interfacesName = "interfaces"

// source is somebody who is asked where this machine is.
type source struct {
	name  string
	kind  kind
	named bool // by the operator, who wants to know when it fails
	ask   func(ctx context.Context) ([]netip.Addr, error)

	good   []netip.Addr // the last answer
	goodAt time.Time
	fails  alarm
}

// newSources lists whom to ask.
func newSources(cfg *Config) []*source {
	want := cfg.Sources
	cloud, known := named(cfg.DMI)
	if want.isDefault() {
		want = Sources{Interfaces: true, DNS: true, Metadata: known}
	}
	var list []*source
	add := func(name string, kind kind, ask func(ctx context.Context) ([]netip.Addr, error)) {
		list = append(list, &source{name: name, kind: kind, named: !cfg.Sources.isDefault() || kind == kindDNS, ask: ask})
	}
	service := newMetadata(cfg.Metadata, cfg.Dial)
	clouds := slices.Clone(want.Clouds)
	if want.Metadata && known && !slices.Contains(clouds, cloud) {
		clouds = append(clouds, cloud)
	}
	for _, cloud := range clouds {
		add("metadata ("+string(cloud)+")", kindMetadata, func(ctx context.Context) ([]netip.Addr, error) { return service.ask(ctx, cloud) })
	}
	if want.Metadata && !known && len(clouds) == 0 {
		add("metadata", kindMetadata, service.askEvery)
	}
	for _, server := range want.STUN {
		client := stunClient{cfg.Resolver, cfg.Dial}
		add("stun "+server, kindSTUN, func(ctx context.Context) ([]netip.Addr, error) { return client.ask(ctx, server) })
	}
	if want.Interfaces {
		add(interfacesName, kindInterfaces, func(context.Context) ([]netip.Addr, error) { return cfg.Interfaces() })
	}
	if want.DNS && cfg.Domain != "" && !cfg.Proxied {
		add("DNS", kindDNS, func(ctx context.Context) ([]netip.Addr, error) {
			addrs, err := lookup(ctx, cfg.Resolver, cfg.Domain)
			// A machine often calls its own name 127.0.1.1, in /etc/hosts.
			return slices.DeleteFunc(addrs, netip.Addr.IsLoopback), err
		})
	}
	return list
}

// askAll asks all sources at once and returns when each has answered or ctx has
// ended.
func askAll(ctx context.Context, sources []*source, log *slog.Logger) []report {
	type answer struct {
		addrs []netip.Addr
		err   error
	}
	answers := make([]answer, len(sources))
	var wg sync.WaitGroup
	for i, s := range sources {
		wg.Go(func() {
			addrs, err := s.ask(ctx)
			answers[i] = answer{addrs, err}
		})
	}
	wg.Wait()
	reports := make([]report, len(sources))
	for i, s := range sources {
		reports[i] = report{s.name, s.kind, s.settle(answers[i].addrs, answers[i].err, time.Now())}
		if !errors.Is(ctx.Err(), context.Canceled) { // or else nobody was given time to answer
			s.tell(ctx, log, answers[i].err)
		}
	}
	return reports
}

// settle is what counts of an answer. In the place of a failure stands the last
// good answer for a while, else what there is of this one.
func (s *source) settle(addrs []netip.Addr, err error, now time.Time) []netip.Addr {
	if err == nil {
		s.good, s.goodAt = addrs, now
		return addrs
	}
	if !s.goodAt.IsZero() && now.Sub(s.goodAt) < keepFor {
		return s.good
	}
	return addrs
}

// tell logs when the source begins to fail and when it answers again.
func (s *source) tell(ctx context.Context, log *slog.Logger, err error) {
	level := slog.LevelInfo
	if s.named || s.kind == kindInterfaces {
		level = slog.LevelWarn
	}
	hint := "if it is gone, take it out of " + setting + "ADDRESS_SOURCES"
	if s.kind == kindDNS {
		hint = "give the name in " + setting + "DOMAIN an A or AAAA record, or mend the name server that this machine asks"
	}
	switch edge := s.fails.ring(err != nil); {
	case edge == began && isNotFound(err):
		log.Log(ctx, level, "a source of addresses knows none", "source", s.name, "err", err, "hint", hint)
	case edge == began:
		log.Log(ctx, level, "a source of addresses does not answer: its last answer counts for a while", "source", s.name, "for", keepFor.String(), "err", err, "hint", hint)
	case edge == ended:
		log.Info("a source of addresses answers again", "source", s.name)
	}
}
