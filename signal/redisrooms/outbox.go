package redisrooms

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
)

// The bounds of what waits to be sent.
const (
	maxQueued      = 1 << 14  // frames
	maxQueuedBytes = 32 << 20 //
	maxBatch       = 256      // frames at once
	lastWords      = time.Second
)

// outbox is what waits to be sent: by one goroutine, so that order is kept.
type outbox struct {
	wake chan struct{} // has room for one

	mu    sync.Mutex // guards the fields below
	queue []letter
	bytes int

	sent, dropped, unheard atomic.Uint64
}

// letter is a frame for a node.
type letter struct {
	node  string
	frame []byte
}

// Send sends a frame to a node, soon. What is too much is dropped.
func (b *Bus) Send(node string, frame []byte) { b.out.add(letter{node, frame}) }

func (o *outbox) add(l letter) {
	o.mu.Lock()
	fits := len(o.queue) < maxQueued && o.bytes+len(l.frame) <= maxQueuedBytes
	if fits {
		o.queue = append(o.queue, l)
		o.bytes += len(l.frame)
	}
	o.mu.Unlock()
	if !fits {
		o.dropped.Add(1)
		return
	}
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// serve sends until ctx ends, and then what is left, for lastWords at most.
func (o *outbox) serve(ctx context.Context, db *redisdb.DB, rooms Rooms) {
	for {
		select {
		case <-o.wake:
			for batch := o.take(); len(batch) > 0; batch = o.take() {
				o.publish(ctx, db, rooms, batch)
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
			defer cancel()
			for batch := o.take(); len(batch) > 0 && last.Err() == nil; batch = o.take() {
				o.publish(last, db, rooms, batch)
			}
			return
		}
	}
}

// take takes the oldest.
func (o *outbox) take() []letter {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := min(len(o.queue), maxBatch)
	batch := o.queue[:n:n]
	if o.queue = o.queue[n:]; len(o.queue) == 0 {
		o.queue = nil
	}
	for i := range batch {
		o.bytes -= len(batch[i].frame)
	}
	return batch
}

func (o *outbox) publish(ctx context.Context, db *redisdb.DB, rooms Rooms, batch []letter) {
	c := db.Client()
	commands := make([]rueidis.Completed, len(batch))
	for i := range batch {
		commands[i] = c.B().Spublish().Channel(channel(batch[i].node)).Message(rueidis.BinaryString(batch[i].frame)).Build()
	}
	for i, result := range c.DoMulti(context.WithoutCancel(ctx), commands...) { // a command ends by itself
		heard, err := result.AsInt64()
		switch {
		case err != nil:
			o.dropped.Add(1)
		case heard == 0:
			o.unheard.Add(1)
			rooms.Unheard(batch[i].node)
		default:
			o.sent.Add(1)
		}
	}
}
