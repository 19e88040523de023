package succession

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Bounds of what waits to be sent to one process.
const (
	maxQueued      = 16 << 10 // messages
	maxQueuedBytes = 32 << 20 // their bodies
)

// errFull is why a process is cut that does not read.
var errFull = fmt.Errorf("more than %d messages or %d bytes wait for it", maxQueued, maxQueuedBytes)

// kin is another process, and the connection to it.
type kin struct {
	node    int
	process Process
	link    *link
	joined  bool          // it serves or has served; guarded by Line.mu
	gone    chan struct{} // closed when the connection has ended, and everybody was told

	mu     sync.Mutex // guards the fields below; never held while sending
	queue  []packet
	bytes  int
	wake   chan struct{} // has room for one
	ending bool          // nothing more is queued; the writer ends when the queue is empty
	why    error         // it was cut
	left   map[string]int
}

func newKin(node int, process Process, link *link) *kin {
	return &kin{node: node, process: process, link: link, gone: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// send queues a message.
func (k *kin) send(p packet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ending {
		return
	}
	if len(k.queue) >= maxQueued || k.bytes+len(p.body) > maxQueuedBytes {
		k.cutLocked(errFull)
		return
	}
	k.queue = append(k.queue, p)
	k.bytes += len(p.body)
	k.wakeUp()
}

func (k *kin) wakeUp() {
	select {
	case k.wake <- struct{}{}:
	default: // it is awake
	}
}

// cut ends the connection at once.
func (k *kin) cut(why error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cutLocked(why)
}

func (k *kin) cutLocked(why error) {
	if k.why == nil {
		k.why = why
	}
	for _, p := range k.queue {
		closeFiles(p.files)
	}
	k.ending, k.queue, k.bytes = true, nil, 0
	_ = k.link.conn.Close() // the reader says how it has ended
	k.wakeUp()
}

// finish has the writer send what is queued, and end the connection then, at the
// latest after a while.
func (k *kin) finish(within time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ending = true
	_ = k.link.conn.SetWriteDeadline(time.Now().Add(within)) // if it has ended the writer sees that
	k.wakeUp()
}

// next is what is to be sent now.
func (k *kin) next() (list []packet, ending bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	list, k.queue, k.bytes = k.queue, nil, 0
	return list, k.ending
}

// write sends what is queued until there is nothing more to come.
func (k *kin) write() {
	for {
		list, ending := k.next()
		for i := range list {
			if err := k.transmit(&list[i]); err != nil {
				for _, p := range list[i:] {
					closeFiles(p.files)
				}
				k.cut(err)
				return
			}
		}
		if ending && len(list) == 0 {
			k.cut(nil)
			return
		}
		if len(list) == 0 {
			<-k.wake
		}
	}
}

// transmit sends one message, and closes its files.
func (k *kin) transmit(p *packet) error {
	defer closeFiles(p.files)
	pieces := p.pieces()
	for i := range pieces {
		if err := k.link.send(&pieces[i]); err != nil {
			return err
		}
	}
	return nil
}

// read passes on what the other one says until the connection ends.
func (k *kin) read(pass func(event) bool) {
	var w whole
	for {
		p, err := k.link.receive()
		var message *packet
		if err == nil {
			message, err = w.add(p)
		}
		if err == nil && message == nil {
			continue
		}
		if !pass(event{from: k, what: message, err: err}) || err != nil {
			if err != nil {
				k.cut(err)
			}
			break
		}
	}
	if w.pending != nil {
		closeFiles(w.pending.files)
	}
}

// say is one message in the order of an upgrade, before there are reader and writer.
func (k *kin) say(p packet) error { return k.transmit(&p) }

// hear waits for one message in the order of an upgrade.
func (k *kin) hear() (*packet, error) {
	var w whole
	for {
		p, err := k.link.receive()
		if err != nil {
			if w.pending != nil {
				closeFiles(w.pending.files)
			}
			return nil, err
		}
		if message, err := w.add(p); err != nil || message != nil {
			return message, err
		}
	}
}

// keeps is what a retired process still has, as it said last.
func (k *kin) keeps() map[string]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.left)
}

// cause is why the connection has ended: the other process has gone, or was cut.
func (k *kin) cause(err error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.why != nil && !lost(k.why) {
		return k.why
	}
	return err
}

// maxLeft bounds the parts that a retired process tells of.
const maxLeft = 64

// handle does what another process has said. It is called by dispatch alone.
func (l *Line) handle(e event) error {
	p := e.what
	switch p.is {
	case packetTell:
		l.mu.Lock()
		joined := e.from.joined
		l.mu.Unlock()
		if heard := l.handlers[p.name]; heard != nil && joined {
			heard(e.from.process.Node, p.body)
		} // else it is another version's
	case packetLeft:
		left := map[string]int{}
		if err := json.Unmarshal(p.body, &left); err != nil || len(left) > maxLeft {
			return errPacket
		}
		e.from.mu.Lock()
		e.from.left = left
		e.from.mu.Unlock()
	case packetServing:
		l.join(e.from)
	case packetKin:
		return l.welcome(p)
	case packetEnd:
		l.finish(errors.New("the server ends: " + e.from.process.String()))
	default:
		return errPacket
	}
	return nil
}

// join makes a new process the current one.
func (l *Line) join(k *kin) {
	l.mu.Lock()
	k.joined, l.current = true, max(l.current, k.node)
	l.mu.Unlock()
	l.tellWatchers()
}

// welcome takes the connection to a process that is being started by another one.
func (l *Line) welcome(p *packet) error {
	var who introduction
	if err := p.read(&who); err != nil || len(p.files) != 1 {
		closeFiles(p.files)
		return errPacket
	}
	k, err := who.kin(p.files[0])
	if err != nil {
		return err
	}
	l.add(k)
	return nil
}

// add starts reader and writer of a connection.
func (l *Line) add(k *kin) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.kin[k.node] != nil {
		_ = k.link.conn.Close() // the other one sees it
		close(k.gone)
		return
	}
	l.kin[k.node] = k
	k.start(l)
}

// pass hands an event to dispatch, unless the line ends.
func (l *Line) pass(e event) bool {
	select {
	case l.inbox <- e:
		return true
	case <-l.done:
		closeEvent(e)
		return false
	}
}

// dispatch calls everybody, until Close.
func (l *Line) dispatch() {
	for {
		select {
		case e := <-l.inbox:
			if e.from == nil {
				l.tellWatchers() // of the heir
				continue
			}
			if e.err == nil {
				e.err = l.handle(e)
				if e.err == nil {
					continue
				}
				closeEvent(e)
				e.from.cut(e.err)
				continue // the reader ends, and says so
			}
			l.leave(e)
		case <-l.done:
			for len(l.inbox) > 0 {
				closeEvent(<-l.inbox)
			}
			return
		}
	}
}

func closeEvent(e event) {
	if e.what != nil {
		closeFiles(e.what.files)
	}
}

// leave forgets a process whose connection has ended.
func (l *Line) leave(e event) {
	k := e.from
	l.mu.Lock()
	delete(l.kin, k.node)
	last := k.node == l.current && l.current != l.node
	if last { // unless there is one that is younger still, and about to serve
		for node := range l.kin {
			last = last && node < k.node
		}
	}
	alone := len(l.kin) == 0
	joined := k.joined
	l.mu.Unlock()
	why := k.cause(e.err)
	l.log.Debug("line ended", "pid", k.process.PID, "node", k.process.Node, "err", why)
	close(k.gone)
	if joined {
		if why != nil && !lost(why) {
			l.log.Warn("a process of this server was cut", "pid", k.process.PID, "err", why.Error())
		}
		l.tellWatchers()
	}
	switch {
	case last:
		l.finish(fmt.Errorf("the process that had taken over has ended: %v", k.process))
	case l.cfg.Stays && alone && l.node != l.currentNode():
		l.finish(errors.New("no other process is left"))
	}
}

func (l *Line) currentNode() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
}

func (l *Line) tellWatchers() {
	list := l.Kin()
	for _, watch := range l.watchers {
		watch(slices.Clone(list))
	}
}

// finish ends this process.
func (l *Line) finish(cause error) {
	if l.end != nil {
		l.end(cause)
	}
}

// start starts what passes messages to and from a process. The line is locked.
func (k *kin) start(l *Line) {
	l.once.Do(func() { l.running.Go(l.dispatch) })
	l.running.Go(k.write)
	l.running.Go(func() { k.read(l.pass) })
}
