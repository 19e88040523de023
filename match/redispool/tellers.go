package redispool

import "sync/atomic"

// maxTellers is how many goroutines wait for pairs to be told. More come when those
// are busy with clients that read slowly, and end when they are done.
const maxTellers = 32

// tellers are goroutines that tell pairs of their meeting. One that has told others
// before has the stack for it, which costs a pair in a rush a tenth less.
type tellers struct {
	pairs chan pair     // to those that wait
	over  chan struct{} // closed when the pool ends
	idle  atomic.Int32
}

func newTellers() tellers { return tellers{pairs: make(chan pair), over: make(chan struct{})} }

// tell has a pair told by another goroutine. Serve waits for it.
func (p *Pool) tell(x pair) {
	select {
	case p.tellers.pairs <- x:
	default:
		p.tells.Go(func() { p.teller(x) })
	}
}

func (p *Pool) teller(x pair) {
	for more := true; more; x, more = p.tellers.next() {
		p.introduce(x)
		p.mu.Lock()
		p.telling--
		p.mu.Unlock()
	}
}

// next waits for a pair. False: enough others do, or the pool ends.
func (t *tellers) next() (x pair, more bool) {
	defer t.idle.Add(-1)
	if t.idle.Add(1) > maxTellers {
		return x, false
	}
	select {
	case x = <-t.pairs:
		return x, true
	case <-t.over:
		return x, false
	}
}
