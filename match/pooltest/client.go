package pooltest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
)

// Slack is how late a pool may be with what depends on time, on a clock that is
// never late itself.
const Slack = 250 * time.Millisecond

// Maker makes the pool of one check. The check runs its Serve.
type Maker func(t *testing.T, cfg match.PoolConfig) match.Pool

// world is a pool that is served, and those who come.
type world struct {
	t        *testing.T
	pool     match.Pool
	unit     time.Duration
	slack    time.Duration      // Slack, or more on a real clock
	patience time.Duration      // with what is to happen
	stop     context.CancelFunc // ends Serve and waits for it
	count    int                // who came, for addresses of their own

	mu    sync.Mutex // guards the fields below
	log   []happening
	drawn map[string]bool // names of rooms that the pool has drawn
	rooms int             // names in all
}

// name is a new one for a room.
func (w *world) name(kind string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rooms++
	name := fmt.Sprint(kind, "-", w.rooms)
	if kind == drawnByPool {
		w.drawn[name] = true
	}
	return name
}

// Who has given a room its name.
const (
	drawnByPool = "new"
	prepared    = "prepared"
)

// admission is the id of a room.
func admission(name string) string { return "admission to " + name }

// happening is one thing that somebody was told, or could not be told.
type happening struct {
	who     *client
	at      time.Time
	end     string        // why it ended; empty: a meeting
	meeting match.Meeting // of which it was told
	failed  bool          // it could not be
}

func (w *world) write(h happening) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h.at = time.Now()
	w.log = append(w.log, h)
}

// open starts a pool. MaxWait is far away unless it is set.
func open(t *testing.T, newPool Maker, unit time.Duration, cfg match.PoolConfig) *world {
	t.Helper()
	w := &world{t: t, unit: unit, drawn: map[string]bool{}}
	cfg.RoomName, cfg.RoomID = func() string { return w.name(drawnByPool) }, admission
	if cfg.MaxWait == 0 {
		cfg.MaxWait = time.Hour
	}
	if cfg.TagWait == 0 {
		cfg.TagWait = time.Hour
	}
	w.pool = newPool(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- w.pool.Serve(ctx) }() // waited for in stop
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
	return w
}

// pass lets time pass.
func (w *world) pass(d time.Duration) { <-time.After(d) }

// settles lets a pool that does not decide at once decide what it was offered.
func (w *world) settles() { w.pass(w.slack) }

// errGone is what cannot be told anything says.
var errGone = errors.New("the connection is gone")

// client is a visitor of whom a check decides what he is.
type client struct {
	w      *world
	ticket *match.Ticket

	mu       sync.Mutex
	presence match.Presence
	deaf     bool // Meet fails
	met      []match.Meeting
	ends     []string
	news     []int
	newsAt   []time.Time
	probes   int
	asked    int           // how often Meet was called
	happened chan struct{} // a token when something did, if there is room
}

// option changes a ticket before it is offered.
type option func(*match.Ticket)

func tags(tags ...string) option { return func(t *match.Ticket) { t.Tags = tags } }

func from(addr string) option {
	return func(t *match.Ticket) { t.Addr = netip.MustParseAddr(addr) }
}

// prepares draws a room for a ticket, as the visitors do who prepare theirs.
func (w *world) prepares() option {
	return func(t *match.Ticket) { t.RoomName = w.name(prepared) }
}

// make is somebody from an address of his own who has not asked yet.
func (w *world) make(user string, options ...option) *client {
	w.count++
	c := &client{w: w, happened: make(chan struct{}, 1)}
	c.ticket = &match.Ticket{
		Party: match.Party{User: user, Addr: netip.AddrFrom4([4]byte{51, byte(w.count >> 16), byte(w.count >> 8), byte(w.count)})},
		Since: time.Now(), Visitor: c,
	}
	for _, o := range options {
		o(c.ticket)
	}
	return c
}

// comes is make, and he asks.
func (w *world) comes(user string, options ...option) *client {
	c := w.make(user, options...)
	w.pool.Offer(c.ticket)
	return c
}

// becomes changes how his connection looks; rests, that he is here again and
// his reader rests.
func (c *client) becomes(p match.Presence) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.presence = p
}

func (c *client) rests() {
	c.becomes(match.Here)
	c.w.pool.Offer(c.ticket)
}

// Presence implements match.Visitor.
func (c *client) Presence() match.Presence {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.presence
}

// Probe implements match.Visitor.
func (c *client) Probe() { c.note(func() { c.probes++ }) }

// Meet implements match.Visitor.
func (c *client) Meet(m match.Meeting) (err error) {
	c.note(func() {
		c.asked++
		c.w.write(happening{who: c, meeting: m, failed: c.deaf})
		if c.deaf {
			err = errGone
			return
		}
		c.met = append(c.met, m)
	})
	return err
}

// News implements match.Visitor.
func (c *client) News(waiting int) {
	c.note(func() {
		c.news = append(c.news, waiting)
		c.newsAt = append(c.newsAt, time.Now())
	})
}

// End implements match.Visitor.
func (c *client) End(reason string) {
	c.note(func() {
		c.ends = append(c.ends, reason)
		c.w.write(happening{who: c, end: reason})
	})
}

func (c *client) note(what func()) {
	c.mu.Lock()
	what()
	c.mu.Unlock()
	select {
	case c.happened <- struct{}{}:
	default:
	}
}

// within waits until something is true of c.
func (c *client) within(d time.Duration, what string, is func() bool) {
	c.w.t.Helper()
	deadline := time.NewTimer(d + c.w.patience)
	defer deadline.Stop()
	for {
		c.mu.Lock()
		ok := is()
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-c.happened:
		case <-deadline.C:
			c.mu.Lock()
			met, ends := slices.Clone(c.met), slices.Clone(c.ends)
			c.mu.Unlock()
			c.w.t.Fatalf("%s (%v): not %s within %v; meetings %v, ends %v", c.ticket.User, c.ticket.Tags, what, d, met, ends)
		}
	}
}

// meets holds that c and other are told of each other, and of nobody else.
func (c *client) meets(other *client) {
	c.w.t.Helper()
	c.meetsWithin(c.w.slack, other)
}

func (c *client) meetsWithin(d time.Duration, other *client) {
	c.w.t.Helper()
	c.within(d, "matched", func() bool { return len(c.met) > 0 })
	other.within(d, "matched", func() bool { return len(other.met) > 0 })
	mine, his := c.met[0], other.met[0]
	if len(c.met) != 1 || len(other.met) != 1 || mine.RoomID != his.RoomID || mine.RoomName != his.RoomName || mine.Side == his.Side {
		c.w.t.Fatalf("%s was told %v, %s %v; want one room and both sides", c.ticket.User, c.met, other.ticket.User, other.met)
	}
	if mine.Partner != other.ticket.Party || his.Partner != c.ticket.Party {
		c.w.t.Fatalf("%s was told that he meets %v, %s that he meets %v", c.ticket.User, mine.Partner, other.ticket.User, his.Partner)
	}
}

// cannotBeTold makes every Meet fail from now on; returns makes c one who has
// not been told anything, and offers him again.
func (c *client) cannotBeTold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaf = true
}

func (c *client) returns() {
	c.w.t.Helper()
	if c.ticket.RoomName != "" {
		c.w.prepares()(c.ticket)
	}
	c.w.pool.Return(c.ticket)
	c.mu.Lock()
	c.met, c.asked = nil, 0
	c.mu.Unlock()
	c.w.pool.Offer(c.ticket)
}

// askedOnce holds that somebody who cannot be told was told once.
func (c *client) askedOnce() {
	c.w.t.Helper()
	c.within(c.w.slack, "told", func() bool { return c.asked > 0 })
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked != 1 || len(c.met) != 0 {
		c.w.t.Errorf("%s was told of a match %d times and heard %v, want once and in vain", c.ticket.User, c.asked, c.met)
	}
}

// waits holds that nothing has been decided for those who are named.
func waits(clients ...*client) {
	for _, c := range clients {
		c.w.t.Helper()
		c.mu.Lock()
		asked, met, ends := c.asked, c.met, c.ends
		c.mu.Unlock()
		if asked > 0 || len(ends) > 0 {
			c.w.t.Fatalf("%s (%v) was told %v %v, want to wait", c.ticket.User, c.ticket.Tags, met, ends)
		}
	}
}

// ended holds that c is told the reason within d, and nothing else.
func (c *client) ended(d time.Duration, reason string) {
	c.w.t.Helper()
	c.within(d, "told the end", func() bool { return len(c.ends) > 0 })
	if len(c.ends) != 1 || c.ends[0] != reason || len(c.met) > 0 {
		c.w.t.Fatalf("%s was told %v %v, want %s", c.ticket.User, c.met, c.ends, reason)
	}
}
