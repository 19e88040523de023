package kinrooms

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Line is this process among those of its server; *succession.Line is. Its methods do
// not wait.
type Line interface {
	// Node is which of them it is: "1", "2" and so on.
	Node() string
	// Kin are the others that live and serve, or have served, the oldest first.
	Kin() []string
	// Watch sets who is told when one of them has come or gone.
	Watch(changed func(kin []string))
	// Tell tells one of them something. What is told to one arrives in order, as
	// long as both live.
	Tell(node, kind string, body []byte)
	// On sets who hears what is told of a kind. The body is his.
	On(kind string, heard func(from string, body []byte))
}

// What processes tell one another.
const (
	toldFrame  = "rooms.frame"  // of signal
	toldAsk    = "rooms.ask"    // who keeps a room?
	toldAnswer = "rooms.answer" // that
)

// Rooms are what frames are for; *signal.Rooms is.
type Rooms interface {
	// Receive takes a frame.
	Receive(frame []byte)
	// Retire lists the rooms that this process goes on to keep. It makes others only
	// if it is told so from now on.
	Retire() (ids []string)
	// Died is told of a process from which nothing more will come.
	Died(node string)
}

// The bounds of what is known of others.
const (
	maxKept   = 1 << 17     // rooms of older processes
	maxEarly  = 1 << 12     // questions that wait for the end of a pause; more go without an answer
	maxAsked  = 1 << 14     // questions without an answer yet
	maxHops   = 3           // times that whoever was asked names another one to ask
	askWithin = time.Second // an answer
	pausedFor = time.Minute // a pause is over by then, whatever has become of it
)

var errNobody = errors.New("the process that decides about rooms does not answer")

// Kin implements signal.Fleet.
type Kin struct {
	line  Line
	rooms Rooms // written by Join
	self  string
	alone atomic.Bool

	mu      sync.Mutex        // guards the fields below; of others only Line is called while it is held
	kin     []string          // the oldest first
	heir    string            // who decides; empty: this process
	paused  bool              // an heir is about to take over: nobody decides
	early   []question        // that came meanwhile
	keepers map[string]string // rooms of older processes; some are over by now
	asked   map[uint64]inquiry
	last    uint64        // number of a question
	news    chan struct{} // closed at the next change of what is above
}

// inquiry is a question without an answer yet.
type inquiry struct {
	judge    string // who was asked
	answered chan answer
}

// New returns what is alone, until Join. Give it to signal.Config.Fleet.
func New(line Line) *Kin {
	k := &Kin{line: line, self: line.Node(), keepers: map[string]string{}, asked: map[uint64]inquiry{}, news: make(chan struct{})}
	k.alone.Store(true)
	return k
}

// Join has frames go to rooms from now on. Call it once, before anything is heard.
func (k *Kin) Join(rooms Rooms) {
	k.rooms = rooms
	k.line.On(toldFrame, func(_ string, body []byte) { rooms.Receive(body) })
	k.line.On(toldAsk, k.hearAsk)
	k.line.On(toldAnswer, k.hearAnswer)
	k.line.Watch(func([]string) { k.look() })
	k.look()
}

// Node is the name of this process.
func (k *Kin) Node() string { return k.self }

// Alone tells that there is no other process, and none about to come.
func (k *Kin) Alone() bool { return k.alone.Load() }

// Lost has nothing to do: who keeps the room now has decided so.
func (k *Kin) Lost(string) {}

// Send sends a frame to a process.
func (k *Kin) Send(node string, frame []byte) { k.line.Tell(node, toldFrame, frame) }

// look takes over who lives, and tells the rooms who has died.
func (k *Kin) look() {
	k.mu.Lock()
	kin := k.line.Kin() // now, so that of two who look the last one knows best
	died := slices.DeleteFunc(k.kin, func(node string) bool { return slices.Contains(kin, node) })
	k.kin = kin
	for room, keeper := range k.keepers {
		if slices.Contains(died, keeper) {
			delete(k.keepers, room)
		}
	}
	for _, q := range k.asked {
		if slices.Contains(died, q.judge) {
			q.answer(answer{}) // another one is asked
		}
	}
	k.change()
	k.mu.Unlock()
	for _, node := range died {
		k.rooms.Died(node)
	}
}

// change tells those who wait for something new. k.mu is held.
func (k *Kin) change() {
	k.alone.Store(len(k.kin) == 0 && !k.paused)
	close(k.news)
	k.news = make(chan struct{})
}

// Pause has nobody decide about rooms: an heir is about to take over. Who asks waits
// for Resume or Retire.
func (k *Kin) Pause() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.paused = true
	k.change()
}

// Will is what the heir has to know. It is asked for during a pause.
func (k *Kin) Will() []byte {
	kept := k.rooms.Retire() // after Pause: who was told before that we keep a room asks again
	k.mu.Lock()
	defer k.mu.Unlock()
	all := map[string][]string{k.self: kept}
	for room, keeper := range k.keepers {
		all[keeper] = append(all[keeper], room)
	}
	return appendWill(nil, all)
}

// Resume ends a pause after which this process decides as before: the heir has
// failed.
func (k *Kin) Resume() { k.goOn() }

// Retire ends a pause after which the heir decides, who is the youngest of all.
func (k *Kin) Retire() {
	k.look()
	k.mu.Lock()
	if n := len(k.kin); n > 0 && younger(k.kin[n-1], k.self) { // else it has ended already
		k.heir = k.kin[n-1]
	}
	k.mu.Unlock()
	k.goOn()
}

// goOn ends a pause.
func (k *Kin) goOn() {
	k.mu.Lock()
	early := k.early
	k.paused, k.early = false, nil
	k.change()
	k.mu.Unlock()
	for i := range early {
		k.reply(&early[i])
	}
}

// Inherit takes the will of the process before, before this one serves. Where it
// cannot be read it says nothing: then a room that is kept elsewhere is made here
// for a second time, when somebody comes to it.
func (k *Kin) Inherit(will []byte) error {
	all, err := parseWill(will)
	k.mu.Lock()
	for keeper, rooms := range all {
		for _, room := range rooms[:min(len(rooms), maxKept-len(k.keepers))] {
			k.keepers[room] = keeper
		}
	}
	k.mu.Unlock()
	k.look()
	return err
}

// judge is who decides: the heir or, if that has ended, the youngest. k.mu is held.
func (k *Kin) judge() string {
	if k.heir == "" || slices.Contains(k.kin, k.heir) {
		return cmp.Or(k.heir, k.self)
	}
	if n := len(k.kin); n > 0 && younger(k.kin[n-1], k.self) {
		return k.kin[n-1]
	}
	return k.self
}

// younger compares names, which are numbers.
func younger(a, b string) bool { return len(a) > len(b) || len(a) == len(b) && a > b }

// decide says who keeps a room. Who asks does not; nor does one that does not
// answer, or has died. k.mu is held.
func (k *Kin) decide(asker, room, silent string) (node string) {
	keeper := k.keepers[room]
	if keeper != "" && (keeper == asker || keeper == silent || !slices.Contains(k.kin, keeper)) {
		delete(k.keepers, room)
		keeper = ""
	}
	return cmp.Or(keeper, k.self)
}
