package succession

import (
	"fmt"
	"maps"
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

// start starts what passes messages to and from a process. The line is locked.
func (k *kin) start(l *Line) {
	l.once.Do(func() { l.running.Go(l.dispatch) })
	l.running.Go(k.write)
	l.running.Go(func() { k.read(l.pass) })
}
