package wsconn

import (
	"slices"
	"sync"
)

// maxAsides is how many goroutines are kept for Aside while nobody uses them.
const maxAsides = 64

// asides are goroutines whose stacks have grown. A reader waits on a stack of
// 2 KiB; whatever needs more, and most of all reflection does, would have the
// runtime copy that stack to a larger one twice for each connection, which
// costs more than all the rest of a short conversation, and would leave the
// idle connection with 8 KiB. So a reader has it done by one of these instead.
type asides struct {
	laters  *laters
	running sync.WaitGroup

	mu     sync.Mutex // guards the fields below
	idle   []*aside   // who was used last is used next
	unused int        // of them, at the beginning, since the last trim
	closed bool
}

// aside is one such goroutine.
type aside struct {
	work chan func() // nil: what was left for later
	done chan struct{}
}

// Aside runs f on a goroutine of the hub that has a large stack, and returns
// when f has. It is for what a session does once or twice in the life of a
// connection, such as to read JSON; passing messages on needs no stack.
func (c *Conn) Aside(f func()) {
	a := c.hub.asides.take()
	a.work <- f
	<-a.done
	c.hub.asides.give(a)
}

// take finds an idle one or starts another: nobody waits for anybody.
func (p *asides) take() *aside {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		a := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.unused = min(p.unused, n-1)
		return a
	}
	a := &aside{work: make(chan func()), done: make(chan struct{})}
	p.running.Go(func() { p.run(a) }) // close waits for it
	return a
}

func (p *asides) give(a *aside) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) == maxAsides {
		close(a.work)
		return
	}
	p.idle = append(p.idle, a)
}

// trim ends those that were not used since it was called last.
func (p *asides) trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.idle[:p.unused] {
		close(a.work)
	}
	p.idle = slices.Delete(p.idle, 0, p.unused)
	p.unused = len(p.idle)
}

// close ends them all, when no reader is left that could use one.
func (p *asides) close() {
	p.mu.Lock()
	p.closed = true
	for _, a := range p.idle {
		close(a.work)
	}
	p.idle, p.unused = nil, 0
	p.mu.Unlock()
	p.running.Wait()
}

func (p *asides) run(a *aside) {
	for f := range a.work {
		if f == nil {
			p.laters.run()
			p.give(a)
		} else {
			f()
			a.done <- struct{}{}
		}
	}
}
