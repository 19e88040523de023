package succession

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Variable is the environment variable that tells a new process which descriptor is
// its socket to the old one. Take hides it.
const Variable = "WASMP2PCHAT_SUCCEEDS"

// MaxRetired is how many retired processes may live: one upgrade more is refused.
const MaxRetired = 8

// Config is what a Line needs. What is not set is zero.
type Config struct {
	// Program is what the next process is started with: the path of the program, and
	// its arguments, of which the first is its name. Empty: nobody can upgrade this
	// process.
	Program []string
	// Environ is the environment of the next process.
	Environ []string
	// Stdin, Stdout and Stderr are those of the next process; nil: none.
	Stdin, Stdout, Stderr *os.File
	// Sibling makes the next process a child of whoever has started this one, who is
	// a service manager that is told of it, and has to hear of its end.
	Sibling bool
	// Stays keeps this process when it is retired and nobody is left, until no other
	// process is: it is the first one of a container, which ends with it.
	Stays bool
	// Version is that of this program, for people.
	Version string
	// Unfit is why this process cannot be upgraded; empty: it can.
	Unfit string
	// EndTimeout is how long Close waits for others that end with this process.
	EndTimeout time.Duration
	// RetireTimeout is how long this process stays when it is retired, and has
	// somebody left; 0: as long as that.
	RetireTimeout time.Duration
	Log           *slog.Logger // nil: silent
}

// Process is one process of a line.
type Process struct {
	Node    string         `json:"node"` // the how-manieth it is: "1", "2", …
	PID     int            `json:"pid"`
	Version string         `json:"version"`
	Stays   bool           `json:"stays,omitempty"` // it ends last, as the first one of a container
	Left    map[string]int `json:"left,omitempty"`  // what it still keeps, by part; of retired ones
}

// Bequest is what one part of a process leaves to the same part of the next one.
type Bequest struct {
	Body  []byte     // at most MaxBequest
	Files []*os.File // at most MaxFiles; they are closed when they are sent
}

// Part is a part of a process, with what it does when there is a new process. The
// functions are called one after the other, by one goroutine, and must not wait for
// the network. Each may be nil.
type Part struct {
	// Estate is what the new process needs to open the part, while this process goes
	// on. It may be asked again and again: the new process may fail.
	Estate func() (Bequest, error)
	// Pause has the part accept and read nothing more that the new process will
	// accept and read: that waits in the kernel. All parts pause before the first one
	// is asked for its will. It returns when nothing is under way.
	Pause func()
	// Will is who is here and what is this process's own, at that moment.
	Will func() (Bequest, error)
	// Inherit takes the will of the older process, if there is one, in the new one:
	// Ready calls it, when Kin has the others, and nobody is served yet. An error, such
	// as that of a version which does not know the format, has the older one go on.
	Inherit func(will Bequest) error
	// Resume takes Pause back: the new process has failed.
	Resume func()
	// Retire tells the part that the new process serves, after Retired is closed.
	Retire func()
	// Orphan tells the part, in a retired process, that the one that had taken over has
	// died: this process ends now, and what the other one did for it nobody does.
	Orphan func()
	// Left is how much the part still keeps of what cannot be handed over, when this
	// process is retired: chats, relays, connections. It is asked each second. When
	// all parts say 0, the process ends.
	Left func() int
}

// Line is this process among those of its server that live. Its zero value is of no
// use, but nil is a process that is alone and is never upgraded. All methods may be
// called at any time unless they say otherwise.
type Line struct {
	cfg  Config
	log  *slog.Logger
	self Process
	node int

	// These are written before Serving, by the goroutine that opens the server.
	names    []string // of the parts, in the order in which they came
	parts    map[string]Part
	handlers map[string]func(from string, body []byte)
	watchers []func(kin []string)
	end      func(cause error)

	elder   *kin               // whom this process succeeds; nil: nobody
	older   []*kin             // the others, from Ready on
	estate  map[string]Bequest // guarded by mu
	wills   map[string]Bequest // the same; before willed is closed it is Ready's
	willed  chan struct{}
	serving atomic.Bool // it was said that this process serves

	upgrades, failed atomic.Int64
	upgrading        sync.Mutex    // held while there is an upgrade
	youngest         int           // what the last new process is called; guarded by upgrading
	startTimeout     time.Duration // shorter in tests
	retired          chan struct{}

	mu       sync.Mutex     // guards the fields below; never held while sending or calling
	kin      map[int]*kin   // the others, also those that do not serve yet
	current  int            // who accepts
	orphaned bool           // this process is retired, and who had taken over has ended
	over     bool           // Close was called
	then     []func()       // are called when this process is retired
	ending   bool           // ctx of Attend has ended: no upgrade begins any more
	abort    func(error)    // ends the upgrade that is under way; nil: none is
	running  sync.WaitGroup // readers, writers, dispatch, the watch over a retired process, the waits for those who exit

	once  sync.Once  // starts dispatch
	inbox chan event // what others say, in order
	done  chan struct{}
	late  chan struct{} // closed when nobody is waited for any longer who exits
}

// event is what a reader has for the goroutine that calls everybody: a message, or
// how the connection ended.
type event struct {
	from *kin
	what *packet
	err  error
}

// inboxEvents is how many messages are read ahead.
const inboxEvents = 64

func newLine(cfg Config, node int) *Line {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Line{
		cfg: cfg, log: cfg.Log, node: node, current: node, youngest: node,
		startTimeout: startTimeout,
		self:         Process{Node: strconv.Itoa(node), PID: os.Getpid(), Version: cfg.Version, Stays: cfg.Stays},
		parts:        map[string]Part{}, handlers: map[string]func(string, []byte){},
		estate: map[string]Bequest{}, wills: map[string]Bequest{}, willed: make(chan struct{}),
		retired: make(chan struct{}), kin: map[int]*kin{},
		inbox: make(chan event, inboxEvents), done: make(chan struct{}), late: make(chan struct{}),
	}
}

// Take takes the socket to the older process out of the environment, nil if there is
// none: then this process is the first one. What is left of the environment is for
// everybody else.
func Take(environ []string) (rest []string, from *os.File, err error) {
	for i, each := range environ {
		value, is := strings.CutPrefix(each, Variable+"=")
		if !is {
			continue
		}
		fd, err := strconv.Atoi(value)
		if err != nil || fd < 3 {
			return environ, nil, errors.New(Variable + " is set by a server for its next process, and by nobody else")
		}
		return slices.Delete(slices.Clone(environ), i, i+1), inherit(fd), nil
	}
	return environ, nil, nil
}

// Open returns the line of this process. If from is not nil it takes over: Open
// returns when it has the estate, and the caller goes on with Inherited, and Ready,
// or Fail. Else this process is the first one.
func Open(cfg Config, from *os.File) (*Line, error) {
	if from == nil {
		l := newLine(cfg, 1)
		close(l.willed)
		l.serving.Store(true)
		return l, nil
	}
	return inheritLine(cfg, from)
}

// Node says the how-manieth process this one is: "1", "2" and so on. It never
// changes.
func (l *Line) Node() string {
	if l == nil {
		return "1"
	}
	return l.self.Node
}

// Elder is the process that this one succeeds, empty for the first one.
func (l *Line) Elder() string {
	if l == nil || l.elder == nil {
		return ""
	}
	return l.elder.process.Node
}

// Current is the process that accepts, as far as it is known here: this one, unless
// it is retired.
func (l *Line) Current() string {
	if l == nil {
		return "1"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return strconv.Itoa(l.current)
}

// Watch has a function called with what Kin is, each time that a process comes or
// goes, and in a new one first of all after Serving, by the goroutine that calls those
// of On: it must not wait. Call it before Ready.
func (l *Line) Watch(watch func(kin []string)) {
	if l != nil {
		l.watchers = append(l.watchers, watch)
	}
}

// On sets who is called with the messages of a kind. All are called by one goroutine,
// those of one process in the order in which it told them: they must not wait. The
// body is theirs. Call it before Ready. It panics for a kind that is longer than 32
// bytes or has somebody already.
func (l *Line) On(kind string, heard func(from string, body []byte)) {
	if l == nil {
		return
	}
	if kind == "" || len(kind) > maxKind || l.handlers[kind] != nil || len(l.handlers) == maxKinds {
		panic("succession: a kind of message is taken, too long, or one too many: " + kind)
	}
	l.handlers[kind] = heard
}

// Tell tells another process something, by its node. It never waits. Messages arrive
// in order; if they cannot, because too many wait, the connection is cut: then both
// processes miss one another in Kin, and a retired one ends. One to a process that
// does not live, and one with more than MaxMessage bytes, is dropped. The body must
// not be changed any more.
func (l *Line) Tell(node, kind string, body []byte) {
	if l == nil || len(body) > MaxMessage {
		return
	}
	n, err := strconv.Atoi(node)
	if err != nil {
		return
	}
	l.mu.Lock()
	k := l.kin[n]
	tell := k != nil && k.joined
	l.mu.Unlock()
	if tell {
		k.send(packet{is: packetTell, name: kind, body: body})
	}
}

// TellAll is Tell for all others.
func (l *Line) TellAll(kind string, body []byte) {
	if len(body) > MaxMessage {
		return
	}
	for _, k := range l.joined() {
		k.send(packet{is: packetTell, name: kind, body: body})
	}
}

// Bequeath says what a part does when there is a new process. Call it before Ready.
// It panics for a name that is longer than 32 bytes or is taken.
func (l *Line) Bequeath(name string, p Part) {
	if l == nil {
		return
	}
	if _, taken := l.parts[name]; taken || name == "" || len(name) > maxKind {
		panic("succession: a name of a part is taken or too long: " + name)
	}
	l.names, l.parts[name] = append(l.names, name), p
}

// Inherited is what the older process has bequeathed to a part of this one as its
// estate, once: the files are the caller's. Files that nobody has taken by the time
// of Serving are closed.
func (l *Line) Inherited(part string) (Bequest, bool) {
	if l == nil {
		return Bequest{}, false
	}
	return l.take(l.estate, part)
}

// Will is the last will of the older process, of one part. It waits until that is
// there, which it is when Ready has returned, and without an older process at once.
// It is told once.
func (l *Line) Will(part string) (Bequest, bool) {
	if l == nil {
		return Bequest{}, false
	}
	select {
	case <-l.willed:
	case <-l.done:
		return Bequest{}, false
	}
	return l.take(l.wills, part)
}

func (l *Line) take(from map[string]Bequest, part string) (Bequest, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, there := from[part]
	delete(from, part)
	return b, there
}

// lost tells whether an error means that the other process has ended or cut us.
func lost(err error) bool {
	for _, end := range []error{io.EOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// String is how people call a process.
func (p Process) String() string { return fmt.Sprintf("process %d, version %s", p.PID, p.Version) }
