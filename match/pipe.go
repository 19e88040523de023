package match

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// The bounds of what a client says while its visitor is under way from one process to
// another: all of maxUnderWay together are far from what fills a line.
const (
	maxKeptFrames = 16
	maxKeptBytes  = 16 << 10
)

// pipe is a socket of this process whose visitor is at another one: what the client
// says goes there, and what he is to be told comes from there. One slow client costs
// itself: what is told to it waits in the bounded queue of its connection.
type pipe struct {
	kin *kin
	id  uint64
	v   *visitor // whose conn is near

	mu        sync.Mutex // guards the fields below; held while telling and posting, which never wait
	to        string     // the process that has the visitor
	adopted   bool       // it has said so: until then all is kept
	since     time.Time  // not adopted since
	kept      []pipeFrame
	keptBytes int
	match     *pipeFrame // to be told when all that the client has said was handled
	asked     bool       // a sign of life is wanted
	silent    bool       // none has come for too long, and that was told
	ended     bool       // the connection has
}

// say tells the visitor something. p.mu is held.
func (p *pipe) say(f pipeFrame) {
	f.pipe = p.id
	switch {
	case p.adopted:
		p.kin.line.Tell(p.to, toldPipe, f.bytes())
	case f.op != pipeGone && (len(p.kept) >= maxKeptFrames || p.keptBytes+len(f.text) > maxKeptBytes):
		p.v.conn.near.Close(wire.ClosePolicy, wire.ReasonFlood)
	default:
		f.text = bytes.Clone(f.text)
		p.kept = append(p.kept, f)
		p.keptBytes += len(f.text)
	}
}

// heard passes on what the client says.
func (p *pipe) heard(text []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(text) > maxPipeText {
		text = nil // no more than that is understood of it there
	}
	p.say(pipeFrame{op: pipeText, text: text})
}

// rested is called when all that the client has said was passed on.
func (p *pipe) rested() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.match != nil {
		p.deliver()
	}
	if p.asked || p.silent {
		p.asked, p.silent = false, false
		p.say(pipeFrame{op: pipeRest})
	}
}

// gone passes on that the connection has ended.
func (p *pipe) gone(left bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if p.match != nil {
		p.deliver() // in vain, as its sender is told
	}
	f := pipeFrame{op: pipeGone}
	if left {
		f.number = 1
	}
	p.say(f)
	if p.adopted {
		p.kin.forgetPipe(p)
	}
}

// deliver tells the client of its match, or just that it is there. p.mu is held.
func (p *pipe) deliver() {
	f := pipeFrame{op: pipeMet, number: p.match.number}
	if p.ended || len(p.match.text) > 0 && p.v.conn.near.Post(p.match.text) != nil {
		f.text = []byte{1}
	}
	p.match = nil
	p.say(f)
}

// receive does what the process wants that has the visitor.
func (p *pipe) receive(from string, f pipeFrame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	conn := p.v.conn.near
	if from != p.to {
		return
	}
	switch f.op {
	case pipeAdopted:
		p.adopt()
	case pipePost:
		_ = conn.Post(f.text) // its reader learns of an end by itself
	case pipeMatch: // whoever has left, as far as this host knows, is told of none
		p.match = &f
		if conn.Quiet() { // else the reader is about to rest, or to learn of the end
			p.deliver()
		}
	case pipePing:
		p.asked = true
		conn.Ping()
	case pipeKeep:
		conn.Keep()
	case pipeEndWithin:
		conn.EndWithin(time.Duration(f.number) * time.Millisecond)
	case pipeClose:
		p.match = nil
		conn.Close(wire.CloseCode(f.number), string(f.text))
	case pipeMove:
		if p.adopted {
			p.say(pipeFrame{op: pipeMoved})
			p.to, p.adopted, p.since = string(f.text), false, time.Now()
		}
	}
}

// adopt lets what was kept go to the process that has the visitor now. p.mu is held.
func (p *pipe) adopt() {
	if p.adopted {
		return
	}
	p.adopted = true
	for _, f := range p.kept {
		p.say(f)
	}
	p.kept, p.keptBytes = nil, 0
	if p.ended {
		p.kin.forgetPipe(p)
	}
}

// destination is the process that has the visitor.
func (p *pipe) destination() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.to
}

// look tells the visitor that its client is silent, once, and ends a pipe that nobody
// has adopted for too long.
func (p *pipe) look(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.adopted && now.Sub(p.since) > adoptTime:
		p.orphan()
	case p.adopted && !p.silent && !p.ended && p.v.conn.near.Silence() > p.v.lobby.cfg.silentAfter:
		p.silent = true
		p.say(pipeFrame{op: pipeSilent})
	}
}

// bereave ends the pipe if its visitor was at a process that has ended.
func (p *pipe) bereave(went []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.Contains(went, p.to) {
		p.orphan()
	}
}

// orphan ends the pipe: nobody has its visitor. The client comes again, to whoever
// serves. p.mu is held.
func (p *pipe) orphan() {
	p.kin.forgetPipe(p)
	p.adopted = true // by nobody: what it still says is dropped
	p.kept = nil
	p.v.conn.near.Close(wire.CloseGoingAway, wire.ReasonShutdown)
}
