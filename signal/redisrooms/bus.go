package redisrooms

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
)

// Config is what a Bus needs.
type Config struct {
	DB   *redisdb.DB
	Node string       // the id of this node, without a dot
	Log  *slog.Logger // nil: silent
}

// Rooms are what frames are for; *signal.Rooms is.
type Rooms interface {
	// Receive takes a frame. It never waits.
	Receive(frame []byte)
	// Keeps lists the ids of the rooms that this node keeps.
	Keeps() []string
	// Unheard is told of a node that was not there when a frame was sent to it.
	Unheard(node string)
	// Moved is told of one of them that another node keeps.
	Moved(room string)
}

// Bus implements signal.Fleet. Serve keeps it.
type Bus struct {
	db   *redisdb.DB
	log  *slog.Logger
	node string
	own  owned
	ear  ear

	claim, giveUp *rueidis.Lua

	out outbox

	check chan struct{} // has room for one: it is time to look after the claims

	claims, takeovers, moved, received atomic.Uint64
}

// Stats counts what a Bus has done.
type Stats struct {
	Claims    uint64 // answers of Redis to whom a room belongs
	TakeOvers uint64 // rooms taken from nodes that did not answer
	Moved     uint64 // rooms found to be another node's
	Sent      uint64 // frames that a node has got
	Dropped   uint64 // frames that were not sent: too many, or there is no Redis
	Unheard   uint64 // frames for a node that was not there
	Received  uint64 // frames that came
}

// New returns a bus with a name that is new: it is that of one life of the node.
// Give it to signal.Config.Fleet, and the rooms to Serve. Call it before DB.Serve.
func New(cfg Config) *Bus {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	var epoch [8]byte
	rand.Read(epoch[:]) // never fails
	b := &Bus{
		db: cfg.DB, log: cfg.Log, node: cfg.Node + "." + hex.EncodeToString(epoch[:]),
		claim: rueidis.NewLuaScript(claimScript), giveUp: rueidis.NewLuaScript(releaseScript),
		check: make(chan struct{}, 1), own: owned{until: map[string]time.Time{}, wake: make(chan struct{}, 1)}, ear: ear{open: make(chan struct{})}, out: outbox{wake: make(chan struct{}, 1)},
	}
	cfg.DB.Watch(func(up bool) {
		b.own.forget()
		if up {
			b.look()
		}
	})
	return b
}

// Node is the name of this node in this life.
func (b *Bus) Node() string { return b.node }

// Alone is false: who is in Redis is known to Redis only.
func (b *Bus) Alone() bool { return false }

// Stats is a snapshot of the counters.
func (b *Bus) Stats() Stats {
	return Stats{
		Claims: b.claims.Load(), TakeOvers: b.takeovers.Load(), Moved: b.moved.Load(),
		Sent: b.out.sent.Load(), Dropped: b.out.dropped.Load(), Unheard: b.out.unheard.Load(), Received: b.received.Load(),
	}
}

// The pauses of Serve.
const (
	tickEvery = 500 * time.Millisecond
	sleptFor  = 3 * tickEvery // between two ticks: the process was stopped, and knows nothing any more
)

// Serve passes frames on and looks after the claims of the rooms until ctx ends;
// then it gives the claims up and returns. Let it end after the rooms have.
func (b *Bus) Serve(ctx context.Context, rooms Rooms) error {
	var running sync.WaitGroup
	running.Go(func() { b.listen(ctx, rooms) })
	running.Go(func() { b.out.serve(ctx, b.db, rooms) })
	running.Go(func() { b.claimAhead(ctx) })
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	last, kept := time.Now(), time.Now()
	for {
		select {
		case <-ctx.Done():
			running.Wait()
			b.release(context.WithoutCancel(ctx), rooms)
			return nil
		case <-tick.C:
			now := time.Now()
			if now.Sub(last) >= sleptFor {
				b.own.forget()
				b.look()
			}
			if last = now; now.Sub(kept) >= keepEvery && b.db.Up() {
				b.look()
			}
		case <-b.check:
			kept = time.Time{} // if Redis does not answer, it is asked again at the next tick
			if b.lookAfter(ctx, rooms) {
				kept = time.Now()
			}
		}
	}
}

// look has the claims looked after soon.
func (b *Bus) look() {
	select {
	case b.check <- struct{}{}:
	default:
	}
}
