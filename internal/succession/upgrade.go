package succession

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"
)

// Times of an upgrade.
const (
	// startTimeout is how long a new process may take until it is ready.
	startTimeout = 30 * time.Second
	// pauseTimeout is how long nobody accepts at most: wills are told, and the new
	// process says that it serves. After it the old one resumes.
	pauseTimeout = 10 * time.Second
	// killTimeout is how long a process may take to end that was killed.
	killTimeout = 5 * time.Second
	// everyLeft is how often a retired process says what it still keeps.
	everyLeft = time.Second
)

// What Upgrade refuses. The text is for the operator.
var (
	ErrUnderWay = errors.New("an upgrade is under way")
	ErrRetired  = errors.New("a newer process serves already")
	ErrTooMany  = fmt.Errorf("%d retired processes still have chats: wait until one of them has ended, or restart the server", MaxRetired)
	ErrUnfit    = errors.New("this server cannot be upgraded while it serves")
)

// TakeoverError is why a new process could not take over. The old one goes on.
type TakeoverError struct {
	Why  error
	Hint string // what to do about it, as the new process says; may be empty
}

func (f *TakeoverError) Error() string {
	return "the new process could not take over: " + f.Why.Error()
}

// Unwrap returns why.
func (f *TakeoverError) Unwrap() error { return f.Why }

// Upgrade starts the program anew, and hands over to it. When it returns without an
// error this process is retired, and the one that it returns serves. With an error
// everything is as it was. It takes 45 s at most.
func (l *Line) Upgrade(ctx context.Context) (Process, error) {
	if err := l.mayUpgrade(); err != nil {
		return Process{}, err
	}
	defer l.upgrading.Unlock()
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	if err := l.setAbort(abort); err != nil {
		return Process{}, err
	}
	defer func() { _ = l.setAbort(nil) }() // never fails
	heir, err := l.startHeir()
	if err != nil {
		l.failed.Add(1)
		return Process{}, &TakeoverError{Why: err}
	}
	if err := l.handOver(ctx, heir); err != nil {
		l.failed.Add(1)
		return Process{}, err
	}
	return heir.process, nil
}

// setAbort says how the upgrade is ended that begins, unless this process ends; or that
// it is over.
func (l *Line) setAbort(abort func(error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if abort != nil && l.ending {
		return errEnds
	}
	l.abort = abort
	return nil
}

// mayUpgrade locks upgrading, or says why there can be no upgrade.
func (l *Line) mayUpgrade() error {
	if l == nil || len(l.cfg.Program) == 0 {
		return ErrUnfit
	}
	if l.cfg.Unfit != "" {
		return fmt.Errorf("%w: %s", ErrUnfit, l.cfg.Unfit)
	}
	if !l.serving.Load() || !l.upgrading.TryLock() {
		return ErrUnderWay
	}
	l.mu.Lock()
	current, kin := l.current, len(l.kin)
	l.mu.Unlock()
	var err error
	switch {
	case current != l.node:
		err = ErrRetired
	case kin >= MaxRetired:
		err = ErrTooMany
	}
	if err != nil {
		l.upgrading.Unlock()
	}
	return err
}

// heir is a process that is about to take over.
type heir struct {
	*kin
	os *os.Process
}

// startHeir starts the program, and greets it.
func (l *Line) startHeir() (*heir, error) {
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	link, err := newLink(ours)
	if err != nil {
		_ = theirs.Close() // nobody has it
		return nil, err
	}
	l.youngest++
	node := l.youngest
	started, err := start(l.cfg, theirs)
	if err != nil {
		_ = link.conn.Close() // nobody is at the other end
		return nil, err
	}
	go func() { _, _ = started.Wait() }() // so that it can go for good; it ends with that process, or this one
	_ = link.conn.SetDeadline(time.Now().Add(l.startTimeout))
	return &heir{kin: newKin(node, Process{Node: strconv.Itoa(node), PID: started.Pid}, link), os: started}, nil
}

// handOver does everything else. If it fails, everything is as it was.
func (l *Line) handOver(ctx context.Context, h *heir) error {
	stop := context.AfterFunc(ctx, func() { _ = h.link.conn.SetDeadline(time.Unix(1, 0)) }) // who waits fails
	defer stop()
	err := l.settle(h)
	if err != nil {
		stop() // abandon has a deadline of its own
		l.abandon(h)
		return l.whyFailed(ctx, err)
	}
	paused, err := l.bequeathAll(ctx, h)
	if err == nil {
		err = h.await(packetServing, nil)
	}
	if err != nil {
		stop()
		l.abandon(h) // before anybody resumes: there is never more than one that accepts
		for _, name := range slices.Backward(l.names[:paused]) {
			if resume := l.parts[name].Resume; resume != nil {
				resume()
			}
		}
		return l.whyFailed(ctx, err)
	}
	l.retire(h)
	return nil
}

// settle tells the new process of the estate, and waits until it is ready.
func (l *Line) settle(h *heir) error {
	hello := greeting{Protocol: protocol, Node: h.node, Process: l.self, Upgrades: l.upgrades.Load(), Failed: l.failed.Load()}
	if err := h.say(control(packetHello, hello)); err != nil {
		return err
	}
	if err := l.bequeath(h, packetEstate, func(p Part) func() (Bequest, error) { return p.Estate }); err != nil {
		return err
	}
	var who introduction
	if err := h.await(packetReady, &who); err != nil {
		return err
	}
	h.process.Version = who.Process.Version
	return nil
}

// bequeath tells one sort of bequests of all parts.
func (l *Line) bequeath(h *heir, is packetType, of func(Part) func() (Bequest, error)) error {
	for _, name := range l.names {
		ask := of(l.parts[name])
		if ask == nil {
			continue
		}
		b, err := ask()
		switch {
		case err != nil:
			closeFiles(b.Files)
			return fmt.Errorf("%s: %w", name, err)
		case len(b.Body) > MaxBequest || len(b.Files) > MaxFiles:
			closeFiles(b.Files)
			return fmt.Errorf("%s: %d bytes and %d files are too many", name, len(b.Body), len(b.Files))
		}
		if err := h.say(packet{is: is, name: name, body: b.Body, files: b.Files}); err != nil {
			return err
		}
	}
	return h.say(packet{is: packetDone})
}

// bequeathAll has all parts pause, and tells their wills. It returns how many have
// paused.
func (l *Line) bequeathAll(ctx context.Context, h *heir) (paused int, err error) {
	_ = h.link.conn.SetDeadline(time.Now().Add(pauseTimeout)) // say says what is wrong with it
	if ctx.Err() != nil {
		return 0, ctx.Err() // its deadline was the one before
	}
	for _, name := range l.names {
		if pause := l.parts[name].Pause; pause != nil {
			pause()
		}
	}
	if err := l.introduce(h); err != nil {
		return len(l.names), err
	}
	return len(l.names), l.bequeath(h, packetWill, func(p Part) func() (Bequest, error) { return p.Will })
}

// introduce gives the new process and each retired one the ends of a socket.
func (l *Line) introduce(h *heir) error {
	for _, k := range l.joined() {
		a, b, err := socketpair()
		if err != nil {
			return err
		}
		toOlder := control(packetKin, introduction{Process: h.process, Protocol: protocol})
		toOlder.files = []*os.File{a}
		k.send(toOlder)
		toNew := control(packetKin, introduction{Process: k.process, Protocol: protocol})
		toNew.files = []*os.File{b}
		if err := h.say(toNew); err != nil {
			return err
		}
	}
	return nil
}

// await waits for what has to come next.
func (h *heir) await(is packetType, what any) error {
	p, err := h.hear()
	if err != nil {
		return err
	}
	closeFiles(p.files) // it has none to give
	switch {
	case p.is == packetFailed:
		var f failure
		if err := p.read(&f); err != nil {
			return err
		}
		return &TakeoverError{Why: errors.New(f.Error), Hint: f.Hint}
	case p.is != is:
		return errPacket
	case what == nil:
		return nil
	}
	return p.read(what)
}

// abandon ends a new process, and returns when it can do nothing more.
func (l *Line) abandon(h *heir) {
	_ = h.os.Kill() // it may have ended
	_ = h.link.conn.SetDeadline(time.Now().Add(killTimeout))
	for {
		if p, err := h.hear(); err == nil {
			closeFiles(p.files)
			continue
		} else if !lost(err) {
			l.log.Error("a new process does not end that was killed", "pid", h.process.PID, "err", err.Error())
		}
		break
	}
	_ = h.link.conn.Close() // it has ended
}

// whyFailed says it for the operator.
func (l *Line) whyFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &TakeoverError{Why: context.Cause(ctx)}
	}
	if failed, ok := errors.AsType[*TakeoverError](err); ok {
		return failed
	}
	switch {
	case lost(err): // while it was told something
		err = errSilent
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("it was not ready within %v, or did not serve within %v then", startTimeout, pauseTimeout)
	}
	return &TakeoverError{Why: err}
}

// retire makes the new process the current one.
func (l *Line) retire(h *heir) {
	_ = h.link.conn.SetDeadline(time.Time{}) // there is one no more
	l.upgrades.Add(1)
	l.mu.Lock()
	l.current, h.joined, l.kin[h.node] = h.node, true, h.kin
	then := l.then
	l.then = nil
	l.mu.Unlock()
	close(l.retired)
	for _, do := range then {
		do()
	}
	for _, name := range l.names {
		if retire := l.parts[name].Retire; retire != nil {
			retire()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		h.cut(nil) // this process ends
		close(h.gone)
		return
	}
	h.start(l)
	l.running.Go(l.outlive)
}

// outlive waits in a retired process until nobody is left.
func (l *Line) outlive() {
	l.pass(event{}) // dispatch tells the watchers
	var late <-chan time.Time
	if l.cfg.RetireTimeout > 0 {
		late = time.After(l.cfg.RetireTimeout)
	}
	tick := time.NewTicker(everyLeft)
	defer tick.Stop()
	for before := 1; ; {
		left, sum := l.left()
		if sum == 0 && before == 0 && !l.cfg.Stays { // who was between two parts a moment ago is seen now
			l.finish(errors.New("retired, and nobody is left"))
			return
		}
		before = sum
		for _, k := range l.joined() {
			k.send(control(packetLeft, left))
		}
		select {
		case <-l.done:
			return
		case <-tick.C:
		case <-late:
			l.log.Warn("a retired process ends though somebody is left", "after", l.cfg.RetireTimeout.String(), "left", sum)
			l.finish(errors.New("retired for too long"))
			return
		}
	}
}

// left is what this process still keeps.
func (l *Line) left() (by map[string]int, sum int) {
	by = map[string]int{}
	for _, name := range l.names {
		if left := l.parts[name].Left; left != nil {
			if n := left(); n > 0 {
				by[name] = n
				sum += n
			}
		}
	}
	return by, sum
}
