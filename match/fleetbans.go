package match

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
)

// Bans hold in a fleet. Each node has all of them, in memory and in its file, and
// judges by itself. What changes is told to the others at once; a node that was
// down or cut off learns it from a BanStore. Of what two nodes say of the same
// device or address, the later counts, by their clocks. A report counts at each
// node that is told of it, and each draws the conclusions; one that was not may
// draw them later.

// BanStore is where the nodes of a fleet keep the bans that hold. It keeps what
// it is given by marks, as it is.
type BanStore interface {
	// Load is all that is kept.
	Load(ctx context.Context) (map[string][]byte, error)
	// Watch sets what is called when the store is back, perhaps without what was
	// kept. It is called before anything is served.
	Watch(back func())
	// Save puts records in the place of what was there, and drops others.
	Save(ctx context.Context, put map[string][]byte, drop []string) error
}

const (
	// syncEvery is how often a node compares its bans with those that are kept:
	// for so long it may not know of one it was not told of.
	syncEvery = 30 * time.Second
	// syncTime is how long that may take.
	syncTime = 5 * time.Second
	// warnAfter is how many times in a row it fails before that is logged: at the
	// start the store may not be there yet.
	warnAfter = 2
	// maxTimes bounds how often somebody was banned, as others tell: ten times
	// lead to the longest ban.
	maxTimes = 1 << 10
	// maxReasonKinds bounds the reasons of a ban that others tell.
	maxReasonKinds = 8
	// maxNameBytes bounds the name of a ban that others tell.
	maxNameBytes = 32
	// maxAhead is how far the clock of another node may be ahead.
	maxAhead = time.Minute
)

// charge is what is told with toldComplaint: a report, and against whom it counts.
type charge struct {
	complaint
	About []accused `json:"about"`
}

type accused struct {
	Mark mark   `json:"mark"`
	Kind string `json:"kind"`
}

func (m *charge) check() error {
	if m.At.IsZero() || !within(m.Reason, MaxReasonBytes) || !m.Addr.valid() || !m.User.valid() || len(m.About) > 2 {
		return errTold
	}
	for _, a := range m.About {
		if !a.Mark.valid() || !banKind(a.Kind) {
			return errTold
		}
	}
	return nil
}

func (m mark) valid() bool { return len(m) == 2*markBytes }

func banKind(kind string) bool { return kind == BanDevice || kind == BanAddress }

// ruling is what is told with toldBan, and what is kept: that somebody is banned
// or, with Lifted, no longer.
type ruling struct {
	Mark   mark      `json:"mark"`
	Times  int       `json:"times,omitempty"`
	Ban    Ban       `json:"ban,omitzero"`
	Lifted time.Time `json:"lifted,omitzero"` // bans from before are over

	// Of a ban by the operator, so that it ends what the banned one has; it is told,
	// and not kept.
	Device string `json:"device,omitempty"`
	Addr   string `json:"addr,omitempty"` // a network
}

func (m *ruling) check() error {
	ban := &m.Ban
	switch {
	case !m.Mark.valid():
		return errTold
	case !m.Lifted.IsZero():
		return nil
	case !within(ban.Name, maxNameBytes), !banKind(ban.Kind), len(ban.Reasons) > maxReasonKinds, len(ban.Reason) > MaxReasonBytes:
		return errTold
	case ban.Since.IsZero(), !ban.Until.After(ban.Since), ban.Until.Sub(ban.Since) > longestBan, m.Times < 1, m.Times > maxTimes:
		return errTold
	}
	return nil
}

// at is when it was said.
func (m *ruling) at() time.Time {
	if m.Lifted.IsZero() {
		return m.Ban.Since
	}
	return m.Lifted
}

// over tells that it means nothing any more: no ban from before it still holds.
func (m *ruling) over(now time.Time) bool {
	if m.Lifted.IsZero() {
		return !m.Ban.Until.After(now)
	}
	return now.Sub(m.Lifted) > longestBan
}

// after tells whether it was said later than the other one. Of two at once a ban is
// what was lifted, and of two bans all nodes take the same.
func (m *ruling) after(other *ruling) bool {
	if order := m.at().Compare(other.at()); order != 0 {
		return order > 0
	}
	if lifts := !m.Lifted.IsZero(); lifts == other.Lifted.IsZero() {
		return lifts
	}
	return m.Ban.Name > other.Ban.Name
}

// share tells the others of bans that were made or lifted here.
func (b *Bans) share(list ...ruling) {
	for i := range list {
		if b.tell != nil {
			b.tell(toldBan, &list[i])
		}
		b.wake()
	}
}

// wake makes the store be looked at soon.
func (b *Bans) wake() {
	select {
	case b.synced <- struct{}{}:
	default: // it is about to be
	}
}

// hear counts a report that came to another node, as it did there.
func (b *Bans) hear(m *charge, peoplePerAddr int, now time.Time) {
	if age := now.Sub(m.At); age > reportWindow || age < -maxAhead {
		return
	}
	var made []ruling
	b.mu.Lock()
	for _, a := range m.About {
		s := suspect{a.Mark, a.Kind, 1}
		if a.Kind == BanAddress {
			s.people = peoplePerAddr
		}
		if s.people > 0 {
			made = append(made, b.count(s, m.complaint, now)...)
		}
	}
	b.mu.Unlock()
	b.share(made...)
}

// learn takes over what another node says, if it is news.
func (b *Bans) learn(m *ruling, now time.Time) (news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if known := b.known(m.Mark, now); m.over(now) || known != nil && !m.after(known) {
		return false
	}
	b.changed, b.urgent = true, true
	if !m.Lifted.IsZero() {
		*b.lifted.touch(m.Mark, now) = m.Lifted
		b.culprits.drop(m.Mark)
		return true
	}
	r := record{Kind: m.Ban.Kind, Times: m.Times, Ban: m.Ban}
	if old := b.culprits.find(m.Mark, now); old != nil {
		r.Times = max(r.Times, old.Times)
	}
	b.suspects.drop(m.Mark)
	*b.culprits.touch(m.Mark, now) = r
	return true
}

// known is the latest that is known of a mark, nil if nothing. b.mu is held.
func (b *Bans) known(who mark, now time.Time) *ruling {
	var latest *ruling
	if r := b.culprits.find(who, now); r != nil {
		latest = &ruling{Mark: who, Times: r.Times, Ban: r.Ban}
	}
	if at := b.lifted.find(who, now); at != nil {
		if m := (&ruling{Mark: who, Lifted: *at}); latest == nil || m.after(latest) {
			latest = m
		}
	}
	return latest
}

// sync takes over from the store what is news here, and gives it what is news
// there. What nobody can read is left to whoever wrote it.
func (b *Bans) sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, syncTime)
	defer cancel()
	kept, err := b.cfg.Store.Load(ctx)
	if err != nil {
		return err
	}
	now, drop := time.Now(), []string(nil)
	for key, text := range kept {
		var m ruling
		switch {
		case parseTold(text, &m) != nil || string(m.Mark) != key:
		case m.over(now):
			drop = append(drop, key)
		default:
			b.learn(&m, now)
		}
	}
	put := b.missing(kept, now)
	if len(put)+len(drop) == 0 {
		return nil
	}
	return b.cfg.Store.Save(ctx, put, drop)
}

// missing is what holds here and the store does not have.
func (b *Bans) missing(kept map[string][]byte, now time.Time) map[string][]byte {
	put := map[string][]byte{}
	add := func(who mark) {
		m, there := b.known(who, now), new(ruling)
		if m == nil || m.over(now) {
			return
		}
		if text, is := kept[string(who)]; is && (json.Unmarshal(text, there) != nil || !m.after(there)) {
			return
		}
		put[string(who)] = marshal(m)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.culprits.all(func(_ time.Time, who mark, _ *record) { add(who) })
	b.lifted.all(func(_ time.Time, who mark, _ *time.Time) { add(who) })
	return put
}

// serveStore keeps the store and the bans here the same until ctx ends.
func (b *Bans) serveStore(ctx context.Context) {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for failed := 0; ctx.Err() == nil; {
		switch err := b.sync(ctx); {
		case err == nil && failed >= warnAfter:
			b.cfg.Log.Info("bans are kept for other nodes again")
			fallthrough
		case err == nil:
			failed = 0
		case ctx.Err() == nil:
			if failed++; failed == warnAfter {
				b.cfg.Log.Warn("bans are not kept for other nodes", "err", err.Error())
			}
		}
		select {
		case <-tick.C:
		case <-b.synced:
		case <-ctx.Done():
		}
	}
}

// takeBan takes over a ban of another node. What the operator has banned there is
// sent away here.
func (o *others) takeBan(m *ruling) {
	l, bans := o.lobby, o.lobby.cfg.Bans
	if !bans.learn(m, time.Now()) || !m.Ban.Operator {
		return
	}
	c, network := culprit{kind: m.Ban.Kind, device: m.Device}, netip.Prefix{}
	if c.kind == BanAddress {
		var err error
		if network, err = netip.ParsePrefix(m.Addr); err != nil {
			return
		}
		c.addr = network.Addr()
	}
	if bans.mark(c.kind, c.value()) != m.Mark {
		return // it was made with another secret
	}
	l.sendAway(&c, m.Ban)
	if rooms := l.meetings.roomsOf(c.is); l.cfg.Banned != nil {
		l.cfg.Banned(rooms, network)
	}
}

// value is what the mark of a culprit is made of.
func (c *culprit) value() string {
	if c.kind == BanDevice {
		return c.device
	}
	return arrivals.Source(c.addr).String()
}
