package fleet

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// readAtOnce is how many messages are read at once.
const readAtOnce = 256

// inbox is where we are in our stream.
type inbox struct {
	again chan struct{} // has room for one: there is something to read from

	mu    sync.Mutex // guards the fields below
	last  id         // of the message that was read last
	open  bool       // there is a stream, and last is in it
	sure  bool       // nothing was lost behind last, or it is counted
	count int64      // of all that were ever written into it, those behind us
	ahead int64      // ms by which the clock of Redis is ahead of ours

	froms map[string]uint64 // which message of each sender came last; the reader's own
}

// id is the id of a message in a stream: milliseconds by the clock of Redis, and
// which of that millisecond.
type id struct{ ms, n uint64 }

func (i id) String() string {
	return strconv.FormatUint(i.ms, 10) + "-" + strconv.FormatUint(i.n, 10)
}

func (i id) before(j id) bool { return i.ms < j.ms || i.ms == j.ms && i.n < j.n }

// parseID reads an id.
func parseID(s string) (id, error) {
	ms, n, found := strings.Cut(s, "-")
	var i id
	var errs [2]error
	i.ms, errs[0] = strconv.ParseUint(ms, 10, 64)
	i.n, errs[1] = strconv.ParseUint(n, 10, 64)
	if !found || errs[0] != nil || errs[1] != nil || i.String() != s {
		return id{}, fmt.Errorf("%q is no id of a stream", s)
	}
	return i, nil
}

// tendScript keeps our stream alive, or makes it. ARGV: keep in ms.
//
//	{1 if it is new, last id, entries ever added, entries in it}
func tendScript() *rueidis.Lua {
	return rueidis.NewLuaScript(`
local new = 0
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('XADD', KEYS[1], '*', 'k', '')
  new = 1
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
local info, out = redis.call('XINFO', 'STREAM', KEYS[1]), {}
for i = 1, #info, 2 do out[info[i]] = info[i+1] end
return {new, out['last-generated-id'], out['entries-added'], out['length']}`)
}

// tend keeps our stream alive, and finds out where we are in it.
func (f *Fleet) tend(ctx context.Context) error {
	reply, err := tendScript().Exec(ctx, f.cfg.DB.Client(), []string{inboxKey(f.cfg.Node)}, []string{milliseconds(keep)}).ToArray()
	if err != nil {
		return err
	}
	if len(reply) != 4 {
		return fmt.Errorf("the stream of this node is described by %d values", len(reply))
	}
	fresh, _ := reply[0].AsInt64()
	text, _ := reply[1].ToString()
	added, _ := reply[2].AsInt64()
	length, _ := reply[3].AsInt64()
	last, err := parseID(text)
	if err != nil {
		return err
	}
	b := &f.inbox
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.sure {
		b.sure = true
		b.wake()
	}
	if !b.open || fresh == 1 || last.before(b.last) { // a new one, or a server whose clock is behind that of the last
		b.open, b.last, b.count = true, last, added
		b.wake()
		return nil
	}
	if gone := added - length; gone > b.count { // more than maxInbox came before we read
		f.stats.lost.Add(uint64(gone - b.count))
		b.count = gone
	}
	return nil
}

// wake has the reader look.
func (b *inbox) wake() {
	select {
	case b.again <- struct{}{}:
	default:
	}
}

// doubt has nothing read before tend has seen how much was lost meanwhile: what is
// read first hides that.
func (b *inbox) doubt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sure = false
}

// clock keeps by how much the clock of Redis is ahead of ours.
func (b *inbox) clock(redis int64, ours time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ahead = redis - ours.UnixMilli()
}

// listen reads our stream until ctx ends.
func (f *Fleet) listen(ctx context.Context) {
	for ctx.Err() == nil {
		f.inbox.mu.Lock()
		last, ready := f.inbox.last, f.inbox.open && f.inbox.sure
		f.inbox.mu.Unlock()
		if !ready {
			f.rest(ctx, f.inbox.again)
			continue
		}
		// Without a deadline: with one rueidis would not see ctx end. A server that
		// says nothing is redisdb's business, which ends this read too.
		c := f.cfg.DB.Client()
		entries, err := c.Do(ctx, c.B().Xread().Count(readAtOnce).Block(block.Milliseconds()).
			Streams().Key(inboxKey(f.cfg.Node)).Id(last.String()).Build()).AsXRead()
		switch {
		case err == nil:
			f.receive(last, entries[inboxKey(f.cfg.Node)])
		case rueidis.IsRedisNil(err):
		default:
			f.inbox.doubt()
			f.rest(ctx, f.inbox.again)
		}
	}
}

// receive hands out messages that were read after last.
func (f *Fleet) receive(last id, entries []rueidis.XRangeEntry) {
	b := &f.inbox
	for _, e := range entries {
		at, err := parseID(e.ID)
		if err != nil {
			f.stats.bad.Add(1)
			continue
		}
		b.mu.Lock()
		if b.last != last { // it is another stream by now
			b.mu.Unlock()
			return
		}
		b.last, last = at, at
		b.count++
		now := time.Now().UnixMilli() + b.ahead
		b.mu.Unlock()
		if now-int64(at.ms) > keep.Milliseconds() {
			f.stats.old.Add(1)
			continue
		}
		f.hand(e.FieldValues)
	}
}

// message is what is in a stream.
type message struct {
	from, epoch string // of the node that sent it
	seq         uint64
	kind        string
	body        []byte
}

// parseMessage reads what is in a stream. The first message of one has no kind.
func parseMessage(fields map[string]string) (message, error) {
	m := message{kind: fields["k"]}
	var found bool
	var err error
	if m.from, m.epoch, found = cutField(fields["f"]); !found {
		return m, errNode
	}
	if m.seq, err = strconv.ParseUint(fields["n"], 10, 64); err != nil {
		return m, errNode
	}
	if m.kind == "" || len(m.kind) > maxKind || len(fields["b"]) > MaxMessage {
		return m, errNode
	}
	m.body = []byte(fields["b"])
	return m, nil
}

// hand hands out one message.
func (f *Fleet) hand(fields map[string]string) {
	if kind, has := fields["k"]; has && kind == "" && len(fields) == 1 {
		return // the first one
	}
	m, err := parseMessage(fields)
	if err != nil {
		f.stats.bad.Add(1)
		return
	}
	if !f.inbox.isNew(m) {
		return
	}
	handle := f.handlers[m.kind]
	if handle == nil {
		f.stats.unknown.Add(1)
		return
	}
	f.stats.received.Add(1)
	handle(m.from, m.body)
}

// isNew reports whether a message is one that did not come before: those of a
// process come in the order of their numbers, and one whose answer was lost comes
// again.
func (b *inbox) isNew(m message) bool {
	from := m.from + "/" + m.epoch
	last, known := b.froms[from]
	if known && m.seq <= last {
		return false
	}
	if b.froms == nil || !known && len(b.froms) >= 4*MaxNodes {
		b.froms = map[string]uint64{}
	}
	b.froms[from] = m.seq
	return true
}
