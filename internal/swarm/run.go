package swarm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Scenario is what the crowd does.
type Scenario string

// The scenarios.
const (
	Match     Scenario = "match"     // everybody connects, then all ask at once
	Session   Scenario = "session"   // find, join, ten messages, bye; one after another
	Signaling Scenario = "signaling" // a session without the finding, which happens before
	Relay     Scenario = "relay"     // rooms of two play ping-pong with signaling messages
	Idle      Scenario = "idle"      // rooms of two that say nothing
)

// Scenarios are all of them.
func Scenarios() []Scenario { return []Scenario{Match, Session, Signaling, Relay, Idle} }

// The bounds of a run, and what zero fields of a Config mean.
const (
	MaxPeers     = 50_000
	MaxAtOnce    = 1000
	MaxMessages  = 10_000
	MaxAlso      = 15
	MaxPerSecond = 10_000
	MaxUnderWay  = 64 // more would overflow the queue of a client
	MaxFor       = 10 * time.Minute

	DefaultPeers    = 1000
	DefaultAtOnce   = 128
	DefaultMessages = 80
	DefaultUnderWay = 8 // as many as the candidates that trickle ICE sends at once
	DefaultFor      = 30 * time.Second

	// patience is how long nothing may happen before a run is given up.
	patience = 10 * time.Second
	// connectors is how many connections are dialled at the same time.
	connectors = 64
)

// Config says what to do to whom.
type Config struct {
	URL       string   // base URL of the server: http, https, ws or wss; required
	Also      []string // match: the same of other nodes of its fleet, MaxAlso at most; clients go to each in turn
	Insecure  bool     // https and wss: take any certificate
	Scenario  Scenario
	Peers     int           // clients in all, an even number of 2 to MaxPeers; DefaultPeers
	AtOnce    int           // session, signaling: clients under way at a time; DefaultAtOnce
	PerSecond int           // match: so many ask a second, MaxPerSecond at most; 0: all at once
	UnderWay  int           // relay: messages under way in each room; DefaultUnderWay
	Messages  int           // relay: that each client sends; beyond 80 at 18 a second, as servers limit it; DefaultMessages
	For       time.Duration // the run ends then at the latest, idle exactly then; DefaultFor
	Patience  time.Duration // nothing happens for so long: it is over; 10 s

	// OnProgress is told once a second how far the run is. Nil: nobody.
	OnProgress func(Progress)
	// OnMeasure is called when that what is measured begins (true) and when
	// it has ended (false); some scenarios do it several times. Nil: nobody.
	OnMeasure func(begins bool)
}

// Progress is how far a run is.
type Progress struct {
	Phase string // what the crowd is doing
	Open  int    // connections
	Done  int    // of what the scenario counts
	Took  time.Duration
}

func (c *Config) complete() error {
	def(&c.Scenario, Match)
	def(&c.Peers, DefaultPeers)
	def(&c.AtOnce, DefaultAtOnce)
	def(&c.Messages, DefaultMessages)
	def(&c.UnderWay, DefaultUnderWay)
	def(&c.For, DefaultFor)
	def(&c.Patience, patience)
	switch {
	case c.Peers < 2 || c.Peers > MaxPeers || c.Peers%2 != 0:
		return fmt.Errorf("want an even number of 2 to %d peers, not %d", MaxPeers, c.Peers)
	case c.AtOnce < 2 || c.AtOnce > MaxAtOnce:
		return fmt.Errorf("want 2 to %d at once, not %d", MaxAtOnce, c.AtOnce)
	case len(c.Also) > MaxAlso:
		return fmt.Errorf("want %d other nodes at most, not %d", MaxAlso, len(c.Also))
	case c.PerSecond < 0 || c.PerSecond > MaxPerSecond:
		return fmt.Errorf("want 1 to %d requests a second, not %d", MaxPerSecond, c.PerSecond)
	case c.UnderWay < 1 || c.UnderWay > MaxUnderWay:
		return fmt.Errorf("want 1 to %d messages under way, not %d", MaxUnderWay, c.UnderWay)
	case c.Messages < 1 || c.Messages > MaxMessages:
		return fmt.Errorf("want 1 to %d messages, not %d", MaxMessages, c.Messages)
	case c.For < 0 || c.For > MaxFor:
		return fmt.Errorf("want a duration of at most %v, not %v", MaxFor, c.For)
	}
	return nil
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Why a run may end before it is through.
var (
	errTimeUp  = errors.New("time is up")
	errStalled = errors.New("nothing happened any more")
	errRefused = errors.New("the server refuses")
)

// crowd is a run.
type crowd struct {
	cfg     Config
	targets []*target // the first is Config.URL
	born    time.Time
	cancel  context.CancelCauseFunc

	mask          mask
	pong, goodbye []byte

	opened, done atomic.Int64
	asked        atomic.Int64 // requests for a partner: they make the names
	phase        atomic.Pointer[string]
	holding      atomic.Bool // nothing has to happen
	connecting   Histogram
	latency      Histogram
	measured     time.Duration // the scenario's own
	changed      atomic.Int64  // messages that came with their names in another order
	tally        tally

	mu    sync.Mutex // guards the fields below; held while deadlines are set, never while sending
	over  bool
	conns map[*conn]struct{}
}

// Run plays a scenario. The error says why there was nothing to measure, or
// that the server refused (*RefusedError); what went wrong while measuring is
// in the Report, which is there with an error too if anything happened.
// Ending ctx ends the run.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	targets := make([]*target, 0, 1+len(cfg.Also))
	for _, at := range append([]string{cfg.URL}, cfg.Also...) {
		t, err := parseTarget(at, cfg.Insecure)
		if err != nil {
			return nil, err
		}
		if err := t.reach(ctx); err != nil {
			return nil, err
		}
		targets = append(targets, t)
	}
	c := newCrowd(cfg, targets)
	ctx, cancelTime := context.WithTimeoutCause(ctx, cfg.For, errTimeUp)
	defer cancelTime()
	ctx, c.cancel = context.WithCancelCause(ctx)
	hungUp := make(chan struct{})
	context.AfterFunc(ctx, func() { c.hangUp(); close(hungUp) })
	var watching sync.WaitGroup
	watching.Go(func() { c.watch(ctx) })

	c.play(ctx)

	why := context.Cause(ctx) // nil: it is through
	c.cancel(nil)
	<-hungUp
	watching.Wait()
	c.closeAll()
	return c.report(why), c.tally.refusal()
}

func newCrowd(cfg Config, targets []*target) *crowd {
	c := &crowd{cfg: cfg, targets: targets, born: time.Now(), mask: mask{0x37, 0xfa, 0x21, 0x3d}, conns: map[*conn]struct{}{}}
	c.pong = c.mask.frame(opText, []byte(`{"type":"pong"}`))
	c.goodbye = c.mask.frame(opClose, []byte{1000 >> 8, 1000 & 0xff})
	return c
}

func (c *crowd) play(ctx context.Context) {
	switch c.cfg.Scenario {
	case Match:
		c.matchAll(ctx)
	case Session:
		c.sessions(ctx)
	case Signaling:
		c.signaling(ctx)
	case Relay:
		c.relay(ctx)
	case Idle:
		c.idle(ctx)
	default:
		c.tally.fault(fmt.Sprintf("there is no scenario %q", c.cfg.Scenario))
	}
}

// watch tells of the progress, and ends a run in which nothing happens.
func (c *crowd) watch(ctx context.Context) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	look := time.NewTicker(min(time.Second, c.cfg.Patience/4))
	defer look.Stop()
	last, since := int64(0), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-second.C:
			if c.cfg.OnProgress != nil {
				c.cfg.OnProgress(c.progress())
			}
		case <-look.C:
			switch now := c.opened.Load() + c.done.Load() + int64(c.latency.Count()); {
			case now != last || c.holding.Load():
				last, since = now, time.Now()
			case time.Since(since) > c.cfg.Patience:
				c.cancel(errStalled)
			}
		}
	}
}

func (c *crowd) progress() Progress {
	p := Progress{Done: int(c.done.Load()), Took: time.Since(c.born)}
	if phase := c.phase.Load(); phase != nil {
		p.Phase = *phase
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p.Open = len(c.conns)
	return p
}

func (c *crowd) enter(phase string) { c.phase.Store(&phase) }

// measure runs what is measured.
func (c *crowd) measure(f func()) {
	if c.cfg.OnMeasure != nil {
		c.cfg.OnMeasure(true)
		defer c.cfg.OnMeasure(false)
	}
	began := time.Now()
	f()
	c.measured += time.Since(began)
}

// add makes a connection one that ends with the run; false: it is over.
func (c *crowd) add(ws *conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.conns[ws] = struct{}{}
	}
	return !c.over
}

func (c *crowd) remove(ws *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, ws)
}

// deadline sets until when a connection may take, unless the run is over.
func (c *crowd) deadline(ws *conn, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		_ = ws.SetDeadline(at) // fails only if it has ended already
	}
}

// closeAll closes what nobody has closed: the run is over.
func (c *crowd) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ws := range c.conns {
		_ = ws.Close() // nothing is left to be sent
	}
	clear(c.conns)
}

// hangUp makes every connection fail.
func (c *crowd) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for ws := range c.conns {
		_ = ws.SetDeadline(time.Unix(1, 0)) // fails only if it has ended already
	}
}
