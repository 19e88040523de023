package redisdb

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/redis/rueidis"
)

// Prefix is what every key and every channel of this program begins with.
const Prefix = "wasmp2pchat:"

// ErrDown is what every error Is that a command gets because there is no Redis.
var ErrDown = errors.New("redis is down")

// Options are what Open may be told; the zero value is of use.
type Options struct {
	Log *slog.Logger // nil: nothing is logged
}

// DB is a Redis that is there at times.
type DB struct {
	target                  target
	log                     *slog.Logger
	serving                 atomic.Bool
	now                     atomic.Pointer[present]
	tries, connects, losses atomic.Uint64
	voice                   voice // keep's own

	mu       sync.Mutex // guards the fields below; never held while calling anybody
	watchers []func(up bool)
	changes  []bool        // those that the watchers were not told yet: at most two, which differ
	changed  chan struct{} // has room for one
}

// present is what there is now.
type present struct {
	client rueidis.Client
	line   *line // nil unless it is up
	why    error // nil: it is up
}

// Open returns the DB of a URL, in one of the forms that URL describes. It does
// not connect: Serve does. An error is for a URL that cannot be used, and has
// neither the user's name nor the password.
func Open(url string, o Options) (*DB, error) {
	target, err := parse(url)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	db := &DB{target: target, log: o.Log, changed: make(chan struct{}, 1)}
	db.now.Store(absent(errors.New("it was not asked yet")))
	return db, nil
}

// Check says what is wrong with a URL: an error as that of Open, or nil. It reads
// the files that the URL names, and connects to nobody.
func Check(url string) error {
	_, err := parse(url)
	return err
}

// Stats are counts since the start.
type Stats struct {
	Tries    uint64 // to connect
	Connects uint64 // how often Redis came
	Losses   uint64 // how often it went
}

// Stats returns the counts.
func (db *DB) Stats() Stats {
	return Stats{Tries: db.tries.Load(), Connects: db.connects.Load(), Losses: db.losses.Load()}
}

// Client is the client of this moment, never nil. Without a Redis it is one whose
// commands fail at once with an error that Is ErrDown. Ask for it again for each
// thing to do: one that is kept ends with the connection, and a command must be
// built by the client that runs it, since a cluster's builder is another one.
//
// A command that is not answered within writeTimeout fails. A context with a
// deadline that is shorter can end the connection that others use as well. A
// blocking read has a connection of its own, and ends with Redis or with its
// context, if that one has no deadline: with a deadline rueidis looks at nothing else.
func (db *DB) Client() rueidis.Client { return db.now.Load().client }

// Up reports whether there is a Redis that takes what is written.
func (db *DB) Up() bool { return db.now.Load().why == nil }

// Reason is nil, or why there is no Redis: one line for the operator that begins
// with "redis is down: " and says what to do where that is known. It Is ErrDown.
func (db *DB) Reason() error { return db.now.Load().why }

// Where is what the operator wrote, without user, password and parameters.
func (db *DB) Where() string { return db.target.String() }

// Watch has a function called each time Redis comes or goes, beginning with the
// first change after Serve was called. All are called by one goroutine, one after
// the other: they must not wait long. If changes come faster than they return, a
// pair that undoes itself is left out, never the last one. Call it before Serve.
func (db *DB) Watch(f func(up bool)) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.watchers = append(db.watchers, f)
}

// Serve connects and keeps connected until ctx ends, then closes. It returns nil
// when every goroutine of the DB has ended, and may be called once.
func (db *DB) Serve(ctx context.Context) error {
	if db.serving.Swap(true) {
		return errors.New("redisdb: served twice")
	}
	var watching sync.WaitGroup
	told, stop := context.WithCancel(context.WithoutCancel(ctx))
	watching.Go(func() { db.tell(told) })
	db.keep(ctx)
	stop()
	watching.Wait()
	return nil
}

// tell calls the watchers until ctx ends and all changes are told.
func (db *DB) tell(ctx context.Context) {
	for {
		select {
		case <-db.changed:
		case <-ctx.Done():
		}
		for {
			db.mu.Lock()
			if len(db.changes) == 0 {
				db.mu.Unlock()
				break
			}
			up := db.changes[0]
			db.changes = db.changes[1:]
			watchers := db.watchers
			db.mu.Unlock()
			for _, watch := range watchers {
				watch(up)
			}
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// set makes p what there is, and has the watchers told if it came or went.
func (db *DB) set(p *present) {
	was := db.now.Swap(p)
	if (was.why == nil) == (p.why == nil) {
		return
	}
	if p.why == nil {
		db.connects.Add(1)
	} else {
		db.losses.Add(1)
	}
	db.mu.Lock()
	db.changes = append(db.changes, p.why == nil)
	if n := len(db.changes); n > 2 {
		db.changes = db.changes[n-1:]
	}
	db.mu.Unlock()
	select {
	case db.changed <- struct{}{}:
	default:
	}
}
