package redispool

// name is a ticket as Redis and the other nodes know it. Each offer is made under
// a name of its own: what is said of an earlier one is told apart by its
// generation, and what was said to a node before it lost its lease by its epoch.
type name struct {
	Node       string
	Epoch      uint64 // of the node; grows with each lease that it takes
	Conn       uint64 // the visitor's connection there
	Generation uint32 // of the ticket; grows with each offer
}

// stage is where a ticket stands in the commit, at the node that holds its
// visitor's connection.
//
//	arriving ──offered──▶ offering ──enqueued──▶ waiting ──M──▶ promised ──C──▶ told
//	    ▲                    │  └───────paired──▶ asking ──Y──▶ told
//	    │                    │
//	    └─ not here          └─ down ──▶ local ──▶ told
//
// Whatever fails in asking and promised leads back to offering, under a new
// generation.
type stage uint8

const (
	arriving stage = iota // hopes, and is not in Redis: to be offered when its visitor rests
	offering              // its offer is under way to Redis, or the answer to it back
	waiting               // stands in Redis
	asking                // has come and was paired; asks the one who waited
	promised              // has waited, and has said yes to the one who came
	told                  // its visitor was told of the match
	local                 // Redis cannot be reached: in the pool of its node
	gone                  // will not be matched any more
)

// event is what happens to a ticket: the answer to its offer, a message of the
// partner's node, a timer, or the like.
type event struct {
	kind       eventKind
	generation uint32 // which offer of the ticket it is about, for those up to lacking
	from       name   // the partner, for paired and the messages
	here       bool   // for ask and yes: what a look at the visitor's connection finds now
}

type eventKind uint8

const (
	enqueued   eventKind = iota // the script has enlisted it
	paired                      // the script has taken `from` out of the pool for it
	unanswered                  // nobody knows what became of its offer
	ask                         // M: `from` has come and was paired with it
	yes                         // Y: `from` promises to come
	no                          // N: `from` does not wait any more
	commit                      // C: `from` was told of the match
	refuse                      // R: `from` was not
	nackDue                     // it has asked for askTime
	promiseDue                  // it has promised for promiseTime
	lacking                     // it waits here, but not in Redis
	offered                     // its visitor rests
	newEpoch                    // its node has lost its lease: nobody knows it by its name any more
	down                        // Redis cannot be reached
	up                          // Redis can be reached again
	met                         // has found somebody in the pool of its node
	stepsBack                   // it may not stand for now: one of a crowd, whose turn is over
	returned                    // its partner has not come
	left                        // its visitor has left, or his time is up
)

// action is what is to be done after an event: a set of the following. Messages
// go to the event's `from`, and name the generation that the ticket had when the
// event came.
type action uint16

const (
	offer       action = 1 << iota // under its new generation, before all others if it was offered before
	sayYes                         // Y
	sayNo                          // N
	sayCommit                      // C, after its visitor was told; R if he could not be told
	sayRefuse                      // R
	tell                           // its visitor learns of the match
	armNack                        // nackDue in askTime
	armPromise                     // promiseDue in promiseTime
	withdraw                       // what stands of it in Redis is to be taken out
	rest                           // offered comes when its visitor rests; he is asked for a sign of life if he is silent
	toLocalPool                    // the pool of its node is to take it
)

// life is what the commit knows of a ticket. The zero life is one that arrives.
type life struct {
	stage      stage
	generation uint32 // of its last offer
	with       name   // the partner, while asking and promised, and when told
}

// next is what e makes of l, and what is to be done. It is the whole protocol:
// whoever keeps a life calls it under a lock and does the actions afterwards.
func (l life) next(e event) (life, action) {
	switch e.kind {
	case enqueued, paired, unanswered:
		return l.answered(e)
	case ask:
		return l.asked(e)
	case yes, no, nackDue:
		return l.replied(e)
	case commit, refuse, promiseDue:
		return l.closed(e)
	default:
		return l.changed(e)
	}
}

// answered is the end of an offer.
func (l life) answered(e event) (life, action) {
	switch {
	case l.stage == gone && e.kind == enqueued:
		return l, withdraw
	case l.stage == waiting && l.generation == e.generation && e.kind == paired: // it stood, and looked around
		l.stage, l.with = asking, e.from
		return l, armNack
	case l.stage != offering || l.generation != e.generation:
		return l, 0 // a promise has overtaken the answer, or the offer was given up
	case e.kind == enqueued:
		l.stage = waiting
		return l, 0
	case e.kind == paired:
		l.stage, l.with = asking, e.from
		return l, armNack
	default:
		return l.again()
	}
}

// asked is for the one who waits. The message may overtake the answer to his
// offer: who is asked does stand in Redis.
func (l life) asked(e event) (life, action) {
	switch {
	case l.generation != e.generation || l.stage != waiting && l.stage != offering:
		return l, sayNo
	case !e.here:
		l.stage = arriving
		return l, sayNo | rest
	default:
		l.stage, l.with = promised, e.from
		return l, sayYes | armPromise
	}
}

// replied is for the one who came. The reply may overtake the answer to his offer:
// who hears of a partner under the name of that offer was paired with him.
func (l life) replied(e event) (life, action) {
	if (l.stage == offering || l.stage == waiting) && l.generation == e.generation && e.kind != nackDue {
		l.stage, l.with = asking, e.from
	}
	asks := l.stage == asking && l.generation == e.generation
	switch {
	case e.kind == nackDue:
		if asks {
			return l.again()
		}
		return l, 0
	case !asks || l.with != e.from:
		if e.kind == yes && (l.stage != told || l.with != e.from) {
			return l, sayRefuse
		}
		return l, 0
	case e.kind == no:
		return l.again()
	case !e.here:
		l.stage = arriving
		return l, sayRefuse | rest
	default:
		l.stage = told
		return l, tell | sayCommit
	}
}

// closed is for the one who has promised.
func (l life) closed(e event) (life, action) {
	switch {
	case l.stage != promised || l.generation != e.generation:
		return l, 0 // too late: it was offered to others meanwhile
	case e.kind == promiseDue:
		return l.again()
	case l.with != e.from:
		return l, 0
	case e.kind == refuse:
		return l.again()
	default:
		l.stage = told
		return l, tell
	}
}

// changed is what happens beside the commit.
func (l life) changed(e event) (life, action) {
	switch {
	case e.kind == left:
		in := l.stage == offering || l.stage == waiting
		l.stage = gone
		if in {
			return l, withdraw
		}
		return l, 0
	case e.kind == up && l.stage == local:
		l.stage = arriving
		return l, 0
	case e.kind == stepsBack && (l.stage == offering || l.stage == waiting):
		l.stage = arriving
		return l, withdraw
	case e.kind == offered && l.stage == arriving,
		e.kind == lacking && l.stage == waiting && l.generation == e.generation,
		e.kind == newEpoch && l.stage >= offering && l.stage <= promised:
		return l.again()
	case e.kind == down && (l.stage == offering || l.stage == waiting):
		l.stage = local
		return l, toLocalPool
	case e.kind == met && l.stage == local:
		l.stage = told
		return l, tell
	case e.kind == returned && l.stage == told:
		l.stage = arriving
		return l, rest
	}
	return l, 0
}

// again is l when it is offered anew.
func (l life) again() (life, action) {
	l.stage, l.generation, l.with = offering, l.generation+1, name{}
	return l, offer
}
