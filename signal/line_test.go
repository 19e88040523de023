package signal

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/pipenet"
	"github.com/wasmp2pchat/wasmp2pchat/signal/kinrooms"
)

// family is the processes of one server, of which each has replaced the one before:
// what a succession.Line is to several processes.
type family struct {
	t       *testing.T
	options []func(*Config)

	mu    sync.Mutex
	all   []*relative          // the oldest first; those that live and serve, or have served
	tells int                  // that were told
	lose  func(to string) bool // nil: nothing is lost
}

// relative is one process. It implements kinrooms.Line.
type relative struct {
	*world
	family *family
	node   string
	kin    *kinrooms.Kin
	inbox  chan func()
	hears  map[string]func(from string, body []byte)
	watch  func(kin []string)
	served chan struct{}
}

// newFamily makes the first process of a server.
func newFamily(t *testing.T, options ...func(*Config)) (f *family, first *relative) {
	t.Helper()
	f = &family{t: t, options: append([]func(*Config){sealing("s")}, options...)}
	l := pipenet.Listen()
	first = f.start(1, l, l.Dial)
	f.join(first)
	return f, first
}

// inOldProcess tells whether all sockets of a test are in an old process, and all its
// rooms in the new one.
func inOldProcess(t *testing.T) bool {
	return strings.HasPrefix(t.Name(), "TestAcrossNodes/processes/")
}

// newFamilyOn is a world like that: the new process is on a listener that nobody
// dials.
func newFamilyOn(t *testing.T, l net.Listener, dial func(context.Context) (net.Conn, error), options ...func(*Config)) *world {
	t.Helper()
	f, old := newFamily(t, append([]func(*Config){sealing("fleet")}, options...)...)
	heir := f.upgradeOn(l, dial)
	old.came = heir.came
	heir.dial = old.dial
	stop := heir.stop
	heir.stop = func() {
		old.stop()
		stop()
	}
	return heir.world
}

// start starts a process that nobody knows yet.
func (f *family) start(number int, l net.Listener, dial func(context.Context) (net.Conn, error)) *relative {
	f.t.Helper()
	p := &relative{family: f, node: strconv.Itoa(number), inbox: make(chan func(), 1<<14), hears: map[string]func(string, []byte){}, served: make(chan struct{})}
	p.kin = kinrooms.New(p)
	p.world = newWorldOn(f.t, l, dial, append(slices.Clone(f.options), func(c *Config) { c.Fleet = p.kin })...)
	p.kin.Join(p.rooms)
	go func() { // waited for in stop
		defer close(p.served)
		for hear := range p.inbox {
			hear()
		}
	}()
	stop := p.stop
	p.stop = func() {
		stop()
		f.leave(p)
		close(p.inbox)
		<-p.served
	}
	return p
}

// handOver is the first half of an upgrade: the next process knows the will.
func (f *family) handOver() (old, heir *relative) {
	f.t.Helper()
	l := pipenet.Listen()
	return f.handOverTo(l, l.Dial)
}

func (f *family) handOverTo(l net.Listener, dial func(context.Context) (net.Conn, error)) (old, heir *relative) {
	f.t.Helper()
	old = f.all[len(f.all)-1]
	number, _ := strconv.Atoi(old.node)
	heir = f.start(number+1, l, dial)
	old.kin.Pause()
	will := old.kin.Will()
	f.mu.Lock()
	f.all = append(f.all, heir)
	f.mu.Unlock()
	if err := heir.kin.Inherit(will); err != nil {
		f.t.Error(err)
	}
	return old, heir
}

// upgrade replaces the current process.
func (f *family) upgrade() *relative {
	f.t.Helper()
	l := pipenet.Listen()
	return f.upgradeOn(l, l.Dial)
}

func (f *family) upgradeOn(l net.Listener, dial func(context.Context) (net.Conn, error)) *relative {
	f.t.Helper()
	old, heir := f.handOverTo(l, dial)
	old.kin.Retire()
	f.tellWatchers()
	return heir
}

func (f *family) join(p *relative) {
	f.mu.Lock()
	f.all = append(f.all, p)
	f.mu.Unlock()
	f.tellWatchers()
}

// leave is the end of a process, as the others see it.
func (f *family) leave(p *relative) {
	f.mu.Lock()
	f.all = slices.DeleteFunc(f.all, func(each *relative) bool { return each == p })
	f.mu.Unlock()
	f.tellWatchers()
}

func (f *family) tellWatchers() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.all {
		p.inbox <- func() { p.watch(p.Kin()) }
	}
}

func (p *relative) Node() string { return p.node }

func (p *relative) Kin() (nodes []string) {
	p.family.mu.Lock()
	defer p.family.mu.Unlock()
	if !slices.Contains(p.family.all, p) {
		return nil
	}
	for _, other := range p.family.all {
		if other != p {
			nodes = append(nodes, other.node)
		}
	}
	return nodes
}

func (p *relative) Watch(watch func([]string)) { p.watch = watch }

func (p *relative) On(kind string, heard func(string, []byte)) { p.hears[kind] = heard }

func (p *relative) Tell(node, kind string, body []byte) {
	f := p.family
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tells++
	if !slices.Contains(f.all, p) || f.lose != nil && f.lose(node) {
		return
	}
	for _, to := range f.all {
		if to.node == node {
			to.inbox <- func() { to.hears[kind](p.node, body) }
		}
	}
}

func (f *family) told() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tells
}

// kill ends a process as kill -9 does: its clients see it by themselves.
func (p *relative) kill(clients ...*client) {
	p.family.leave(p)
	for _, c := range clients {
		c.lose()
	}
}

// mustKeep holds what a process has.
func (p *relative) mustKeep(rooms, proxied, hosted int) {
	p.family.t.Helper()
	if s := p.rooms.Stats(); s.Rooms != rooms || s.Proxied != proxied || s.Hosted != hosted {
		p.family.t.Errorf("process %s keeps %d rooms, is proxy of %d and home of %d sockets; want %d, %d and %d", p.node, s.Rooms, s.Proxied, s.Hosted, rooms, proxied, hosted)
	}
}
