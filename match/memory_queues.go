package match

import (
	"math"
	"math/bits"
	"slices"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// tagID stands for a tag that somebody who waits has; zero is none.
type tagID uint32

// tagSet is up to four tags, sorted, the unused places last and zero.
type tagSet [wire.MaxTags]tagID

// queueName names a queue: those who have all of these tags, among everybody
// or among the held of one crowd. Without tags it is for those who are open.
type queueName struct {
	among *crowd
	tags  tagSet
}

// queue is who waits under one name, who came first at the head.
type queue struct {
	list
	name queueName
}

// stand is a ticket's link on one queue.
type stand struct {
	link
	queue *queue
}

// queues finds who waits by what they like. A ticket stands in one queue for
// each subset of its tags, fifteen at most; so the best overlap with a
// newcomer is found by looking at the newcomer's own subsets, the largest
// first. What is empty is taken back and used again: strangers can make
// nothing grow beyond what the most that ever waited at once need.
type queues struct {
	byName map[queueName]*queue
	spare  []*queue
	stands [wire.MaxTags + 1][][]stand // spare ones, by number of tags

	tags     map[string]tagID
	tagNames []tagName // by tagID
	spareIDs []tagID

	front, back int64 // the places given out at the head and at the end
	inherited   int64 // the last place of those that have come from another pool
}

type tagName struct {
	name string
	used int // by how many tickets
}

func newQueues() queues {
	return queues{byName: map[queueName]*queue{}, inherited: math.MinInt64 / 2, tags: map[string]tagID{}, tagNames: make([]tagName, 1)}
}

// know finds those tags of t that somebody in the queues has.
func (q *queues) know(t *Ticket) {
	m := &t.memory
	m.tags, m.tagCount = tagSet{}, 0
	for _, name := range t.Tags[:min(len(t.Tags), wire.MaxTags)] {
		if id := q.tags[name]; id != 0 && !slices.Contains(m.tags[:m.tagCount], id) {
			m.tags[m.tagCount] = id
			m.tagCount++
		}
	}
	slices.Sort(m.tags[:m.tagCount])
}

// learn gives every tag of t an id, which it keeps while t is in the queues.
func (q *queues) learn(t *Ticket) {
	for _, name := range t.Tags[:min(len(t.Tags), wire.MaxTags)] {
		if q.tags[name] == 0 {
			q.tags[name] = q.newTag(name)
		}
	}
	q.know(t)
	for _, id := range t.memory.tags[:t.memory.tagCount] {
		q.tagNames[id].used++
	}
}

func (q *queues) newTag(name string) tagID {
	if n := len(q.spareIDs); n > 0 {
		id := q.spareIDs[n-1]
		q.spareIDs = q.spareIDs[:n-1]
		q.tagNames[id].name = name
		return id
	}
	q.tagNames = append(q.tagNames, tagName{name: name})
	return tagID(len(q.tagNames) - 1)
}

// forget is the opposite of learn.
func (q *queues) forget(t *Ticket) {
	for _, id := range t.memory.tags[:t.memory.tagCount] {
		tag := &q.tagNames[id]
		if tag.used--; tag.used == 0 {
			delete(q.tags, tag.name)
			tag.name = ""
			q.spareIDs = append(q.spareIDs, id)
		}
	}
}

// enter puts t into the queues of its tags, at the end or at the head.
func (q *queues) enter(t *Ticket, among *crowd, atHead bool) {
	m := &t.memory
	q.learn(t)
	switch {
	case m.inherited != 0:
		m.order, m.inherited = m.inherited, 0
	case atHead:
		q.front--
		m.order = q.front
	default:
		q.back++
		m.order = q.back
	}
	m.among, m.atHead = among, atHead
	m.stands = q.takeStands(m.tagCount)
	for mask := 1; mask < len(m.stands); mask++ {
		q.standIn(t, mask)
	}
}

// open puts t, which is in the queues, into the one of those who are open.
// There too who came first is at the head: who waited for his tags in vain
// goes to the end, whenever he came.
func (q *queues) open(t *Ticket) {
	if t.memory.stands[0].on == nil {
		q.standIn(t, 0)
	}
}

func (q *queues) standIn(t *Ticket, mask int) {
	m := &t.memory
	name := queueName{m.among, subset(m.tags, mask)}
	at := q.byName[name]
	if at == nil {
		if n := len(q.spare); n > 0 {
			at, q.spare = q.spare[n-1], q.spare[:n-1]
		} else {
			at = new(queue)
		}
		at.name = name
		q.byName[name] = at
	}
	m.stands[mask].queue = at
	if m.order < lastInherited {
		at.insert(&m.stands[mask].link, t)
	} else {
		at.add(&m.stands[mask].link, t, m.atHead)
	}
}

// leave takes t out of the queues, if it is in them.
func (q *queues) leave(t *Ticket) {
	m := &t.memory
	if m.stands == nil {
		return
	}
	for i := range m.stands {
		at := m.stands[i].queue
		m.stands[i].leave()
		if at != nil && at.head == nil {
			delete(q.byName, at.name)
			at.name.among = nil
			q.spare = append(q.spare, at)
		}
		m.stands[i] = stand{}
	}
	q.forget(t)
	q.stands[m.tagCount] = append(q.stands[m.tagCount], m.stands)
	m.stands, m.among = nil, nil
}

// takeStands is a link for each subset of n tags, the empty one first.
func (q *queues) takeStands(n int) []stand {
	spare := q.stands[n]
	if len(spare) == 0 {
		return make([]stand, 1<<n)
	}
	q.stands[n] = spare[:len(spare)-1]
	return spare[len(spare)-1]
}

// subset is the tags whose bit is set in mask.
func subset(tags tagSet, mask int) (some tagSet) {
	for n := 0; mask != 0; mask &= mask - 1 {
		some[n] = tags[bits.TrailingZeros(uint(mask))]
		n++
	}
	return some
}
