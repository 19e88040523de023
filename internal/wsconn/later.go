package wsconn

import (
	"runtime"
	"sync"
)

// maxTogether is the work for which one more goroutine is called: on several
// cores readers may leave it faster than one can do it.
const maxTogether = 64

// laters is work that readers have left. In a rush many readers run one after
// the other; if each has its work done at once, two goroutines take turns, and
// each turn finds caches full of the other's. So the work is gathered, and done
// in one go when those readers rest.
type laters struct {
	mu         sync.Mutex // guards the fields below, and those of all that is left
	head, tail *later     // what was left first, and last; nil: nothing
	count      int        // of it
	working    bool       // somebody does the work, and is not stuck
}

// later is work that one of them has left.
type later struct {
	do     func()        // nil: it is done
	done   chan struct{} // closed then; nil: nobody waits for that
	behind *later        // what was left next
}

// Later has f run soon on a goroutine of the hub that has a large stack, after
// what other connections have left. Only the session's Idle may call it. Until f
// has returned, nothing is asked of the session: they own its state together.
// If f writes to somebody who does not read, the others are not kept waiting.
func (c *Conn) Later(f func()) {
	left := &later{do: f}
	c.left = left
	l := &c.hub.laters
	l.mu.Lock()
	if l.tail == nil {
		l.head = left
	} else {
		l.tail.behind = left
	}
	l.tail = left
	l.count++
	call := !l.working || l.count%maxTogether == 0
	l.working = true
	l.mu.Unlock()
	if call {
		c.hub.asides.take().work <- nil
	}
}

// awaitLater returns when what was left for later is done. Only the reader
// calls it.
func (c *Conn) awaitLater() {
	left := c.left
	if left == nil {
		return
	}
	c.left = nil
	l := &c.hub.laters
	var done chan struct{}
	l.mu.Lock()
	if left.do != nil {
		done = make(chan struct{})
		left.done = done
	}
	l.mu.Unlock()
	if done != nil {
		<-done
	}
}

// run does what was left until there is no more.
func (l *laters) run() {
	runtime.Gosched() // until the readers that can run have left their work too
	for left, do := l.next(nil); left != nil; left, do = l.next(left) {
		do()
	}
}

// next takes the next work, after other work is done; nil: there is none.
func (l *laters) next(done *later) (left *later, do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if done != nil {
		done.do = nil
		if done.done != nil {
			close(done.done)
		}
	}
	left = l.head
	if left == nil {
		l.working = false
		return nil, nil
	}
	l.head, left.behind = left.behind, nil
	if l.head == nil {
		l.tail = nil
	}
	l.count--
	return left, left.do
}

// GoOn is called by who may be stuck from now on, and may be a session that does work
// which was left for later: another one goes on with what others have left.
func (h *Hub) GoOn() { h.handOver() }

// handOver is called by who may be stuck from now on, and may have been doing
// this work: another one goes on.
func (h *Hub) handOver() {
	l := &h.laters
	l.mu.Lock()
	more := l.head != nil
	l.working = more
	l.mu.Unlock()
	if more {
		h.asides.take().work <- nil
	}
}
