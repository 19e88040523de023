package redispool

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeRedis does what the scripts do, on a fake clock, and what goes wrong as a test
// wants it.
type fakeRedis struct {
	mu      sync.Mutex
	random  *rand.Rand
	tickets map[string]string         // node.epoch.conn → value
	stand   map[string]map[string]int // queue → ticket → place
	leases  map[string]int64          // owner → end, µs
	inboxes map[string][]string
	arrived chan struct{} // closed and made anew when a letter comes

	down    bool                                            // every call fails
	latency time.Duration                                   // of a call, at most; half of it before it is done
	failing float64                                         // of the calls, that fail; half of them when they are done
	letter  func(l letter) (drop bool, delay time.Duration) // what becomes of a letter; nil: nothing
	seen    map[letterKind]int                              // letters that were posted
}

var errFake = errors.New("the fake has failed")

func newFake(seed uint64) *fakeRedis {
	f := &fakeRedis{random: rand.New(rand.NewPCG(seed, 1)), arrived: make(chan struct{}), seen: map[letterKind]int{}}
	f.empty()
	return f
}

// empty is what a restart leaves.
func (f *fakeRedis) empty() {
	f.tickets, f.stand = map[string]string{}, map[string]map[string]int{}
	f.leases, f.inboxes = map[string]int64{}, map[string][]string{}
}

// do is a call: it takes its time, and may fail before or after it was done.
func (f *fakeRedis) do(ctx context.Context, what func(now int64)) error {
	f.mu.Lock()
	wait := time.Duration(0)
	if f.latency > 0 {
		wait = time.Duration(f.random.Int64N(int64(f.latency)))
	}
	fails, after := f.random.Float64() < f.failing, f.random.IntN(2) == 0
	f.mu.Unlock()
	if err := pause(ctx, wait/2); err != nil {
		return err
	}
	f.mu.Lock()
	fails = fails || f.down
	if !f.down && (!fails || after) {
		what(time.Now().UnixMicro())
	}
	f.mu.Unlock()
	if fails {
		return errFake
	}
	return pause(ctx, wait/2)
}

func pause(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fakeRedis) lease(ctx context.Context, c leaseCall) (reply leaseReply, err error) {
	err = f.do(ctx, func(now int64) {
		reply = leaseReply{now: now}
		_, known := f.inboxes[c.owner]
		switch {
		case c.how == dropLease:
			delete(f.leases, c.owner)
			delete(f.inboxes, c.owner)
			return
		case c.how == renewLease && (f.leases[c.owner] <= now || !known):
			reply.lost = true
			return
		case c.how == takeLease:
			f.inboxes[c.owner] = []string{""}
		}
		f.leases[c.owner] = now + leaseFor.Microseconds()
		for owner, end := range f.leases {
			if end <= now {
				delete(f.leases, owner)
				delete(f.inboxes, owner)
			} else if owner != c.owner {
				reply.owners = append(reply.owners, owner)
			}
		}
		for _, ticket := range c.missed {
			if _, stands := f.tickets[ticket]; !stands {
				reply.lacking = append(reply.lacking, ticket)
			}
		}
	})
	return reply, err
}

func (f *fakeRedis) read(ctx context.Context, owner, after string) (letters []string, last string, err error) {
	from, _ := strconv.Atoi(after)
	deadline := time.After(readFor)
	for {
		f.mu.Lock()
		inbox, arrived, down := f.inboxes[owner], f.arrived, f.down
		f.mu.Unlock()
		if down {
			return nil, after, errFake
		}
		if len(inbox) > from {
			return inbox[from:], strconv.Itoa(len(inbox)), nil
		}
		select {
		case <-arrived:
		case <-deadline:
			return nil, after, nil
		case <-ctx.Done():
			return nil, after, ctx.Err()
		}
	}
}

func (f *fakeRedis) post(owner, text string) {
	l, err := parseLetter(text)
	if err != nil {
		panic("the pool has written what it cannot read: " + text)
	}
	f.seen[l.kind]++
	drop, delay := false, time.Duration(0)
	if f.letter != nil {
		drop, delay = f.letter(l)
	}
	deliver := func() {
		if _, known := f.inboxes[owner]; known && !drop {
			f.inboxes[owner] = append(f.inboxes[owner], text)
			close(f.arrived)
			f.arrived = make(chan struct{})
		}
	}
	if delay == 0 {
		deliver()
		return
	}
	time.AfterFunc(delay, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		deliver()
	})
}

func (f *fakeRedis) exchange(ctx context.Context, b *batch) (answers []answer, dropped int, lost bool, err error) {
	_, args := b.call("") // names the queues of withdrawals too
	err = f.do(ctx, func(now int64) {
		if f.leases[b.owner] <= now {
			lost = true
			return
		}
		at := 15
		for i := range b.withdrawals {
			w := &b.withdrawals[i]
			if w.whole {
				delete(f.tickets, w.ticket)
			}
			for _, place := range []byte(args[at+1][1:]) {
				delete(f.stand[b.queues[place-1]], w.ticket)
			}
			at += 2
		}
		for i := range b.offers {
			answers = append(answers, f.offer(b, &b.offers[i], now))
		}
		for _, l := range b.letters {
			f.post(l.owner, l.text)
		}
	})
	return answers, 0, lost, err
}

func (f *fakeRedis) offer(b *batch, c *call, now int64) answer {
	value, stands := f.tickets[c.ticket]
	again := c.looks[0] == 1
	if again && (!stands || value[21:29] != c.value[21:29]) {
		return answer{what: answerGone}
	}
	for i := 2; i < len(c.looks); i += int(c.looks[i]) + 1 {
		best, place := "", 0
		for _, queue := range []byte(c.looks[i+1 : i+1+int(c.looks[i])]) {
			for ticket, order := range f.stand[b.queues[queue-1]] {
				his, stands := f.tickets[ticket]
				owner := ticket[:strings.LastIndexByte(ticket, '.')]
				if stands && f.leases[owner] > now && ticket != c.ticket && his[:userBytes] != c.value[:userBytes] &&
					(best == "" || order < place || order == place && ticket < best) {
					best, place = ticket, order
				}
			}
		}
		if best != "" {
			return f.pair(b, c, best)
		}
	}
	f.tickets[c.ticket] = c.value
	order, _ := strconv.Atoi(c.value[45:])
	for _, queue := range []byte(c.stands) {
		name := b.queues[queue-1]
		if f.stand[name] == nil {
			f.stand[name] = map[string]int{}
		}
		f.stand[name][c.ticket] = order
	}
	return answer{what: answerStands}
}

func (f *fakeRedis) pair(b *batch, c *call, ticket string) answer {
	value := f.tickets[ticket]
	delete(f.tickets, ticket)
	delete(f.tickets, c.ticket)
	with, err := parseName(ticket + ":" + value[21:29])
	if err != nil {
		panic(err)
	}
	if with.owner() != b.owner {
		f.post(with.owner(), "M"+with.String()+"\n"+c.ticket+":"+c.value[21:29]+"\n"+c.guest)
	}
	return answer{what: answerPaired, user: value[:userBytes], with: with}
}

// expire ends the leases of a node, as if it had slept.
func (f *fakeRedis) expire(node string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for owner := range f.leases {
		if strings.HasPrefix(owner, node+".") {
			f.leases[owner] = 0
		}
	}
}

func (f *fakeRedis) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// holdsNobody holds that no ticket is left behind.
func (f *fakeRedis) holdsNobody(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for ticket := range f.tickets {
		owner := ticket[:strings.LastIndexByte(ticket, '.')]
		if f.leases[owner] > time.Now().UnixMicro() {
			t.Errorf("%s is left in Redis, and its node lives", ticket)
		}
	}
}
