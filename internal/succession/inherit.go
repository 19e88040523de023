package succession

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// inheritLine is Open in a process that succeeds another one.
func inheritLine(cfg Config, from *os.File) (*Line, error) {
	link, err := newLink(from)
	if err != nil {
		return nil, fmt.Errorf("succeed the older process: %w", err)
	}
	elder := newKin(0, Process{}, link)
	_ = link.conn.SetDeadline(time.Now().Add(startTimeout)) // the older one has the same
	l, err := greet(cfg, elder)
	if err == nil {
		err = l.hearBequests(packetEstate, l.estate)
	}
	if err != nil {
		elder.fail(err, "")
		return nil, fmt.Errorf("succeed the older process: %w", err)
	}
	return l, nil
}

// greet reads what the older process says of itself.
func greet(cfg Config, elder *kin) (*Line, error) {
	p, err := elder.hear()
	if err != nil {
		return nil, err
	}
	var g greeting
	switch err := p.read(&g); {
	case p.is != packetHello || err != nil:
		return nil, errPacket
	case g.Protocol != protocol:
		return nil, fmt.Errorf("this version, %s, cannot take over from version %s: restart the server", cfg.Version, g.Process.Version)
	}
	node, err := strconv.Atoi(g.Process.Node)
	if err != nil || node < 1 || g.Node <= node {
		return nil, errPacket
	}
	elder.node, elder.process = node, g.Process
	l := newLine(cfg, g.Node)
	l.elder = elder
	l.upgrades.Store(g.Upgrades + 1)
	l.failed.Store(g.Failed)
	return l, nil
}

// hearBequests reads what is bequeathed, until these were all.
func (l *Line) hearBequests(stage packetType, into map[string]Bequest) error {
	for {
		p, err := l.elder.hear()
		if err != nil {
			return err
		}
		switch {
		case p.is == packetDone:
			return nil
		case p.is == packetKin && stage == packetWill:
			err = l.meet(p)
		case p.is != stage || len(into) == maxKinds:
			err = errPacket
		default:
			into[p.name] = Bequest{Body: p.body, Files: p.files}
		}
		if err != nil {
			closeFiles(p.files)
			return err
		}
	}
}

// meet takes the connection to an older process.
func (l *Line) meet(p *packet) error {
	var who introduction
	if err := p.read(&who); err != nil || len(p.files) != 1 || len(l.older) == MaxRetired {
		return errPacket
	}
	k, err := who.kin(p.files[0])
	if err == nil && k.node >= l.node {
		err = errPacket
	}
	if err == nil {
		l.older = append(l.older, k)
	}
	return err
}

// kin is a process that another one has introduced, with the socket to it.
func (i *introduction) kin(f *os.File) (*kin, error) {
	node, err := strconv.Atoi(i.Process.Node)
	if err != nil || node < 1 {
		_ = f.Close() // it is of no use
		return nil, errPacket
	}
	link, err := newLink(f)
	if err != nil {
		return nil, err
	}
	return newKin(node, i.Process, link), nil
}

// Ready tells the older process that this one has opened everything, and returns when
// it is this one's turn to serve. Without an older process it does so at once. An error
// means that the older one goes on.
func (l *Line) Ready(ctx context.Context) error {
	if l == nil || l.elder == nil {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = l.elder.link.conn.SetDeadline(time.Unix(1, 0)) }) // it waits no more
	defer stop()
	_ = l.elder.link.conn.SetDeadline(time.Now().Add(startTimeout)) // hear says what is wrong with it
	err := l.elder.say(control(packetReady, introduction{Process: l.self, Protocol: protocol}))
	if err == nil {
		err = l.hearBequests(packetWill, l.wills)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("succeed the older process: %w", err)
	}
	l.mu.Lock()
	for _, k := range append(l.older, l.elder) {
		k.joined = true
		l.kin[k.node] = k
	}
	l.mu.Unlock()
	close(l.willed)
	for _, name := range l.names {
		if inherit := l.parts[name].Inherit; inherit != nil {
			if will, there := l.take(l.wills, name); there {
				if err := inherit(will); err != nil {
					return fmt.Errorf("succeed the older process: %s: %w", name, err)
				}
			}
		}
	}
	return nil
}

// Serving tells all others that this process serves from now on. What parts have told
// since Ready is sent after that.
func (l *Line) Serving() {
	if l == nil || l.serving.Swap(true) {
		return
	}
	_ = l.elder.link.conn.SetDeadline(time.Time{}) // there is one no more
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, bequest := range l.estate {
		closeFiles(bequest.Files)
	}
	clear(l.estate)
	l.inbox <- event{} // nobody reads or passes yet: first of all dispatch tells the watchers who lives
	for _, k := range l.kin {
		k.mu.Lock()
		k.queue = append([]packet{{is: packetServing}}, k.queue...)
		k.mu.Unlock()
		k.start(l)
	}
}

// Fail tells the older process why this one cannot serve, before Serving, with a hint
// that may be empty. The process has to end then.
func (l *Line) Fail(err error, hint string) {
	if l != nil && !l.serving.Load() {
		l.elder.fail(err, hint)
	}
}

// fail tells a process why its successor cannot serve.
func (k *kin) fail(err error, hint string) {
	_ = k.link.conn.SetDeadline(time.Now().Add(lastWords)) // say says what is wrong with it
	text := err.Error()
	_ = k.say(control(packetFailed, failure{Error: text[:min(len(text), maxWords)], Hint: hint[:min(len(hint), maxWords)]})) // who has gone needs no words
	_ = k.link.conn.Close()                                                                                                  // the same
}

// maxWords bounds why a process could not start, in bytes.
const maxWords = 4 << 10

var errSilent = errors.New("it has ended, or is no server that can take over, without a word; its log may have one")
