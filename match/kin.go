package match

import (
	"slices"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// Line is the processes of one server. The newest serves; the older ones keep the
// connections that they have, and their visitors are at the newest. It is a Fleet
// whose nodes are these processes, with three differences: what is told arrives, in
// order, unless the other process ends; a body may have 1 MiB; and nobody hears his
// own words.
type Line interface {
	Fleet
	// Node is this process, Kin the others that live, oldest first.
	Node() string
	Kin() []string
	// Watch has changed called, with Kin, when one of them came or went. It does not wait.
	Watch(changed func(kin []string))
}

// What the lobbies of the processes of one server tell one another, beside what all
// lobbies do.
const (
	toldVisitor = "match.visitor" // one of mine is yours
	toldPipe    = "match.pipe"    // a pipeFrame
	toldPast    = "match.past"    // what has happened so far
)

const (
	// maxPipes bounds how many sockets a process keeps for another one, and how many
	// visitors of others it takes: as many as there are WebSockets.
	maxPipes = 1 << 17
	// adoptTime is how long a visitor may be under way from one process to another.
	adoptTime = 10 * time.Second
)

// kin is a lobby among those of the other processes of its server.
type kin struct {
	lobby *Lobby
	line  Line

	running sync.WaitGroup // who works for a remote, or hands over
	ends    chan struct{}  // closed when the lobby ends

	mu       sync.Mutex       // guards the fields below; held while telling, which never waits, but not while a visitor is asked
	last     uint64           // the number of the latest pipe
	pipes    map[uint64]*pipe // sockets of this process whose visitors are at another one
	remotes  map[remoteName]*remote
	arrived  []*visitor // adopted, and not offered yet; who came first is the first
	offering bool       // somebody offers them
	seen     []string   // the other processes, when they were looked at last
	closed   bool       // nobody works any more
}

// newKin listens to the other processes; nil: there are none ever.
func newKin(l *Lobby, line Line) *kin {
	if line == nil {
		return nil
	}
	k := &kin{lobby: l, line: line, ends: make(chan struct{}), pipes: map[uint64]*pipe{}, remotes: map[remoteName]*remote{}, seen: line.Kin()}
	line.On(toldVisitor, k.takeVisitor)
	line.On(toldPipe, k.takeFrame)
	line.On(toldPast, k.takePast)
	line.Watch(k.changed)
	return k
}

// alone tells whether no other process lives.
func (k *kin) alone() bool { return k == nil || len(k.line.Kin()) == 0 }

// work has f run, unless the lobby has ended: its Serve waits for f.
func (k *kin) work(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		k.running.Go(f)
	}
}

// offer has an adopted visitor offered, after those who came before him.
func (k *kin) offer(v *visitor) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.arrived = append(k.arrived, v)
	if !k.offering && !k.closed {
		k.offering = true
		k.running.Go(k.offerAll) // Lobby.Serve waits for it
	}
}

func (k *kin) offerAll() {
	for v := k.nextArrived(); v != nil; v = k.nextArrived() {
		v.rest()
	}
}

func (k *kin) nextArrived() *visitor {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.arrived) == 0 {
		k.arrived, k.offering = nil, false
		return nil
	}
	v := k.arrived[0]
	k.arrived = k.arrived[1:]
	return v
}

// goingAway hands over nobody any more, and closes the connections that others keep for
// this process.
func (k *kin) goingAway() {
	if k == nil {
		return
	}
	close(k.ends)
	for _, v := range k.visitors() {
		v.conn.Close(wire.CloseGoingAway, wire.ReasonShutdown)
	}
}

// close returns when nobody works any more.
func (k *kin) close() {
	if k == nil {
		return
	}
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.running.Wait()
}

// takeFrame takes a frame of the line.
func (k *kin) takeFrame(from string, body []byte) {
	f, err := parsePipeFrame(body)
	if err != nil {
		k.lobby.others.unread.Add(1)
		return
	}
	k.mu.Lock()
	p, r := k.pipes[f.pipe], k.remotes[remoteName{from, f.pipe}]
	k.mu.Unlock()
	switch {
	case f.op < pipeAdopted:
		if r != nil {
			r.receive(f)
		}
	case p != nil:
		p.receive(from, f)
	case f.op == pipeAdopted: // the connection has ended on the way
		gone := pipeFrame{op: pipeGone, pipe: f.pipe}
		k.line.Tell(from, toldPipe, gone.bytes())
	}
}

// changed draws the conclusions when a process came or went. The visitors of one that
// went are gone with their sockets; the clients whose visitors were at it have to
// come again.
func (k *kin) changed(living []string) {
	k.mu.Lock()
	var came, went []string
	for _, node := range living {
		if !slices.Contains(k.seen, node) {
			came = append(came, node)
		}
	}
	for _, node := range k.seen {
		if !slices.Contains(living, node) {
			went = append(went, node)
		}
	}
	k.seen = slices.Clone(living)
	var hello, lost []*remote
	for name, r := range k.remotes {
		switch {
		case slices.Contains(came, name.holder):
			hello = append(hello, r)
		case slices.Contains(went, name.holder):
			lost = append(lost, r)
		}
	}
	pipes := make([]*pipe, 0, len(k.pipes))
	for _, p := range k.pipes {
		pipes = append(pipes, p)
	}
	k.mu.Unlock()
	for _, r := range hello {
		r.tell(pipeFrame{op: pipeAdopted})
	}
	for _, r := range lost {
		r.receive(pipeFrame{op: pipeGone})
	}
	for _, p := range pipes {
		p.bereave(went)
	}
}

// look sees to the pipes of this process, now and then.
func (k *kin) look(now time.Time) {
	k.mu.Lock()
	pipes := make([]*pipe, 0, len(k.pipes))
	for _, p := range k.pipes {
		pipes = append(pipes, p)
	}
	k.mu.Unlock()
	for _, p := range pipes {
		p.look(now)
	}
}

// open makes a pipe of a socket; nil: there are too many.
func (k *kin) open(v *visitor, to string) *pipe {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.pipes) >= maxPipes {
		return nil
	}
	k.last++
	p := &pipe{kin: k, id: k.last, v: v, to: to, since: time.Now()}
	k.pipes[p.id] = p
	return p
}

func (k *kin) forgetPipe(p *pipe) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.pipes, p.id)
}

// add makes a visitor known whose socket another process keeps. It is false if he is
// known already, or there are too many.
func (k *kin) add(r *remote) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.remotes) >= maxPipes || k.remotes[r.name] != nil {
		return false
	}
	k.remotes[r.name] = r
	return true
}

func (k *kin) forgetRemote(r *remote) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.remotes[r.name] == r {
		delete(k.remotes, r.name)
	}
}

// visitors are those whose sockets others keep.
func (k *kin) visitors() []*visitor {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	list := make([]*visitor, 0, len(k.remotes))
	for _, r := range k.remotes {
		list = append(list, r.v)
	}
	return list
}

// count is how many sockets are kept here for others, and there for us.
func (k *kin) count() (here, there int) {
	if k == nil {
		return 0, 0
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.pipes), len(k.remotes)
}
