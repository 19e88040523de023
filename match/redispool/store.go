package redispool

import (
	"context"
	_ "embed"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
)

//go:embed exchange.lua
var exchangeScript string

//go:embed lease.lua
var leaseScript string

// Bounds of what one node keeps in Redis and asks of it.
const (
	inboxMost = 20_000  // letters in an inbox; of more the oldest are lost, which costs a second each
	maxMet    = 1 << 20 // encounters that are remembered; of more the oldest are forgotten
	sweepMost = 1_000   // tickets and encounters that one lease call clears away
	readMost  = 1_000   // entries of an inbox that are read at once
	readFor   = time.Second
)

// store is what the pool needs of Redis.
type store interface {
	// exchange does a batch; lost: the lease does not hold, and nothing was done.
	exchange(ctx context.Context, b *batch) (answers []answer, dropped int, lost bool, err error)
	// lease takes, renews or drops a lease.
	lease(ctx context.Context, c leaseCall) (leaseReply, error)
	// read waits for what is in an inbox after an entry, for readFor at most.
	read(ctx context.Context, owner, after string) (letters []string, last string, err error)
}

// leaseHow is what a leaseCall is for.
type leaseHow string

const (
	takeLease  leaseHow = "take"
	renewLease leaseHow = "renew"
	dropLease  leaseHow = "drop"
)

type leaseCall struct {
	owner   string
	how     leaseHow
	waiting int      // at this node
	read    string   // the inbox may be forgotten up to here
	missed  []string // own tickets that Redis ought to have
}

type leaseReply struct {
	lost    bool     // Redis does not know the lease, or it has run out
	now     int64    // the clock of Redis: µs since 1970
	owners  []string // others that live
	waiting int      // at all of them
	lacking []string
}

// redis is the store.
type redis struct {
	db     *redisdb.DB
	prefix string // of all keys: the pool's own slot

	exchanging, leasing *rueidis.Lua
}

func newRedis(db *redisdb.DB, pool string) *redis {
	return &redis{
		db: db, prefix: redisdb.Prefix + "{mm:" + pool + "}:",
		exchanging: rueidis.NewLuaScript(exchangeScript), leasing: rueidis.NewLuaScript(leaseScript),
	}
}

func (r *redis) inbox(owner string) string { return r.prefix + "in:" + owner }

var errAnswer = errors.New("redis has answered something else")

func (r *redis) exchange(ctx context.Context, b *batch) (answers []answer, dropped int, lost bool, err error) {
	keys, args := b.call(r.prefix)
	texts, err := r.exchanging.Exec(ctx, r.db.Client(), keys, args).AsStrSlice()
	if err != nil {
		return nil, 0, false, err
	}
	if len(texts) == 1 && texts[0] == "lost" {
		return nil, 0, true, nil
	}
	if len(texts) != len(b.offers)+1 {
		return nil, 0, false, errAnswer
	}
	if dropped, err = strconv.Atoi(texts[len(b.offers)]); err != nil {
		return nil, 0, false, errAnswer
	}
	answers = make([]answer, len(b.offers))
	for i := range answers {
		if answers[i], err = parseAnswer(texts[i]); err != nil {
			return nil, 0, false, err
		}
	}
	return answers, dropped, false, nil
}

func (r *redis) lease(ctx context.Context, c leaseCall) (leaseReply, error) {
	keys := []string{r.prefix + "t", r.prefix + "n", r.prefix + "met", r.inbox(c.owner)}
	args := append([]string{
		c.owner, string(c.how), strconv.FormatInt(leaseFor.Microseconds(), 10), strconv.Itoa(c.waiting),
		r.prefix + "in:", c.read, strconv.Itoa(maxMet), strconv.Itoa(sweepMost),
	}, c.missed...)
	texts, err := r.leasing.Exec(ctx, r.db.Client(), keys, args).AsStrSlice()
	if err != nil {
		return leaseReply{}, err
	}
	return parseLease(texts)
}

// parseLease reads the reply of the script.
func parseLease(texts []string) (reply leaseReply, err error) {
	if len(texts) == 1 && texts[0] == "lost" {
		return leaseReply{lost: true}, nil
	}
	if len(texts) == 0 {
		return reply, errAnswer
	}
	if reply.now, err = strconv.ParseInt(texts[0], 10, 64); err != nil {
		return reply, errAnswer
	}
	for i := 1; i < len(texts); i += 2 {
		if texts[i] == "" {
			reply.lacking = texts[i+1:]
			break
		}
		if i+1 == len(texts) {
			return reply, errAnswer
		}
		if n, err := strconv.Atoi(texts[i+1]); err == nil && n >= 0 && n < maxWaitingThere {
			reply.waiting += n
		}
		reply.owners = append(reply.owners, texts[i])
	}
	return reply, nil
}

// maxWaitingThere bounds what is believed of another node.
const maxWaitingThere = 1 << 24

func (r *redis) read(ctx context.Context, owner, after string) (letters []string, last string, err error) {
	c := r.db.Client() // a deadline of ctx would hide its cancellation until the read ends
	read, err := c.Do(ctx, c.B().Xread().Count(readMost).Block(readFor.Milliseconds()).Streams().Key(r.inbox(owner)).Id(after).Build()).AsXReadSlices()
	if rueidis.IsRedisNil(err) {
		return nil, after, nil
	}
	last = after
	for _, entries := range read {
		for _, e := range entries {
			last = strings.Clone(e.ID)
			for _, f := range e.FieldValues {
				letters = append(letters, f.Value)
			}
		}
	}
	return letters, last, err
}
