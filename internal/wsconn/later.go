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
	mu         sync.Mutex // guards the fields below, and those of this work in all connections
	head, tail *Conn      // who has left work first, and last; nil: nobody
	count      int        // of them
	working    bool       // somebody does the work, and is not stuck
}

// Later has f run soon on a goroutine of the hub that has a large stack, after
// what other connections have left. Only the session's Idle may call it. Until f
// has returned, nothing is asked of the session: they own its state together.
// If f writes to somebody who does not read, the others are not kept waiting.
func (c *Conn) Later(f func()) {
	c.left = true
	l := &c.hub.laters
	l.mu.Lock()
	c.later = f
	if l.tail == nil {
		l.head = c
	} else {
		l.tail.behind = c
	}
	l.tail = c
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
	if !c.left {
		return
	}
	c.left = false
	l := &c.hub.laters
	var done chan struct{}
	l.mu.Lock()
	if c.later != nil {
		done = make(chan struct{})
		c.laterDone = done
	}
	l.mu.Unlock()
	if done != nil {
		<-done
	}
}

// run does what was left until there is no more.
func (l *laters) run() {
	runtime.Gosched() // until the readers that can run have left their work too
	for c, f := l.next(nil); c != nil; c, f = l.next(c) {
		f()
	}
}

// next takes the next work, after that of a connection is done; nil: there is
// none.
func (l *laters) next(done *Conn) (*Conn, func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if done != nil {
		done.later = nil
		if done.laterDone != nil {
			close(done.laterDone)
			done.laterDone = nil
		}
	}
	c := l.head
	if c == nil {
		l.working = false
		return nil, nil
	}
	l.head, c.behind = c.behind, nil
	if l.head == nil {
		l.tail = nil
	}
	l.count--
	return c, c.later
}

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
