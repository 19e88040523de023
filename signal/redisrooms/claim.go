package redisrooms

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
)

// How claims are kept.
const (
	claimFor  = time.Minute
	keepEvery = claimFor / 3
	ownFor    = claimFor / 2 // a claim counts for so long without asking
	maxOwned  = 1 << 16      // claims that count without asking
	minTidy   = 1 << 10      // so many are kept without a look at which still count
	maxAhead  = 1 << 12      // claims that wait to be written
	atOnce    = 256          // claims in one go
)

// claimScript writes a claim unless it is another's, and returns whose it is. What
// the second argument names is nobody: a node that does not answer.
//
//	KEYS[1] the room; ARGV who, from whom, for how long in ms
const claimScript = `local had = redis.call('GET', KEYS[1])
if had and had ~= ARGV[1] and had ~= ARGV[2] then return had end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return ARGV[1]`

// releaseScript removes a claim, if it is one's own.
//
//	KEYS[1] the room; ARGV who
const releaseScript = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`

func key(room string) string { return redisdb.Prefix + "{rm:" + room + "}" }

// Claim makes this node keep a room unless another does, and says which one.
func (b *Bus) Claim(ctx context.Context, room string) (node string, err error) {
	if b.own.has(room, time.Now()) {
		return b.node, nil
	}
	return b.ask(ctx, room, "")
}

// TakeOver is Claim of a room whose node does not answer.
func (b *Bus) TakeOver(ctx context.Context, room, from string) (node string, err error) {
	node, err = b.ask(ctx, room, from)
	if node == b.node {
		b.takeovers.Add(1)
	}
	return node, err
}

func (b *Bus) ask(ctx context.Context, room, from string) (node string, err error) {
	if !b.db.Up() {
		return "", redisdb.ErrDown
	}
	if err := b.ear.wait(ctx); err != nil {
		return "", err
	}
	node, err = b.claim.Exec(context.WithoutCancel(ctx), b.db.Client(), []string{key(room)}, b.arguments(from)).ToString()
	if err != nil {
		return "", err
	}
	b.claims.Add(1)
	return node, nil
}

func (b *Bus) arguments(from string) []string {
	return []string{b.node, from, strconv.FormatInt(claimFor.Milliseconds(), 10)}
}

// Own claims a room in which two are about to be told that they have met, so that
// this node keeps it. It never waits: should the claim come too late, whoever
// registers first decides.
func (b *Bus) Own(room string) { b.own.add(room) }

// Lost is told of a room that another node keeps by now.
func (b *Bus) Lost(room string) { b.own.drop(room) }

// owned are claims that are written ahead, and those that count without asking.
type owned struct {
	mu    sync.Mutex // guards the fields below
	until map[string]time.Time
	tidy  int // as many are kept before those that do not count any more are dropped
	ahead []string
	wake  chan struct{}
}

func (o *owned) add(room string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.ahead) == maxAhead {
		return
	}
	o.ahead = append(o.ahead, room)
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *owned) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	rooms := o.ahead
	o.ahead = nil
	return rooms
}

// note remembers a claim that was written. Those that do not count any more are
// dropped, seldom enough that it costs little for each new one.
func (o *owned) note(room string, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.until) >= max(minTidy, o.tidy) {
		for old, until := range o.until {
			if until.Before(at) {
				delete(o.until, old)
			}
		}
		o.tidy = min(2*len(o.until), maxOwned)
	}
	if len(o.until) < maxOwned {
		o.until[room] = at.Add(ownFor)
	}
}

func (o *owned) has(room string, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return now.Before(o.until[room])
}

func (o *owned) drop(room string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.until, room)
}

// forget lets none count any more.
func (o *owned) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.until)
}

// claimAhead writes the claims of Own until ctx ends.
func (b *Bus) claimAhead(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.own.wake:
		}
		asked := time.Now()
		answers := b.each(ctx, b.claim, b.own.take(), b.arguments(""))
		for room, node := range answers {
			if node == b.node {
				b.own.note(room, asked)
			}
		}
		b.claims.Add(uint64(len(answers)))
	}
}

// each runs a script for rooms, and returns the answers that came.
func (b *Bus) each(ctx context.Context, script *rueidis.Lua, rooms []string, arguments []string) map[string]string {
	answers := make(map[string]string, len(rooms))
	for len(rooms) > 0 {
		some := rooms[:min(len(rooms), atOnce)]
		rooms = rooms[len(some):]
		calls := make([]rueidis.LuaExec, len(some))
		for i, room := range some {
			calls[i] = rueidis.LuaExec{Keys: []string{key(room)}, Args: arguments}
		}
		for i, result := range script.ExecMulti(ctx, b.db.Client(), calls...) {
			if answer, err := result.ToString(); err == nil {
				answers[some[i]] = answer
			}
		}
	}
	return answers
}

// lookAfter renews the claims of the rooms, and sends those away that are
// another's by now. It tells whether Redis has answered.
func (b *Bus) lookAfter(ctx context.Context, rooms Rooms) (done bool) {
	kept := rooms.Keeps()
	answers := b.each(context.WithoutCancel(ctx), b.claim, kept, b.arguments(""))
	b.claims.Add(uint64(len(answers)))
	for room, node := range answers {
		if node != b.node {
			b.moved.Add(1)
			rooms.Moved(room)
		}
	}
	return len(answers) == len(kept)
}

// release gives up the claims of rooms that are no more.
func (b *Bus) release(ctx context.Context, rooms Rooms) {
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	b.each(ctx, b.giveUp, rooms.Keeps(), []string{b.node})
}
