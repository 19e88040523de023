// Package redisbudget makes TURN_MONTHLY_BUDGET that of a fleet: what each node has
// spent in a month is in a Redis hash, and each takes the sum of the others' into
// account.
//
// It promises that nobody waits for Redis: what is relayed is counted where that
// happens, and told every Interval. So a fleet may overspend by what all of it relays
// in two of them. A Redis that is away changes nothing until it is back, and one that
// forgot everything is told again by each node what that has spent; of nodes that are
// gone by then, those that live remember what they have heard. A node that starts
// without the file in which it keeps its own account takes it from here.
//
//	wasmp2pchat:{turn}:budget:2026-11    hash    node → bytes
//
// It leaves to others what a budget is for (turnsvc).
package redisbudget

import (
	"context"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
)

const (
	// Interval is how often it is told what was spent, and asked.
	Interval = 5 * time.Second
	// keep is how long a month is kept after the last node has told of it: longer than
	// it lasts, with clocks that differ.
	keep = 40 * 24 * time.Hour
)

// Relay is the part of a turnsvc.Server that a Budget uses.
type Relay interface {
	Spent() (month string, bytes int64)
	SpentElsewhere(month string, here, others int64)
}

// Config is what New needs. All of it but Log is required.
type Config struct {
	DB    *redisdb.DB
	Node  string // the same after a restart
	Relay Relay
	Log   *slog.Logger // nil: silent
}

// Budget shares what one node spends.
type Budget struct {
	cfg Config
	up  chan struct{} // has a value when Redis is back
}

// New returns a Budget; it must be called before Config.DB serves. Serve keeps it.
func New(cfg Config) *Budget {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	b := &Budget{cfg: cfg, up: make(chan struct{}, 1)}
	cfg.DB.Watch(func(up bool) {
		if !up {
			return
		}
		select {
		case b.up <- struct{}{}:
		default: // it will look
		}
	})
	return b
}

// Serve shares until ctx ends, and then once more.
func (b *Budget) Serve(ctx context.Context) error {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			b.share(context.WithoutCancel(ctx)) // a command ends by itself
			return nil
		case <-b.up:
		case <-tick.C:
		}
		b.share(ctx)
	}
}

// share asks what all have spent, and then tells what this node has: first, so that
// after a restart it tells nothing that is less.
func (b *Budget) share(ctx context.Context) {
	month, _ := b.cfg.Relay.Spent()
	if month == "" || !b.cfg.DB.Up() {
		return
	}
	client := b.cfg.DB.Client()
	key := redisdb.Prefix + "{turn}:budget:" + month
	all, err := client.Do(ctx, client.B().Hgetall().Key(key).Build()).AsStrMap()
	if err != nil {
		b.cfg.Log.Debug("turn budget not shared", "err", err.Error())
		return
	}
	here, others := split(all, b.cfg.Node)
	b.cfg.Relay.SpentElsewhere(month, here, others)
	now, bytes := b.cfg.Relay.Spent()
	if now != month || bytes == here {
		return
	}
	for _, r := range client.DoMulti(ctx,
		client.B().Hset().Key(key).FieldValue().FieldValue(b.cfg.Node, strconv.FormatInt(bytes, 10)).Build(),
		client.B().Expire().Key(key).Seconds(int64(keep/time.Second)).Build(),
	) {
		if err := r.Error(); err != nil {
			b.cfg.Log.Debug("turn budget not shared", "err", err.Error())
		}
	}
}

// split is what a node has spent, and what the others have together. What is no number
// of bytes counts nothing: whoever wrote it, it must not stop a relay.
func split(all map[string]string, node string) (here, others int64) {
	for id, text := range all {
		n, err := strconv.ParseInt(text, 10, 64)
		switch {
		case err != nil || n < 0:
		case id == node:
			here = n
		case others > math.MaxInt64/2-n: // a sum must not become negative, here or with what is spent here
			others = math.MaxInt64 / 2
		default:
			others += n
		}
	}
	return here, others
}
