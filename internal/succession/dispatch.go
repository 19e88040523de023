package succession

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

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
				l.tellWatchers() // of the heir, or in it of those who live
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
	last := l.current != l.node && !l.orphaned
	for node := range l.kin { // one that is younger than the current one is about to serve
		last = last && node < l.current
	}
	l.orphaned = l.orphaned || last
	alone := len(l.kin) == 0
	joined := k.joined
	l.mu.Unlock()
	why := k.cause(e.err)
	l.log.Debug("line ended", "pid", k.process.PID, "node", k.process.Node, "err", why)
	l.running.Go(func() { awaitExit(k.process.PID, l.late) })
	close(k.gone)
	if l.cfg.Stays {
		reap(k.process.PID)
	}
	if joined {
		if why != nil && !lost(why) {
			l.log.Warn("a process of this server was cut", "pid", k.process.PID, "err", why.Error())
		}
		l.tellWatchers()
	}
	switch {
	case last:
		for _, name := range l.names {
			if orphan := l.parts[name].Orphan; orphan != nil {
				orphan()
			}
		}
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
