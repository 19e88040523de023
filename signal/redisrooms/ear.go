package redisrooms

import (
	"context"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
)

// listenAnew is the pause before a node that is not heard subscribes again.
const listenAnew = 100 * time.Millisecond

// ear tells whether this node hears the others. One that does not claims no room.
type ear struct {
	mu   sync.Mutex    // guards the fields below
	open chan struct{} // closed while it hears
	is   bool
}

func (e *ear) set(hears bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case hears && !e.is:
		close(e.open)
	case !hears && e.is:
		e.open = make(chan struct{})
	}
	e.is = hears
}

// wait returns when the node hears, or ctx ends.
func (e *ear) wait(ctx context.Context) error {
	e.mu.Lock()
	open := e.open
	e.mu.Unlock()
	select {
	case <-open:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// listen receives frames until ctx ends.
func (b *Bus) listen(ctx context.Context, rooms Rooms) {
	heard := rueidis.WithOnSubscriptionHook(ctx, func(s rueidis.PubSubSubscription) { b.ear.set(s.Kind == "ssubscribe") })
	for ctx.Err() == nil {
		c := b.db.Client()
		err := c.Receive(heard, c.B().Ssubscribe().Channel(channel(b.node)).Build(), func(m rueidis.PubSubMessage) {
			b.received.Add(1)
			rooms.Receive([]byte(m.Message))
		})
		b.ear.set(false)
		if err != nil && ctx.Err() == nil {
			b.log.Debug("rooms of other nodes are not heard", "redis", b.db.Up())
		}
		pause(ctx, listenAnew)
	}
}

func pause(ctx context.Context, d time.Duration) {
	late := time.NewTimer(d)
	defer late.Stop()
	select {
	case <-ctx.Done():
	case <-late.C:
	}
}

func channel(node string) string { return redisdb.Prefix + "sg:" + node }
