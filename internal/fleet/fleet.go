package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
)

// Bounds of a fleet.
const (
	MaxNodes    = 256      // that live at once; one more is not let in
	MaxMessage  = 16 << 10 // bytes of a body, which Tell takes
	maxID       = 64       // bytes of a node's id
	maxKind     = 32       // bytes of a kind of message
	maxKinds    = 64       // kinds that are listened to
	maxAnnounce = 8 << 10  // bytes of an announcement in Redis
	maxInbox    = 4096     // messages in a node's stream, about
	maxQueued   = 4096     // messages that wait here for Redis
	maxQueuedB  = 8 << 20  // their bodies, in bytes
)

// Times of a fleet.
const (
	every     = time.Second      // an announcement, and a look at those of the others
	lease     = 5 * time.Second  // how long an announcement counts
	keep      = time.Minute      // how long a message, and a stream without its node, are kept
	block     = 2 * time.Second  // how long a read waits for a message
	answer    = 3 * time.Second  // how long we wait for Redis beyond that; redisdb ends what takes longer
	lastWords = time.Second      // for what is queued when a node ends
	pause     = time.Second / 10 // after an error that is not "Redis is down"
)

// kindLook has a node look at the others now: the sender has come, or begins to end.
const kindLook = "fleet.look"

// Config is what a Fleet needs.
type Config struct {
	DB     *redisdb.DB
	Node   string       // its id: 1 to 64 letters, digits, - and _, unique in the fleet
	URL    string       // where clients reach this node itself, as wss://a.example; empty: only by the load balancer
	Region string       // any name; empty: none
	Log    *slog.Logger // nil: nothing is logged
}

// Fleet is this node among the others.
type Fleet struct {
	cfg      Config
	epoch    string
	log      *slog.Logger
	serving  atomic.Bool
	twin     atomic.Bool // another process has our id
	joined   atomic.Bool
	announce func() Announcement
	handlers map[string]func(from string, body []byte)
	watchers []func([]Node)
	hurry    chan struct{} // has room for one: an announcement is due now
	list     list
	post     post
	inbox    inbox
	stats    counters
}

// Open returns a Fleet that has this node alone. Serve makes it known.
func Open(cfg Config) (*Fleet, error) {
	if err := CheckID(cfg.Node); err != nil {
		return nil, err
	}
	if len(cfg.URL) > maxText || len(cfg.Region) > maxText {
		return nil, fmt.Errorf("the URL and the region of a node have at most %d bytes", maxText)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	f := &Fleet{
		cfg: cfg, epoch: rand.Text(), log: cfg.Log,
		announce: func() Announcement { return Announcement{} },
		handlers: map[string]func(string, []byte){},
		hurry:    make(chan struct{}, 1),
	}
	f.On(kindLook, func(string, []byte) { f.Hurry() })
	f.list.init(f.self(Announcement{}))
	f.post.init()
	f.inbox.again = make(chan struct{}, 1)
	cfg.DB.Watch(func(up bool) {
		if up { // it may be an empty one
			f.Hurry()
			f.post.wake()
			f.inbox.wake()
		}
	})
	return f, nil
}

// CheckID says what is wrong with the id of a node: an error for the operator, or nil.
func CheckID(id string) error {
	if id == "" || len(id) > maxID || strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) {
		return fmt.Errorf("the id of a node is %q: want 1 to %d letters, digits, - and _", id, maxID)
	}
	return nil
}

// ID is this node's id.
func (f *Fleet) ID() string { return f.cfg.Node }

// Epoch tells this process from others with the same id, before or beside it.
func (f *Fleet) Epoch() string { return f.epoch }

// Twin reports whether another process has this node's id, and lives.
func (f *Fleet) Twin() bool { return f.twin.Load() }

// Joined reports whether visitors may be sent to this node: false in its first
// seconds, until all others have heard of it, or until it is plain that they will
// not. It stays true.
func (f *Fleet) Joined() bool { return f.joined.Load() }

// Announce sets what is asked each second for what the others are to know. It is
// called by one goroutine and must not wait. Call it before Serve.
func (f *Fleet) Announce(what func() Announcement) {
	f.announce = what
	f.list.init(f.self(what()))
}

// On sets who is called with the messages of a kind. All are called by one
// goroutine, in the order in which the messages came: they must not wait long. The
// body is theirs. Call it before Serve. It panics for a kind that is longer than
// 32 bytes or has somebody already.
func (f *Fleet) On(kind string, handle func(from string, body []byte)) {
	if kind == "" || len(kind) > maxKind || f.handlers[kind] != nil || len(f.handlers) == maxKinds {
		panic("fleet: a kind of message is taken, too long, or one too many: " + kind)
	}
	f.handlers[kind] = handle
}

// Watch has a function called with what Nodes is, at the start and each time that a
// node comes or goes, drains, is over its budget, or is to be reached otherwise;
// other changes are told only when one of these is. All are called by one
// goroutine, which announces this node too: they must not wait. Call it before Serve.
func (f *Fleet) Watch(watch func(nodes []Node)) { f.watchers = append(f.watchers, watch) }

// Hurry has this node announced and the others looked at now. The others are told
// to look as well where something has changed that they must know: that the node or
// its relay drains, or that its budget is spent.
func (f *Fleet) Hurry() {
	select {
	case f.hurry <- struct{}{}:
	default:
	}
}

// Serve makes this node known, and tells and hears messages, until ctx ends. Then
// what is queued is sent, for a second at most, and this node takes itself off the
// list; the DB must be served until Serve has returned. Every goroutine has ended
// then. It may be called once.
func (f *Fleet) Serve(ctx context.Context) error {
	if f.serving.Swap(true) {
		return errors.New("fleet: served twice")
	}
	var all sync.WaitGroup
	all.Go(func() { f.attend(ctx) })
	all.Go(func() { f.listen(ctx) })
	all.Go(func() { f.send(ctx) })
	all.Wait()
	f.leave(ctx)
	return nil
}

// self is this node as the others see it.
func (f *Fleet) self(a Announcement) Node {
	return Node{ID: f.cfg.Node, Epoch: f.epoch, URL: f.cfg.URL, Region: f.cfg.Region, Self: true, Announcement: a}
}
