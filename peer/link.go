package peer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// absentTimeout is how long the partner may take to send a description: both
// were told of the match at the same moment. Then the partner's program died
// on the way, and another match is better than to wait on.
const absentTimeout = 15 * time.Second

// errHostile ends a link whose partner tries to exhaust us.
var errHostile = errors.New("the partner misbehaves")

// link is the way to the partner: a connection, the one that shall replace it
// if that is needed, and the seat through which they are negotiated. One
// goroutine, run, makes every call on them but send; the callbacks of pion and
// the chat only hand over and never wait.
//
//	offerer                       answerer
//	  offer ───────────────────────▶
//	  ◀─────────────────────── answer
//	  ◀── candidates, both ways, ──▶      as they are found (trickle, RFC 8838)
//	  ◀════ DataChannel "chat" ════▶
//
// When nothing gets through any more, recover.go has either of them offer
// again: first new paths for the same connection, then another connection.
type link struct {
	cfg     Config
	search  Search
	seat    *seat
	servers []wire.ICEServer // the newest ones
	how     opening          // of the connections that we offer

	wake     chan struct{} // a connection has something to look at
	suspects chan struct{} // from the chat: the partner does not answer
	answers  chan struct{} // from the chat: he does
	network  chan struct{} // our network has changed
	awake    chan struct{} // the page was hidden for long
	tired    chan struct{} // opens has waited for long enough

	// From the link to its chat.
	frames chan string    // what the partner sent; full only if he ignores the window
	doubts chan struct{}  // the server says that the partner's seat is empty
	paths  chan Path      // the newest one
	news   chan news      // merged
	over   chan EventKind // how the link ended, if not by close

	opened chan struct{} // closed when the DataChannel is open
	leave  context.CancelFunc
	done   chan struct{} // closed when run has ended
	err    error         // why; settled before done is closed

	mu   sync.Mutex  // guards the fields below
	live *connection // carries the chat; nil before the first is open
	path Path        // as it was last seen

	// Owned by run.
	current     *connection    // carries the chat, or will be the first to do so
	next        *connection    // shall replace it; nil if none shall
	negotiation                // negotiate.go
	trouble                    // recover.go
	absent      time.Time      // when the partner must have spoken
	gone        bool           // the server says that the partner has left
	seatless    bool           // the seat is lost for good
	took        time.Duration  // from the match until the first connection was open
	verdict     wire.Verdict   // what the server says of a room that has failed; empty: nothing
	watched     chan struct{}  // closed when watch has ended; nil before it began
	closing     sync.WaitGroup // connections that were replaced
}

// connect begins to link us to whoever sits in the other seat: the third step of
// Connect. From now on the link owns the seat, and what was prepared. It must be
// closed, unless opens fails.
func connect(ctx context.Context, cfg Config, search Search, seat *seat, warm *prepared) (*link, error) {
	l := &link{
		cfg: cfg, search: search, seat: seat, servers: seat.iceServers,
		suspects: make(chan struct{}, 1),
		answers:  make(chan struct{}, 1),
		network:  make(chan struct{}, 1),
		awake:    make(chan struct{}, 1),
		tired:    make(chan struct{}, 1),
		frames:   make(chan string, maxFrames),
		doubts:   make(chan struct{}, 1),
		paths:    make(chan Path, 1),
		news:     make(chan news, 1),
		over:     make(chan EventKind, 1),
		opened:   make(chan struct{}),
		done:     make(chan struct{}),

		negotiation: newNegotiation(),
	}
	if err := l.begin(warm); err != nil {
		seat.close()
		return nil, err
	}
	life, leave := context.WithCancel(context.WithoutCancel(ctx))
	l.leave = leave
	go l.run(life) // close waits for it
	return l, nil
}

// opens waits until the link can carry a chat. If it fails, the link is closed.
func (l *link) opens(ctx context.Context) error {
	select {
	case <-l.opened:
		return nil
	case <-l.done:
		return l.ended()
	case <-ctx.Done():
		if why := context.Cause(ctx); !errors.Is(why, ErrNoPath) {
			l.close()
			return why
		}
		poke(l.tired)
		<-l.done
		return l.ended()
	}
}

// begin makes the first connection, or takes the one that was prepared, and
// offers it if that is our role.
func (l *link) begin(warm *prepared) error {
	l.how = openOurs
	if l.seat.matched { // so both know how to open the channel without a word
		l.how = openBoth
	} else if warm != nil {
		warm.close()
		warm = nil
	}
	if warm != nil {
		l.current = warm.take(l.seat.role)
	}
	var err error
	offers := l.seat.role == roleOffer
	switch {
	case l.current != nil:
		l.wake = l.current.wake
		if offers {
			err = l.propose(l.current, warm.firstOffer())
		}
	default:
		l.wake = make(chan struct{}, 1)
		if l.current, err = l.newConnection(offers); err == nil && offers {
			err = l.offer(l.current)
		}
	}
	if err != nil && l.current != nil {
		l.current.close()
	}
	return err
}

// newConnection makes another connection, for an offer of ours or to answer
// one.
func (l *link) newConnection(offers bool) (*connection, error) {
	how := l.how
	if how == openOurs && !offers {
		how = openTheirs
	}
	return newConnection(l.cfg, l.search, l.servers, how, false, l.wake)
}

// line is the link as its chat sees it.
func (l *link) line() line {
	l.mu.Lock()
	path := l.path
	l.mu.Unlock()
	return line{transport: l, path: path, paired: l.how == openBoth, frames: l.frames, doubts: l.doubts, paths: l.paths, news: l.news, over: l.over}
}

// send hands a frame to the DataChannel, which queues it.
func (l *link) send(frame string) error { return l.carrier().channel.SendText(frame) }

// buffered is how much the DataChannel has queued.
func (l *link) buffered() int { return int(l.carrier().channel.BufferedAmount()) }

// carrier is the connection that carries the chat.
func (l *link) carrier() *connection {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.live
}

// reached and suspect are the chat's answers to news.probe.
func (l *link) reached() { poke(l.answers) }
func (l *link) suspect() { poke(l.suspects) }

// close ends the link and returns when nothing of it is left.
func (l *link) close() {
	l.leave()
	<-l.done
}

// run is the life of the link.
func (l *link) run(ctx context.Context) {
	defer close(l.done)
	l.err = l.attend(ctx)
	switch {
	case l.err == nil: // we leave
	case errors.Is(l.err, ErrNoPath):
		l.explain(ctx)
		l.over <- EventLost
	case errors.Is(l.err, ErrPartnerGone):
		l.over <- EventLeft
	default:
		l.over <- EventLost
	}
	l.leave()
	l.hangUp()
}

// attend does everything that happens on the link, until it ends: with nil if
// ctx has ended.
func (l *link) attend(ctx context.Context) error {
	defer watchNetwork(l.network, l.awake)()
	l.absent = time.Now().Add(absentTimeout)
	clock := time.NewTimer(absentTimeout)
	defer clock.Stop()
	inbox := l.seat.inbox
	err := l.look(ctx) // what was prepared has found something
	for err == nil {
		clock.Reset(time.Until(l.due()))
		select {
		case <-ctx.Done():
			return nil
		case <-clock.C:
			err = l.tick(time.Now())
		case text, ok := <-inbox:
			if ok {
				err = l.hear(text)
				break
			}
			inbox = nil
			err = l.unseated()
		case servers := <-l.seat.servers:
			l.refreshed(servers)
		case back := <-l.seat.returned:
			l.reseated(back)
		case <-l.network:
			l.moved()
		case <-l.awake:
			l.awoke()
		case <-l.tired:
			err = ErrNoPath
		case <-l.suspects:
			l.worry(0)
		case <-l.answers:
			l.calm()
		case <-l.wake:
			err = l.look(ctx)
		}
	}
	return err
}

// look acts on what the connections have to show.
func (l *link) look(ctx context.Context) error {
	for _, c := range []*connection{l.current, l.next} {
		if c == nil {
			continue
		}
		l.trickle(c)
		c.giveAside(time.Now())
		c.adopt()
		if c.uninvited.Load() > maxChannels {
			return errHostile
		}
	}
	if l.next != nil {
		l.lookAtNext()
	}
	return l.lookAtCurrent(ctx)
}

// carry has a connection carry the chat from now on.
func (l *link) carry(c *connection) {
	l.mu.Lock()
	l.live = c
	l.mu.Unlock()
	l.settled = time.Time{} // what was agreed on is here
	c.carry(l.frames)
}

// tell leaves news for the chat.
func (l *link) tell(n news) {
	select {
	case old := <-l.news:
		n.renewed = n.renewed || old.renewed
		n.probe = n.probe || old.probe
	default:
	}
	n.interrupted = l.told
	l.news <- n // has room: nobody else writes
}

// hangUp ends what the link is made of, after the last frames have left.
func (l *link) hangUp() {
	if l.watched != nil {
		<-l.watched
	}
	if l.next != nil {
		l.next.close()
	}
	l.current.flush()
	l.current.close()
	l.closing.Wait()
	l.seat.close()
}
