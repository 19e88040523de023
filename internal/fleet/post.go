package fleet

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
)

const (
	batch       = 64 // messages that are sent at once
	maxRefusals = 10 // by Redis, of one message: then it is dropped, for those behind it
)

// inboxKey is the stream of a node.
func inboxKey(node string) string { return redisdb.Prefix + "{fleet:" + node + "}:inbox" }

// letter is a message that waits to be sent.
type letter struct {
	to, kind string
	body     []byte
	seq      uint64 // grows with each message of this process
	at       time.Time
	refusals int // by Redis
}

// post is what waits to be sent, the oldest first.
type post struct {
	more chan struct{} // has room for one: something is to be done

	mu      sync.Mutex // guards the fields below
	queue   []letter
	bytes   int
	seq     uint64
	dropped uint64
}

func (p *post) init() { p.more = make(chan struct{}, 1) }

// wake has the sender look.
func (p *post) wake() {
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// Tell sends a message to a node: one that lives, or that was there a moment ago
// and may read on. It never waits and keeps body. What cannot be sent is dropped
// and counted: see Stats. A body has at most MaxMessage bytes.
func (f *Fleet) Tell(node, kind string, body []byte) {
	if len(body) > MaxMessage || len(kind) > maxKind || kind == "" || CheckID(node) != nil {
		f.stats.refused.Add(1)
		return
	}
	f.post.put(letter{to: node, kind: kind, body: body, at: time.Now()})
	f.post.wake()
}

// TellAll sends a message to every other node.
func (f *Fleet) TellAll(kind string, body []byte) {
	for _, id := range f.list.others() {
		f.Tell(id, kind, body)
	}
}

// put queues a letter, at the cost of the oldest.
func (p *post) put(l letter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seq++
	l.seq = p.seq
	p.queue = append(p.queue, l)
	p.bytes += len(l.body)
	for len(p.queue) > maxQueued || p.bytes > maxQueuedB {
		p.dropFirst()
	}
}

// dropFirst drops the oldest. Called with mu held.
func (p *post) dropFirst() {
	p.bytes -= len(p.queue[0].body)
	p.queue[0] = letter{}
	p.queue = p.queue[1:]
	p.dropped++
}

// drop counts a message that is dropped and is in no queue.
func (p *post) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropped++
}

// take takes the first letters that are not too old.
func (p *post) take(now time.Time) []letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) > 0 && now.Sub(p.queue[0].at) > keep {
		p.dropFirst()
	}
	n := min(batch, len(p.queue))
	letters := make([]letter, n)
	copy(letters, p.queue)
	clear(p.queue[:n])
	if p.queue = p.queue[n:]; len(p.queue) == 0 {
		p.queue = nil // what it took while Redis was away is given back
	}
	for _, l := range letters {
		p.bytes -= len(l.body)
	}
	return letters
}

// back puts letters back that were not sent, at the head.
func (p *post) back(letters []letter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(letters, p.queue...)
	for _, l := range letters {
		p.bytes += len(l.body)
	}
	for len(p.queue) > maxQueued || p.bytes > maxQueuedB {
		p.dropFirst()
	}
}

// send sends what is queued, until ctx ends and for lastWords after that.
func (f *Fleet) send(ctx context.Context) {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastWords, cancel) })()
	for ctx.Err() == nil || sending.Err() == nil && f.cfg.DB.Up() {
		letters := f.post.take(time.Now())
		if len(letters) == 0 {
			if ctx.Err() != nil {
				return
			}
			select {
			case <-ctx.Done():
			case <-f.post.more:
			}
			continue
		}
		if rest := f.deliver(sending, letters); len(rest) > 0 {
			f.post.back(rest)
			f.rest(ctx, f.post.more)
		}
	}
}

// rest waits before something is tried again that failed: until Redis is back, or
// a moment if it is there.
func (f *Fleet) rest(ctx context.Context, again <-chan struct{}) {
	wait := time.NewTimer(pause)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
			if f.cfg.DB.Up() {
				return
			}
		case <-wait.C:
			if f.cfg.DB.Up() {
				return
			}
			wait.Reset(every)
		}
	}
}

// deliver writes letters into streams, and returns those that are to be tried
// again. One whose answer was lost may be there: its reader knows by the number.
func (f *Fleet) deliver(ctx context.Context, letters []letter) (rest []letter) {
	c := f.cfg.DB.Client()
	commands := make([]rueidis.Completed, len(letters))
	for i, l := range letters {
		commands[i] = c.B().Xadd().Key(inboxKey(l.to)).Nomkstream().Maxlen().Almost().Threshold(decimal(maxInbox)).Id("*").
			FieldValue().FieldValue("f", f.field()).FieldValue("n", strconv.FormatUint(l.seq, 10)).
			FieldValue("k", l.kind).FieldValue("b", rueidis.BinaryString(l.body)).Build()
	}
	errs := make([]error, len(letters))
	for i, r := range c.DoMulti(ctx, commands...) {
		errs[i] = r.Error()
	}
	return f.settleUp(letters, errs)
}

// settleUp counts what became of letters, and returns those that are to be tried
// again. One behind which another was taken for the same node is not: its reader
// would hold it for one that came before.
func (f *Fleet) settleUp(letters []letter, errs []error) (rest []letter) {
	overtaken := map[string]bool{}
	for i, l := range slices.Backward(letters) {
		err := errs[i]
		if _, refused := rueidis.IsRedisErr(err); refused && !rueidis.IsRedisNil(err) {
			l.refusals++
		}
		switch {
		case err == nil:
			f.stats.sent.Add(1)
			overtaken[l.to] = true
		case rueidis.IsRedisNil(err):
			f.stats.nobody.Add(1)
		case overtaken[l.to], l.refusals > maxRefusals:
			f.post.drop()
		default:
			rest = append(rest, l)
		}
	}
	slices.Reverse(rest)
	return rest
}
