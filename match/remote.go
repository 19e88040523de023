package match

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// matchTime is how long the process that keeps a socket may take to tell its client of
// a match. It is as long as a client may take that reads slowly.
const matchTime = 5 * time.Second

// The bounds of what has come to a visitor who is busy.
const (
	maxHeardFrames = 64
	maxHeardBytes  = 128 << 10
)

// remoteName names a socket among those of all processes.
type remoteName struct {
	holder string // the process that keeps it
	pipe   uint64
}

// remote is a socket that another process keeps, as its visitor has it. In the place
// of a reader, somebody is called to work when something has come.
type remote struct {
	kin  *kin
	name remoteName
	addr netip.Addr
	v    *visitor

	silent atomic.Bool // nothing has come from the client for too long
	// busy is what quiet goes by. The pool asks while it is locked, and whoever holds mu
	// may be waiting for the pool.
	busy atomic.Bool

	mu      sync.Mutex  // guards the fields below; never held while the visitor is asked
	in      []pipeFrame // what has come and was not handled
	inBytes int
	working bool      // somebody handles it
	to      string    // the process that the visitor goes to: what comes is for that one
	leaving *handed   // then: what that one is told of him
	number  uint32    // of the last MATCH
	met     chan bool // whether it was told; nil: none is under way
	ended   bool
}

// tell tells the process that keeps the socket what is to be done with it.
func (r *remote) tell(f pipeFrame) {
	f.pipe = r.name.pipe
	r.kin.line.Tell(r.name.holder, toldPipe, f.bytes())
}

func (r *remote) quiet() bool { return !r.busy.Load() }

// note has quiet know how it is. r.mu is held.
func (r *remote) note() { r.busy.Store(len(r.in) > 0 || r.ended || r.to != "") }

// send has the client told of a match. Errors are those of wsconn.Conn.Send: nil means
// that it was still there when it was told, as far as its host knows.
func (r *remote) send(text []byte) error {
	r.mu.Lock()
	if r.ended || r.to != "" {
		r.mu.Unlock()
		return wsconn.ErrClosed
	}
	r.number++
	met, number := make(chan bool, 1), r.number
	r.met = met
	r.mu.Unlock()
	r.kin.lobby.hub.GoOn()
	r.tell(pipeFrame{op: pipeMatch, number: number, text: text})
	late := time.NewTimer(matchTime)
	defer late.Stop()
	select {
	case told := <-met:
		if told {
			return nil
		}
		return wsconn.ErrClosed
	case <-late.C:
		r.tell(pipeFrame{op: pipeClose, number: uint32(wire.ClosePolicy), text: []byte(wire.ReasonSlowReader)})
		return wsconn.ErrSlow
	}
}

// There tells whether the client is there, as far as the host knows that has its
// connection. Of one that is here Presence has said so.
func (v *visitor) There() bool { return v.conn.far == nil || v.conn.far.send(nil) == nil }

// receive takes a frame.
func (r *remote) receive(f pipeFrame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ended:
		return
	case f.op == pipeMet:
		if f.number == r.number {
			r.answer(len(f.text) == 0)
		}
		return
	case f.op == pipeSilent:
		r.silent.Store(true)
		return
	case f.op == pipeGone:
		r.ended = true
		r.answer(false)
	case len(r.in) >= maxHeardFrames || r.inBytes+len(f.text) > maxHeardBytes:
		r.tell(pipeFrame{op: pipeClose, number: uint32(wire.ClosePolicy), text: []byte(wire.ReasonFlood)})
		return
	}
	r.silent.Store(false)
	r.in = append(r.in, f)
	r.inBytes += len(f.text)
	r.note()
	r.call()
}

// answer says what came of a MATCH. r.mu is held.
func (r *remote) answer(told bool) {
	if r.met != nil {
		r.met <- told // it has room for one
		r.met = nil
	}
}

// call has somebody work. r.mu is held.
func (r *remote) call() {
	if !r.working {
		r.working = true
		r.kin.work(r.work)
	}
}

// work handles what has come, as a reader does, until there is no more.
func (r *remote) work() {
	for {
		f, more := r.next()
		switch f.op {
		case 0:
			return
		case pipeText:
			r.v.hearFar(f.text)
		case pipeGone:
			r.v.Closed(f.number != 0)
			r.kin.forgetRemote(r)
			more = true // nobody rests any more
		}
		if !more {
			r.v.rest()
		}
	}
}

// next is what is to be handled; op 0: nothing. More: it is not all.
func (r *remote) next() (f pipeFrame, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.note()
	switch {
	case r.to == "" && len(r.in) > 0:
		f, r.in = r.in[0], r.in[1:]
		r.inBytes -= len(f.text)
		return f, len(r.in) > 0
	case r.to != "":
		r.depart()
	default:
		r.in = nil
	}
	r.working = false
	return f, false
}

// depart sends the visitor on when the process that keeps his socket has said its last
// word to this one, or the connection has ended. r.mu is held.
func (r *remote) depart() {
	if r.leaving == nil {
		return
	}
	var words [][]byte
	for _, f := range r.in {
		switch f.op {
		case pipeText:
			words = append(words, f.text)
		case pipeGone:
			h := r.leaving
			r.leaving, r.in = nil, nil
			r.kin.work(func() { r.v.lapse(h) })
			r.kin.forgetRemote(r)
			return
		case pipeMoved:
			h := r.leaving
			h.Words = append(h.Words, words...)
			r.leaving, r.in = nil, nil
			h.leave(time.Now())
			r.kin.line.Tell(r.to, toldVisitor, marshal(h))
			r.kin.forgetRemote(r)
			return
		}
	}
}
