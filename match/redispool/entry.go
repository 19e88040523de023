package redispool

import (
	"cmp"
	"container/heap"
	"container/list"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// entry is all that the pool of a node knows of one of its tickets. Times are
// counted from when the pool was made. Pool.mu guards it.
type entry struct {
	ticket *match.Ticket
	life   life
	conn   uint64 // its number at this node

	spot     spot
	first    bool // before all others, when it is offered next
	enlisted bool // it hopes: has moments, counts with those of its address
	counted  bool // as one who waits
	greeted  bool // was told how many wait
	opened   bool // stands, or is to, in the queue of those without tags too
	called   bool // it is in Pool.calls
	looked   bool // it has stood under this generation: what is called next is a look around
	crowded  bool // stands as one of a crowd
	burnt    bool // somebody may be in the room that it has prepared
	among    bool // stands among the held of its crowd

	since, notBefore, deadline time.Duration

	told   time.Duration // when it was last told how many wait
	relook time.Duration // when it is to look around again; 0: not
	repair time.Duration // when it has lacked in Redis for long enough; 0: it does not
	commit time.Duration // when nackDue or promiseDue is; 0: never
	due    time.Duration // its next moment
	index  int           // in Pool.moments

	head time.Duration // when it was put before all others; 0: it was not
	page int           // how much of the queues it has seen
	user string        // as users are written in Redis
	addr string        // and subscribers

	tags  []string // sorted
	crowd *crowd   // those of its address; nil: it has none
	mate  *list.Element
	mates *list.List
	tab   *list.Element // behind another of its user

	guest   guest         // promised: who has come
	room    venue         // promised: where they are to meet
	partner string        // asking: the user of the partner, as Redis has him
	proxy   *match.Ticket // in the local pool
}

// spot is where an entry stands that hopes.
type spot uint8

const (
	nowhere  spot = iota // it is to be offered when its visitor rests
	resting              // its cool-down goes on
	kept                 // one of a crowd, whose turn it is not
	behind               // another ticket of its user stands before it
	standing             // in Redis, or on its way there
)

// Users and subscribers are written in Redis as a part of their hash: long
// enough that nobody finds two that look the same.
const (
	userBytes = 12
	addrBytes = 8
)

func newEntry(t *match.Ticket, conn uint64) *entry {
	e := &entry{ticket: t, conn: conn, index: -1, addr: string(make([]byte, addrBytes))}
	sum := sha256.Sum256([]byte(t.User))
	e.user = string(sum[:userBytes])
	if t.Addr.IsValid() {
		sum = sha256.Sum256([]byte(arrivals.Source(t.Addr).String()))
		e.addr = string(sum[:addrBytes])
	}
	e.tags = t.Tags[:min(len(t.Tags), wire.MaxTags)]
	if !slices.IsSorted(e.tags) {
		e.tags = slices.Sorted(slices.Values(e.tags))
	}
	return e
}

// waits tells whether e counts as one who waits.
func (e *entry) waits() bool {
	switch e.life.stage {
	case arriving:
		return e.spot != nowhere
	case offering, waiting, local:
		return true
	default:
		return false
	}
}

// hopes tells whether e has no partner and may get one.
func (e *entry) hopes() bool {
	s := e.life.stage
	return s == arriving || s == offering || s == waiting || s == local
}

// value is e as the script knows it: user, subscriber, whether it is one of a
// crowd, generation, since when it waits, and its place.
func (e *entry) value(origin int64) string {
	b := make([]byte, 0, 72)
	b = append(b, e.user...)
	b = append(b, e.addr...)
	if e.crowded && !e.among {
		b = append(b, '1')
	} else {
		b = append(b, '0')
	}
	b = append(b, generation(e.life.generation)...)
	since := strconv.FormatInt(max(0, origin+e.since.Microseconds()), 10)
	b = append(b, "0000000000000000"[:max(0, 16-len(since))]...)
	b = append(b, since...)
	return string(strconv.AppendInt(b, e.order(origin), 10))
}

// order is e's place in queues, smaller is first: before all others, or by when it
// came.
func (e *entry) order(origin int64) int64 {
	if e.head != 0 {
		return -(origin + e.head.Microseconds())
	}
	return origin + e.since.Microseconds()
}

// before tells whether e has waited longer than other.
func (e *entry) before(other *entry) bool {
	if e.head != 0 || other.head != 0 {
		return e.head > other.head
	}
	return e.since < other.since
}

// prepared is the room that e's visitor has prepared, as long as nobody can be in
// it; empty: none.
func (e *entry) prepared() string {
	if e.burnt {
		return ""
	}
	return e.ticket.RoomName
}

// queueName is the queue of those who have all of these tags: of everybody or, if
// among is set, of the held of one crowd. Without tags it is for those who are open.
func queueName(among string, tags []string) string {
	return among + ":" + strings.Join(tags, "\n")
}

// within is the name of those among whom e stands.
func (e *entry) within() string {
	if e.among {
		return hex.EncodeToString([]byte(e.addr))
	}
	return ""
}

// subsets calls f with the queue of each subset of e's tags that is not empty, the
// largest first, and with their size.
func (e *entry) subsets(f func(queue string, size int)) {
	among := e.within()
	if len(e.tags) == 1 { // as most
		f(queueName(among, e.tags), 1)
		return
	}
	var some [wire.MaxTags]string
	for size := len(e.tags); size > 0; size-- {
		for mask := 1; mask < 1<<len(e.tags); mask++ {
			n := 0
			for i, tag := range e.tags {
				if mask&(1<<i) != 0 {
					some[n] = tag
					n++
				}
			}
			if n == size {
				f(queueName(among, some[:n]), size)
			}
		}
	}
}

// queues are those in which e stands.
func (e *entry) queues() (names []string) {
	e.subsets(func(queue string, _ int) { names = append(names, queue) })
	if e.opened {
		names = append(names, queueName(e.within(), nil))
	}
	return names
}

// call is e's offer as the script reads it.
func (e *entry) call(b *batch, origin int64) call {
	looks, stands := []byte{0, byte(e.page)}, []byte(nil)
	if e.looked {
		looks[0] = 1
	}
	last, at := 0, 0
	e.subsets(func(queue string, size int) {
		place := b.place(queue)
		if size != last {
			last, at = size, len(looks)
			looks = append(looks, 0)
		}
		looks[at]++
		looks = append(looks, place)
		stands = append(stands, place)
	})
	if e.opened {
		place := b.place(queueName(e.within(), nil))
		looks = append(looks, 1, place)
		stands = append(stands, place)
	}
	n := name{Conn: e.conn}
	return call{
		entry: e, generation: e.life.generation, ticket: b.owner + n.ticket()[len(n.owner()):], value: e.value(origin),
		looks: string(looks), stands: string(stands), guest: string(e.asGuest().append(nil)),
	}
}

func (e *entry) asGuest() *guest {
	return &guest{party: e.ticket.Party, tags: e.tags, prepared: e.prepared() != ""}
}

// moments is a heap of entries by their next moment.
type moments []*entry

func (m moments) Len() int           { return len(m) }
func (m moments) Less(i, j int) bool { return cmp.Less(m[i].due, m[j].due) }
func (m moments) Swap(i, j int) {
	m[i], m[j] = m[j], m[i]
	m[i].index, m[j].index = i, j
}

// Push implements heap.Interface.
func (m *moments) Push(x any) {
	e := x.(*entry)
	e.index = len(*m)
	*m = append(*m, e)
}

// Pop implements heap.Interface.
func (m *moments) Pop() any {
	last := len(*m) - 1
	e := (*m)[last]
	(*m)[last] = nil
	*m = (*m)[:last]
	e.index = -1
	return e
}

// set gives e its next moment.
func (m *moments) set(e *entry, due time.Duration) {
	e.due = due
	if e.index < 0 {
		heap.Push(m, e)
	} else {
		heap.Fix(m, e.index)
	}
}

func (m *moments) drop(e *entry) {
	if e.index >= 0 {
		heap.Remove(m, e.index)
	}
}
