package redispool

import (
	"cmp"
	"log/slog"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// The times of the commit and of the lease; the package comment has their reasons.
const (
	askTime     = time.Second             // who has come waits so long for a yes
	promiseTime = 2 * time.Second         // who has promised, for the commit
	repairTime  = time.Second             // who lacks in Redis may have a letter on its way so long
	leaseFor    = 5 * time.Second         // then a node that did not renew its lease is dead to the others
	leaseEvery  = 1250 * time.Millisecond // how often it does
	joinTime    = time.Second             // without a lease for so long a node pairs by itself
	joinEvery   = 100 * time.Millisecond  // how often it tries to get one
	tickEvery   = 50 * time.Millisecond   // how often it is looked whose time has come
	partTime    = askTime                 // who is in the middle of a commit may end it when the pool closes
)

// Bounds of what a node keeps.
const (
	maxWithdrawals = 1 << 14 // of more, who meets one of them is told that it is gone
	maxLetters     = 1 << 14 // of more, the timers of the commit end what is unsaid
	maxSaid        = 1 << 14 // of more, a ghost is possible where Redis forgets
	maxStrangers   = 1 << 12 // of more, two who have not met after all avoid each other
	missedMost     = 1 << 11 // own tickets that one lease call looks for
	takeBackMost   = 1 << 8  // tickets that are taken back from the local pool at once
	takeBackRounds = 1 << 4  // and how often at a tick
)

// Config is what a Pool needs. DB and Node are required, beside what match.PoolConfig
// requires.
type Config struct {
	match.PoolConfig

	DB   *redisdb.DB
	Name string // of the pool: nodes of one name pair their visitors with each other's; "0"
	Node string // this node's id: letters, digits, "-" and "_", 63 at most; no other node has it
	URL  string // where this node's rooms can be joined; empty: on any node

	// Relay is the node whose relay two in a room of this node are to use. It must
	// not wait, nor call the Pool: a lock is held. nil: none is named.
	Relay func(room string) string
	// Claim is told the id of a room that this node is to keep, before anybody
	// else is. It must not wait, nor call the Pool. nil: nobody is told.
	Claim func(room string)

	Log *slog.Logger // nil: silent
}

// Pool is a match.Pool over Redis. New makes it, Serve runs it.
type Pool struct {
	cfg   Config
	store store
	local *match.Memory // pairs who waits while there is no Redis
	born  time.Time     // what its times are counted from: steps of the clock do not matter

	kicked  chan struct{} // there is something to say to Redis; has room for one
	hurry   chan struct{} // the lease is to be looked after now; has room for one
	tells   sync.WaitGroup
	tellers tellers

	mu      sync.Mutex // guards the fields below and all entries; never held while sending
	rules   match.PoolConfig
	closed  bool
	conns   uint64            // numbers given out
	entries map[uint64]*entry // who hopes, or is in the middle of a commit
	moments moments
	crowds  map[string]*crowd
	users   map[string]*user
	lent    map[*entry]struct{} // to the local pool
	relays  map[string]string   // rooms of the local pool of which one was told

	link    link
	epoch   uint64
	owner   string        // Node and epoch
	held    string        // the owner of the last lease
	origin  int64         // born, by the clock of Redis: µs since 1970
	since   time.Duration // when link became what it is
	heads   time.Duration // the last place given out before all others
	others  int           // who wait at other nodes
	nodes   int           // others that live
	waiting int           // here
	read    string        // letters up to this entry of the inbox are done
	missed  int           // up to where in moments Redis was asked for its tickets

	calls       []*entry
	withdrawals []withdrawal
	strangers   []string
	letters     []post
	said        []said

	telling int // pairs that are being told

	todo  todo // what is to be done once mu is free
	stats Stats
}

// link is how the node stands with Redis.
type link uint8

const (
	joining link = iota // has no lease, and waits for one
	linked              // has a lease
	alone               // does without
)

// Stats counts what a Pool has done.
type Stats struct {
	Pairs      uint64 // of which this node has told the one who waited
	Local      uint64 // of these, both were told by this node
	Nacks      uint64 // partners who turned out not to wait any more
	Unanswered uint64 // commits that ended by a timer
	Reoffers   uint64 // offers of who had been offered before
	Ended      uint64 // nobody came
	Epochs     uint64 // leases taken
	Dropped    uint64 // entries and letters in Redis that were none
	Late       uint64 // letters to another epoch, or to nobody
	Lacking    uint64 // tickets that Redis had lost
	Calls      uint64 // of the script
	Failed     uint64 // of these, that were not answered

	Waiting  int       // at this node
	Queue    int       // of these, whose offer was not sent yet
	Nodes    int       // that live, this one included; 0: alone
	Degraded time.Time // since when it pairs without Redis; zero: it does not
}

// New returns a pool that is not served yet. The DB is served after it.
func New(cfg Config) *Pool {
	p := newPool(cfg, newRedis(cfg.DB, cmp.Or(cfg.Name, "0")))
	cfg.DB.Watch(p.watch)
	return p
}

func newPool(cfg Config, s store) *Pool {
	cfg.PoolConfig = cfg.WithDefaults()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Relay == nil {
		cfg.Relay = func(string) string { return "" }
	}
	if cfg.Claim == nil {
		cfg.Claim = func(string) {}
	}
	p := &Pool{
		cfg: cfg, store: s, born: time.Now(), rules: cfg.PoolConfig,
		kicked: make(chan struct{}, 1), hurry: make(chan struct{}, 1),
		entries: map[uint64]*entry{}, crowds: map[string]*crowd{}, users: map[string]*user{},
		tellers: newTellers(), lent: map[*entry]struct{}{}, relays: map[string]string{},
	}
	p.local = match.NewMemory(p.forLocal(cfg.PoolConfig))
	return p
}

func (p *Pool) now() time.Duration { return time.Since(p.born) }

func (p *Pool) kick() { poke(p.kicked) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// entryOf is what the pool knows of t. mu is held.
func (p *Pool) entryOf(t *match.Ticket) *entry {
	if e, known := t.Place.(*entry); known {
		return e
	}
	p.conns++
	e := newEntry(t, p.conns)
	t.Place = e
	return e
}

// Offer implements match.Pool. It does not wait for Redis: whoever is paired is told
// by another goroutine.
func (p *Pool) Offer(t *match.Ticket) {
	p.mu.Lock()
	e, now := p.entryOf(t), p.now()
	switch {
	case e.life.stage == local:
		p.todo.lends = append(p.todo.lends, e.proxy)
	case e.life.stage != arriving || e.spot != nowhere:
	case p.closed:
		p.end(e, now)
		p.todo.ended = append(p.todo.ended, ending{t.Visitor, wire.ErrorShuttingDown})
	default:
		p.enlist(e, now)
		if p.link == alone {
			p.happens(e, event{kind: offered})
		} else {
			p.arrive(e, now)
		}
		if e.spot != standing {
			p.greet(e, now)
		}
	}
	p.unlock()
}

// greet tells a newcomer how many wait.
func (p *Pool) greet(e *entry, now time.Duration) {
	if e.waits() && (!e.greeted || now-e.told >= match.NewsEvery) {
		p.inform(e, now)
	}
}

// Return implements match.Pool.
func (p *Pool) Return(t *match.Ticket) {
	p.mu.Lock()
	e := p.entryOf(t)
	if e.life.stage == told {
		p.happens(e, event{kind: returned})
		now := p.now()
		e.first, e.burnt = true, false
		e.deadline = now + p.rules.MaxWait
		p.enlist(e, now)
	}
	p.unlock()
}

// Cancel implements match.Pool.
func (p *Pool) Cancel(t *match.Ticket) bool {
	p.mu.Lock()
	e := p.entryOf(t)
	hoped := e.hopes()
	p.end(e, p.now())
	p.unlock()
	return hoped
}

// SetRules implements match.Pool. Everybody who waits gets a moment at the next tick,
// in which he comes to stand where he may by now, and looks around.
func (p *Pool) SetRules(r match.Rules) {
	p.mu.Lock()
	before := p.rules.MaxWait
	p.rules = p.rules.With(r)
	local, now := p.forLocal(p.rules), p.now()
	for _, e := range p.entries {
		e.deadline += p.rules.MaxWait - before
		e.relook = now
		p.wake(e, now)
	}
	p.unlock()
	p.local.SetRules(match.Rules{TagWait: local.TagWait, MaxWait: local.MaxWait, Avoid: local.Avoid, Crowd: local.Crowd})
}

// Waiting implements match.Pool: of all nodes, as far as the others have told with
// their leases.
func (p *Pool) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting + p.others
}

// Stats is a snapshot of the pool's counters.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Waiting, s.Queue = p.waiting, len(p.calls)
	switch p.link {
	case linked:
		s.Nodes = p.nodes + 1
	case alone:
		s.Degraded = p.born.Add(p.since)
	}
	return s
}

// put lets e stand somewhere.
func (p *Pool) put(e *entry, s spot) {
	e.spot = s
	p.count(e)
}

// count keeps p.waiting.
func (p *Pool) count(e *entry) {
	if waits := e.waits(); waits != e.counted {
		e.counted = waits
		if waits {
			p.waiting++
		} else {
			p.waiting--
		}
	}
}
