//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/bench/process"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
	"github.com/wasmp2pchat/wasmp2pchat/internal/swarm"
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/match/redispool"
)

// The load of the pool over Redis. Its visitors have no connections: what they
// would cost says nothing about Redis.
const (
	poolBurst   = 20_000 // visitors at once
	poolSteady  = 8_000  // visitors, one after the other
	poolRate    = 2_000  // visitors a second
	poolWarm    = 4_000
	poolTimeout = 30 * time.Second
)

// crossing is how the visitors come to two nodes.
type crossing bool

const (
	mixed crossing = false // in turn: whoever is first meets whoever is next
	apart crossing = true  // the two of a pair at different nodes: they share a tag that nobody else has
)

// poolNodes are nodes of a fleet without anything but the pool, in this process.
type poolNodes struct {
	pools []*redispool.Pool
	dbs   []*redisdb.DB

	end     context.CancelFunc
	running sync.WaitGroup
}

// openNodes has n nodes that share the store, when all of them know one another.
func openNodes(ctx context.Context, at *store, n int) (*poolNodes, error) {
	inner, end := context.WithCancel(ctx)
	nodes := &poolNodes{end: end}
	for i := range n {
		db, err := redisdb.Open(at.url, redisdb.Options{})
		if err != nil {
			end()
			return nil, err
		}
		keys := roomkey.New("a secret for benchmarks")
		pool := redispool.New(redispool.Config{
			PoolConfig: match.PoolConfig{RoomName: roomkey.NewName, RoomID: keys.Mint, MaxWait: 2 * time.Minute, Avoid: 10 * time.Minute, Crowd: 32},
			DB:         db, Node: "n" + strconv.Itoa(i),
		})
		nodes.dbs, nodes.pools = append(nodes.dbs, db), append(nodes.pools, pool)
		nodes.running.Go(func() { _ = db.Serve(inner) })
		nodes.running.Go(func() { _ = pool.Serve(inner) })
	}
	for i := range n {
		if err := errors.Join(reached(ctx, nodes.dbs[i]), nodes.joined(ctx, i, n)); err != nil {
			nodes.stop()
			return nil, err
		}
	}
	return nodes, nil
}

// joined waits until a node knows of n.
func (p *poolNodes) joined(ctx context.Context, i, n int) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for p.pools[i].Stats().Nodes < n {
		select {
		case <-ctx.Done():
			return errors.New("the nodes do not find one another")
		case <-tick.C:
		}
	}
	return nil
}

func (p *poolNodes) stop() {
	p.end()
	p.running.Wait()
}

// seeking is a visitor without a connection.
type seeking struct {
	crowd  *seekers
	asked  time.Time
	met    atomic.Bool
	ticket *match.Ticket
}

// seekers are those of one load.
type seekers struct {
	took    swarm.Histogram
	missing sync.WaitGroup
	twice   atomic.Int64
}

func (s *seeking) Presence() match.Presence { return match.Here }
func (s *seeking) Probe()                   {}
func (s *seeking) News(int)                 {}
func (s *seeking) End(string)               {}
func (s *seeking) Meet(match.Meeting) error {
	if s.met.Swap(true) {
		s.crowd.twice.Add(1)
		return nil
	}
	s.crowd.took.Observe(time.Since(s.asked))
	s.crowd.missing.Done()
	return nil
}

// poolLoads are the columns of the table of the pool.
func poolLoads() []poolLoad {
	return []poolLoad{
		{"one node", 1, 0, mixed},
		{"two nodes", 2, 0, mixed},
		{"two, no pair of one", 2, 0, apart},
		{"two, 2,000 a second", 2, poolRate, mixed},
	}
}

type poolLoad struct {
	name      string
	nodes     int
	perSecond int
	how       crossing
}

// poolRound measures what pairing costs Redis, which has a core of its own.
func poolRound(ctx context.Context, at cores, into []*column) (version string, err error) {
	s, err := startStore(ctx, &at.server)
	if err != nil {
		return "", err
	}
	defer s.stop()
	for i, l := range poolLoads() {
		nodes, err := openNodes(ctx, s, l.nodes)
		if err != nil {
			return "", err
		}
		n := poolBurst
		if l.perSecond > 0 {
			n = poolSteady
		}
		_, err = nodes.load(ctx, s, poolWarm, 0, l.how)
		if err == nil {
			var used poolSpent
			used, err = nodes.load(ctx, s, n, l.perSecond, l.how)
			used.tell(into[i])
		}
		nodes.stop()
		if err != nil {
			return "", fmt.Errorf("%s: %w", l.name, err)
		}
	}
	return s.version, nil
}

// tell adds the figures to a column.
func (u *poolSpent) tell(into *column) {
	pairs := float64(max(1, u.pairs))
	into.add(redisPairs, pairs/u.redis.Seconds())
	into.add(redisPair, micros(u.redis, u.pairs))
	into.add(redisCommands, u.done/pairs)
	into.add(redisCalls, u.sent/pairs)
	into.add(poolPair, micros(u.own, u.pairs))
	into.add(poolAcross, 100*u.across)
	into.add(poolP50, millis(u.latency.P50))
	into.add(poolP99, millis(u.latency.P99))
}

// poolSpent is what a load has cost.
type poolSpent struct {
	pairs      int
	redis, own time.Duration
	took       time.Duration
	done, sent float64 // commands
	across     float64 // the share of the pairs that are of two nodes
	latency    swarm.Quantiles
}

// load lets n visitors come, to each node in turn: at once or so many a second.
func (p *poolNodes) load(ctx context.Context, at *store, n, perSecond int, how crossing) (used poolSpent, err error) {
	crowd := new(seekers)
	all := make([]*seeking, n)
	for i := range all {
		at.visitors++
		s := &seeking{crowd: crowd}
		s.ticket = &match.Ticket{Visitor: s, Party: match.Party{
			User: "5d0c3a52-6f5b-4be1-9c6e-" + fmt.Sprintf("%012x", at.visitors), Addr: netip.AddrFrom4([4]byte{51, byte(at.visitors >> 16), byte(at.visitors >> 8), byte(at.visitors)}),
		}}
		if how == apart {
			s.ticket.Tags = []string{"tag-" + strconv.Itoa(i/len(p.pools))}
		}
		all[i] = s
	}
	crowd.missing.Add(n)
	before, err := p.count(ctx, at)
	if err != nil {
		return used, err
	}
	began := time.Now()
	p.offer(all, perSecond)
	if err := waitFor(ctx, &crowd.missing); err != nil {
		return used, err
	}
	used.took = time.Since(began)
	after, err := p.count(ctx, at)
	used.pairs, used.latency = n/2, crowd.took.Quantiles()
	used.redis, used.own = after.redis-before.redis, after.own-before.own
	used.done, used.sent = after.done-before.done, after.sent-before.sent
	used.across = 1 - (after.across-before.across)/float64(used.pairs)
	if twice := crowd.twice.Load(); twice > 0 && err == nil {
		err = fmt.Errorf("%d were matched twice", twice)
	}
	return used, err
}

// offer lets everybody come.
func (p *poolNodes) offer(all []*seeking, perSecond int) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for next, due := 0, 0; next < len(all); {
		if due = len(all); perSecond > 0 {
			<-tick.C
			due = min(due, 1+int(time.Since(began).Seconds()*float64(perSecond)))
		}
		for ; next < due; next++ {
			s := all[next]
			s.asked = time.Now()
			s.ticket.Since = s.asked
			p.pools[next%len(p.pools)].Offer(s.ticket)
		}
	}
}

// waitFor waits until nobody is missing.
func waitFor(ctx context.Context, missing *sync.WaitGroup) error {
	ctx, cancel := context.WithTimeout(ctx, poolTimeout)
	defer cancel()
	all := make(chan struct{})
	go func() { missing.Wait(); close(all) }() // the process ends if it does not
	select {
	case <-all:
		return nil
	case <-ctx.Done():
		return errors.New("some found nobody")
	}
}

// count is what was used until now; across is how many pairs were of one node.
func (p *poolNodes) count(ctx context.Context, at *store) (now poolSpent, err error) {
	var failed error
	if now.redis, err = at.cpu(); err != nil {
		return now, err
	}
	now.own, failed = process.CPUTime(os.Getpid())
	now.done, now.sent, err = commands(ctx, p.dbs[0])
	for _, pool := range p.pools {
		now.across += float64(pool.Stats().Local)
	}
	return now, errors.Join(err, failed)
}
