package succession

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// Attend says how this process is ended, which end must not wait for. Call it before
// Ready. When ctx ends, so do all processes that this one is the current of.
func (l *Line) Attend(ctx context.Context, end func(cause error)) {
	if l == nil {
		return
	}
	l.end = end
	context.AfterFunc(ctx, func() {
		l.mu.Lock()
		l.ending = true
		abort := l.abort
		l.mu.Unlock()
		if abort != nil {
			abort(errEnds)
		}
		l.endOthers()
	})
}

var errEnds = errors.New("the server ends")

// endOthers has all others end: the current process takes the retired ones along,
// and the first one of a container everybody.
func (l *Line) endOthers() {
	if !l.leads() {
		return
	}
	for _, k := range l.joined() {
		k.send(packet{is: packetEnd})
	}
}

// leads tells whether others end when this process does.
func (l *Line) leads() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current == l.node || l.cfg.Stays
}

// lastWords is how long Close waits until what was told is sent.
const lastWords = time.Second

// Close ends the line, when all parts have ended. Others that end with this process
// are waited for until they are no processes any more: systemd on control groups of
// version 1 hears of nobody who ends after its main process, and would wait for him
// until its time is over. Those that live on are told what is queued.
func (l *Line) Close() {
	if l == nil {
		return
	}
	l.upgrading.Lock() // for good: an upgrade that was under way has ended
	if !l.serving.Load() {
		l.withdraw()
		return
	}
	l.endOthers() // also when nobody has ended ctx
	late := sync.OnceFunc(func() { close(l.late) })
	defer time.AfterFunc(l.cfg.EndTimeout, late).Stop() // for all of them
	if !l.leads() {
		late()
	} else {
		for _, k := range l.joined() {
			if k.process.Stays {
				continue // it waits for this one
			}
			select {
			case <-k.gone:
			case <-l.late:
				l.log.Warn("a retired process has not ended in time", "pid", k.process.PID)
			}
		}
	}
	l.mu.Lock()
	l.over = true
	all := slices.Collect(maps.Values(l.kin))
	l.mu.Unlock()
	for _, k := range all {
		k.finish(lastWords)
	}
	close(l.done)
	l.running.Wait()
}

// withdraw ends the line of a process that has never served: the older ones go on.
func (l *Line) withdraw() {
	close(l.done)
	for _, k := range append(l.older, l.elder) {
		_ = k.link.conn.Close() // they see it
	}
}
