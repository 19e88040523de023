package match

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// Memory is the pool of one process.
type Memory struct {
	cfg  PoolConfig
	born time.Time // what its times are counted from: steps of the clock do not matter

	introducing sync.WaitGroup // those who Serve lets meet

	mu      sync.Mutex // guards the fields below and the places of all tickets; never held while sending
	closed  bool
	waiting int    // tickets in that state
	looks   uint64 // how often somebody looked for a partner
	roll    list   // all that have no partner yet, who was told longest ago how many wait at the head
	wheel   wheel
	queues  queues
	met     acquaintances
	crowds  map[netip.Prefix]*crowd
	users   map[string]*user

	spareCrowds []*crowd
	spareUsers  []*user
}

// NewMemory returns an empty pool.
func NewMemory(cfg PoolConfig) *Memory {
	return &Memory{
		cfg: cfg.WithDefaults(), born: time.Now(),
		queues: newQueues(), met: newAcquaintances(),
		crowds: map[netip.Prefix]*crowd{}, users: map[string]*user{},
	}
}

func (p *Memory) now() time.Duration { return time.Since(p.born) }

// outcome is what is to be said and done once the lock is given back.
type outcome struct {
	first, second *Ticket // a pair; nil: none. The first is told first
	ended         *Ticket // is told that it will not be matched
	greeted       int     // it is to be told that so many wait; 0: nothing

	silent  [maxDoubts + 1]*Ticket // are asked for a sign of life
	silents int
}

func (o *outcome) probe() {
	for _, t := range o.silent[:o.silents] {
		t.Visitor.Probe()
	}
}

// Offer implements Pool.
func (p *Memory) Offer(t *Ticket) {
	for {
		var o outcome
		p.offer(t, &o)
		o.probe()
		switch {
		case o.ended != nil:
			t.Visitor.End(wire.ErrorShuttingDown)
			return
		case o.first == nil:
			if o.greeted > 0 {
				t.Visitor.News(o.greeted)
			}
			return
		}
		bereft := p.introduce(o.first, t)
		if bereft == nil {
			return
		}
		p.again(bereft, false)
		t = bereft
	}
}

// offer pairs t with who waits, or lets it wait.
func (p *Memory) offer(t *Ticket, o *outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, m := p.now(), &t.memory
	if m.state != arriving {
		return
	}
	if p.closed {
		p.move(t, ended)
		p.delist(t, now)
		o.ended = t
		return
	}
	p.enlist(t, now)
	p.move(t, offered)
	first := m.first
	if w := p.arrive(t, now, o); w != nil {
		if p.isHere(t, now, o) {
			p.pair(w, t, now, o)
		} else {
			m.first = first // it has not waited
		}
		return
	}
	if !m.greeted || now-m.told >= NewsEvery {
		o.greeted = p.waiting
		p.tell(t, now)
	}
}

// arrive finds a partner for a newcomer, or the place where it waits.
func (p *Memory) arrive(t *Ticket, now time.Duration, o *outcome) (partner *Ticket) {
	m := &t.memory
	switch {
	case now < m.notBefore:
		m.spot = resting
		return nil
	case p.isCrowded(m.crowd):
		p.hold(t, now, m.first)
		p.settle(m.crowd, now)
		return nil
	}
	p.admit(t, now)
	again := false
	if p.users[t.User] == nil {
		partner = p.seek(t, now, glance, o)
		again = m.due <= now // it has not seen everybody
	}
	if partner == nil {
		p.line(t, now)
		if !again && m.spot == queued {
			p.schedule(t, now)
		}
	}
	return partner
}

// pair takes two out of the pool for each other.
func (p *Memory) pair(first, second *Ticket, now time.Duration, o *outcome) {
	o.first, o.second = first, second
	for _, t := range [...]*Ticket{first, second} {
		p.move(t, paired)
		p.delist(t, now)
	}
	if p.cfg.Avoid > 0 { // at once: both may have another tab that waits
		second.memory.meets = p.met.note(first, second, now, now-p.cfg.Avoid)
	}
}

// introduce gives two visitors a room. The first has waited: if he cannot be
// told, he is gone and the other has lost nothing. The same is so if the second is
// gone before anybody was told. It returns the other one then, else nil.
func (p *Memory) introduce(first, second *Ticket) (bereft *Ticket) {
	if v, far := second.Visitor.(distant); far && !v.There() {
		p.Cancel(second)
		p.neverMet(second)
		return first
	}
	name := first.RoomName
	if name == "" {
		name = p.cfg.RoomName()
	}
	m := Meeting{
		RoomName: name, RoomID: p.cfg.RoomID(name), Warm: first.RoomName != "" && second.RoomName != "",
		At: time.Now(), Side: wire.SideA, Tags: shared(first.Tags, second.Tags), Partner: second.Party,
	}
	if first.Visitor.Meet(m) != nil {
		p.Cancel(first)
		p.neverMet(second)
		return second
	}
	m.Side, m.Partner = wire.SideB, first.Party
	_ = second.Visitor.Meet(m) // who cannot be told is gone; the room notices
	return nil
}

// distant is a visitor of whose connection more may be known somewhere else than
// Presence says.
type distant interface {
	// There asks whether it is still there. It may take as long as Meet.
	There() bool
}

// shared is what both like. It allocates only if that is not all the first likes.
func shared(a, b []string) []string {
	n := 0
	for n < len(a) && slices.Contains(b, a[n]) {
		n++
	}
	both := a[:n:n]
	for _, tag := range a[n:] {
		if slices.Contains(b, tag) {
			both = append(both, tag)
		}
	}
	return both
}

// neverMet takes back that the second of a pair has met the first.
func (p *Memory) neverMet(second *Ticket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cfg.Avoid > 0 {
		p.met.takeBack(second.memory.meets)
	}
}

// Return implements Pool.
func (p *Memory) Return(t *Ticket) { p.again(t, true) }

// again makes a matched ticket one that arrives, for the head of the pool.
func (p *Memory) again(t *Ticket, anew bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.move(t, returned) {
		return
	}
	now := p.now()
	t.memory.first = true
	if anew {
		t.memory.deadline = now + p.cfg.MaxWait
	}
	p.enlist(t, now)
}

// Cancel implements Pool.
func (p *Memory) Cancel(t *Ticket) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := t.memory.state
	p.move(t, left)
	p.delist(t, p.now())
	return was == waiting || was == arriving
}

// move lets an event happen to t, if it can.
func (p *Memory) move(t *Ticket, e event) bool {
	was := t.memory.state
	is, ok := was.after(e)
	t.memory.state = is
	if was == waiting && is != waiting {
		p.waiting--
	}
	if is == waiting && was != waiting {
		p.waiting++
	}
	return ok
}

// SetRules implements Pool. Everybody who waits gets a moment at the next tick, in
// which he comes to stand where he may by now, and looks around.
func (p *Memory) SetRules(r Rules) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, before := p.now(), p.cfg.MaxWait
	p.cfg = p.cfg.With(r)
	for k := p.roll.head; k != nil; k = k.next {
		k.ticket.memory.deadline += p.cfg.MaxWait - before
		p.wake(k.ticket, now)
	}
}

// Waiting implements Pool.
func (p *Memory) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting
}
