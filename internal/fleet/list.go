package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
)

// nodesKey is the hash with all nodes: id/epoch → since deadline JSON, both in
// milliseconds by the clock of Redis.
const nodesKey = redisdb.Prefix + "{fleet}:nodes"

// attendScript writes this node, unless there are too many, forgets those whose
// lease ended (or ends in a minute or more: the clock of Redis was set back), and
// returns the time and what is left. ARGV: field, lease in ms, JSON, most nodes.
//
//	{now, field, since, ms left, JSON, field, …}
func attendScript() *rueidis.Lua {
	return rueidis.NewLuaScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
local out, n, mine = {now}, 0, now
for i = 1, #all, 2 do
  local since, deadline, json = string.match(all[i+1], '^(%d+) (%d+) (.*)$')
  if all[i] == ARGV[1] then
    mine = tonumber(since) or now
  elseif not since or tonumber(deadline) < now or tonumber(deadline) > now + 60000 then
    redis.call('HDEL', KEYS[1], all[i])
  else
    n = n + 1
    out[#out+1] = all[i]
    out[#out+1] = tonumber(since)
    out[#out+1] = tonumber(deadline) - now
    out[#out+1] = json
  end
end
if n >= tonumber(ARGV[4]) then return redis.error_reply('FULL') end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %.0f %s', mine, now + ARGV[2], ARGV[3]))
redis.call('PEXPIRE', KEYS[1], 60000)
out[#out+1] = ARGV[1]
out[#out+1] = mine
out[#out+1] = tonumber(ARGV[2])
out[#out+1] = ARGV[3]
return out`)
}

// list is the nodes that live, as we know.
type list struct {
	shown atomic.Pointer[shown]

	mu    sync.Mutex // guards the fields below
	nodes []living   // by id; the own one is not here
	self  Node
	known map[string]time.Time // ids that were there → when that was last; up to keep ago
}

// living is a node and when its lease ends, by our clock.
type living struct {
	Node
	until time.Time
	left  time.Duration // of its lease, when we asked
}

// shown is what Nodes shows, and until when.
type shown struct {
	nodes []Node
	until time.Time
}

func (l *list) init(self Node) {
	l.known = map[string]time.Time{}
	l.set(nil, self, time.Now())
}

// Nodes are the nodes that live, by id, this one included. The slice is shared:
// read it only. It costs nothing while nothing changed.
func (f *Fleet) Nodes() []Node {
	s := f.list.shown.Load()
	if now := time.Now(); s.until.IsZero() || now.Before(s.until) {
		return s.nodes
	}
	f.list.mu.Lock()
	defer f.list.mu.Unlock()
	f.list.show(time.Now())
	return f.list.shown.Load().nodes
}

// Node is the node with an id, if it lives.
func (f *Fleet) Node(id string) (Node, bool) {
	nodes := f.Nodes()
	i, found := slices.BinarySearchFunc(nodes, id, func(n Node, id string) int { return strings.Compare(n.ID, id) })
	if !found {
		return Node{}, false
	}
	return nodes[i], true
}

// set makes these the nodes that live, and returns the ids that came and went.
func (l *list) set(nodes []living, self Node, now time.Time) (came, went []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	had := map[string]bool{}
	for _, n := range l.nodes {
		had[n.ID] = true
	}
	for _, n := range nodes {
		if _, known := l.known[n.ID]; known || len(l.known) < 4*MaxNodes {
			l.known[n.ID] = now
		}
		if !had[n.ID] {
			came = append(came, n.ID)
		}
		delete(had, n.ID)
	}
	for id := range had {
		went = append(went, id)
	}
	for id, last := range l.known {
		if now.Sub(last) > keep {
			delete(l.known, id)
		}
	}
	l.nodes, l.self = nodes, self
	l.show(now)
	return came, went
}

// setSelf changes what this node says of itself, where the others do not hear it.
func (l *list) setSelf(self Node, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	self.Since = l.self.Since
	l.self = self
	l.show(now)
}

// show makes what Nodes shows. Called with mu held.
func (l *list) show(now time.Time) {
	s := &shown{nodes: make([]Node, 0, len(l.nodes)+1)}
	for _, n := range l.nodes {
		if now.Before(n.until) {
			s.nodes = append(s.nodes, n.Node)
			if s.until.IsZero() || n.until.Before(s.until) {
				s.until = n.until
			}
		}
	}
	at, _ := slices.BinarySearchFunc(s.nodes, l.self.ID, func(n Node, id string) int { return strings.Compare(n.ID, id) })
	s.nodes = slices.Insert(s.nodes, at, l.self)
	l.shown.Store(s)
}

// others are the ids of all that live, and of those that may come back and read on.
func (l *list) others() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make([]string, 0, len(l.known))
	for id := range l.known {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// attend announces this node each second, and learns of the others.
func (f *Fleet) attend(ctx context.Context) {
	script := attendScript()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	a := attendance{began: time.Now()}
	for {
		if err := f.attendOnce(ctx, script, &a); err != nil && f.cfg.DB.Up() && ctx.Err() == nil {
			if text := err.Error(); text != a.said {
				a.said = text
				f.log.Warn("node not announced", "node", f.cfg.Node, "why", text)
			}
		} else if err == nil {
			a.said = ""
		}
		f.joined.Store(a.joined(time.Now()))
		if nodes := f.Nodes(); !slices.EqualFunc(nodes, a.seen, sameStanding) {
			a.seen = nodes
			for _, watch := range f.watchers {
				watch(nodes)
			}
		}
		select { // whoever hurries all the time is no burden
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-f.hurry:
		}
	}
}

// attendance is what attend remembers.
type attendance struct {
	said  string                   // the last error in the log
	twins map[string]time.Duration // other epochs of our id → how much of its lease was left
	told  map[string]bool          // those that the log was told of

	began  time.Time // this node
	there  time.Time // when the first announcement was there; zero: not yet
	latest [3]bool   // what of it nobody may learn late
	seen   []Node    // what the watchers were told
}

// sameStanding reports whether two are the same node, to be used in the same way.
func sameStanding(x, y Node) bool {
	return x.ID == y.ID && x.Epoch == y.Epoch && x.URL == y.URL && x.Region == y.Region && x.Draining == y.Draining &&
		x.TURNDraining == y.TURNDraining && x.OverBudget == y.OverBudget && slices.Equal(x.TURN, y.TURN) && slices.Equal(x.Roles, y.Roles)
}

// joined reports whether everybody has looked since this node was there, or it was
// not let in and has waited long enough. It does not go back.
func (a *attendance) joined(now time.Time) bool {
	return !a.there.IsZero() && now.Sub(a.there) >= 2*every || now.Sub(a.began) >= lease
}

// isNews reports whether what this node says now is something that the others must
// learn at once: that it is there, or that one of these has changed.
func (a *attendance) isNews(said Announcement, now time.Time) bool {
	latest := [3]bool{said.Draining, said.TURNDraining, said.OverBudget}
	if !a.there.IsZero() && a.latest == latest {
		return false
	}
	if a.there.IsZero() {
		a.there = now
	}
	a.latest = latest
	return true
}

// attendOnce announces this node and learns of the others.
func (f *Fleet) attendOnce(ctx context.Context, script *rueidis.Lua, a *attendance) error {
	self := f.self(f.announce())
	text, err := encode(self)
	if err != nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	asked := time.Now()
	reply, err := script.Exec(asking, f.cfg.DB.Client(), []string{nodesKey},
		[]string{f.field(), milliseconds(lease), string(text), decimal(MaxNodes)}).ToArray()
	if err != nil {
		f.list.setSelf(self, asked)
		if strings.HasPrefix(err.Error(), "FULL") {
			return fmt.Errorf("the fleet has %d nodes, and takes no more", MaxNodes)
		}
		return err
	}
	clock, nodes, since := f.read(reply, asked)
	self.Since = since
	f.inbox.clock(clock, asked)
	nodes = f.settle(nodes, a)
	came, went := f.list.set(nodes, self, asked)
	for _, id := range came {
		f.log.Info("node came", "node", id)
	}
	for _, id := range went {
		f.log.Info("node went", "node", id)
	}
	if a.isNews(self.Announcement, asked) {
		f.TellAll(kindLook, nil)
	}
	return f.tend(asking)
}

// read reads what the script returns: the time, the other nodes, and since when
// this one is there.
func (f *Fleet) read(reply []rueidis.RedisMessage, asked time.Time) (clock int64, nodes []living, since time.Time) {
	if len(reply) == 0 {
		return 0, nil, since
	}
	clock, _ = reply[0].AsInt64()
	for rest := reply[1:]; len(rest) >= 4 && len(nodes) <= MaxNodes; rest = rest[4:] {
		field, _ := rest[0].ToString()
		came, _ := rest[1].AsInt64()
		left, _ := rest[2].AsInt64()
		text, _ := rest[3].ToString()
		if field == f.field() {
			since = time.UnixMilli(came)
			continue
		}
		n, err := decode(field, text)
		if err != nil {
			f.stats.bad.Add(1)
			continue
		}
		n.Since = time.UnixMilli(came)
		leftover := min(time.Duration(left)*time.Millisecond, lease)
		n.Heard = asked.Add(leftover - lease)
		nodes = append(nodes, living{Node: n, until: asked.Add(leftover), left: leftover})
	}
	return clock, nodes, since
}

// settle sorts the nodes by id, leaves the youngest of each, and says if another
// process has our id and renews its lease.
func (f *Fleet) settle(nodes []living, a *attendance) []living {
	slices.SortFunc(nodes, func(x, y living) int {
		if c := strings.Compare(x.ID, y.ID); c != 0 {
			return c
		}
		if c := y.Since.Compare(x.Since); c != 0 {
			return c
		}
		return strings.Compare(x.Epoch, y.Epoch)
	})
	twins := map[string]time.Duration{}
	kept := nodes[:0]
	for _, n := range nodes {
		switch {
		case n.ID == f.cfg.Node:
			twins[n.Epoch] = n.left
			if before, seen := a.twins[n.Epoch]; seen && n.left >= before && !a.told[n.Epoch] {
				if a.told == nil {
					a.told = map[string]bool{}
				}
				a.told[n.Epoch] = true
				f.log.Warn("another process has the id of this node: give each its own NODE_ID", "node", n.ID)
			}
		case len(kept) > 0 && kept[len(kept)-1].ID == n.ID:
		default:
			kept = append(kept, n)
		}
	}
	for epoch := range a.told {
		if _, there := twins[epoch]; !there {
			delete(a.told, epoch)
		}
	}
	a.twins = twins
	f.twin.Store(len(a.told) > 0)
	return kept
}

// leave takes this node off the list, and its stream unless another process has
// the id and renews it.
func (f *Fleet) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answer)
	defer cancel()
	c := f.cfg.DB.Client()
	c.DoMulti(ctx,
		c.B().Hdel().Key(nodesKey).Field(f.field()).Build(),
		c.B().Pexpire().Key(inboxKey(f.cfg.Node)).Milliseconds(lease.Milliseconds()).Build())
}
