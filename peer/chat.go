package peer

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// window is how many messages may be on their way in one direction. A
	// message is acknowledged when the receiver's application takes it, so that
	// it never has to keep more than these for an application that is slow.
	window = 64

	// typingInterval is the shortest time between two typing frames.
	typingInterval = time.Second

	// maxBuffered is how many bytes a DataChannel may queue. A full window does
	// not come near; beyond it, the partner reads nothing, and nothing but
	// messages is sent to him.
	maxBuffered = 2 * window * wire.MaxFrameBytes
)

// transport is what a chat needs of a link: channels of text frames, one after
// the other, each of them reliable and ordered but for its first frame, and
// for those that it had not delivered when it ended.
type transport interface {
	// send queues a frame and does not wait. If the channel has ended, the frame
	// is lost and an error says so.
	send(frame string) error
	// buffered is how many bytes wait to be sent.
	buffered() int
	// reached says that the partner has answered, suspect that he has not: is
	// the way still open?
	reached()
	suspect()
	// close ends the channel after the frames that were sent, if they leave
	// within a second; it returns when nothing of the channel is left.
	close()
}

// line is an open transport, and what comes out of it.
type line struct {
	transport
	path   Path             // where it was known when the line opened
	paired bool             // the partner's program has its end of the channel too, for he made it before it opened
	frames <-chan string    // from the partner, in order
	doubts <-chan struct{}  // the server says that the partner has left; it may be wrong
	paths  <-chan Path      // when it is known, and when it has changed
	news   <-chan news      // of the line itself; what was not taken is merged
	over   <-chan EventKind // EventLeft or EventLost, when the line ended by itself
}

// news is what has happened to a line.
type news struct {
	renewed     bool // there is another channel: say everything again that may be lost
	probe       bool // ask the partner for a sign of life, and tell the line
	interrupted bool // nothing gets through at the moment; so far as the user need know
}

// Chat is a conversation with one partner. Its methods may be called from any
// goroutine; only Close waits.
type Chat struct {
	line    line
	events  chan Event
	wake    chan struct{} // Send or Typing left something for run
	opened  chan struct{} // closed when both have said hello
	closing chan struct{} // closed by Close
	once    sync.Once     // closes closing
	done    chan struct{} // closed when run has ended
	last    EventKind     // how the chat ended; settled before done is closed

	// Set by Connect, for Report.
	cfg  Config
	room string

	mu        sync.Mutex // guards the fields below; never held while sending
	ended     bool       // Send takes nothing any more
	path      Path
	lastID    uint64       // of the newest message that Send took
	undecided int          // messages whose EventDelivered the application has not taken
	outbox    []wire.Frame // messages that run has not sent yet
	typing    bool         // run shall send a typing frame
	typedAt   time.Time    // when Typing last wanted one

	state // owned by run
}

// talk begins to chat on an open line, and returns when both have said hello:
// the last step of Connect.
func talk(ctx context.Context, line line) (*Chat, error) {
	c := &Chat{
		line:    line,
		path:    line.path,
		events:  make(chan Event),
		wake:    make(chan struct{}, 1),
		opened:  make(chan struct{}),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
		state:   newState(),
	}
	go c.run() // Close waits for it
	select {
	case <-c.opened:
		return c, nil
	case <-c.done:
		if c.last == EventLeft {
			return nil, ErrPartnerGone
		}
		return nil, ErrNoPath
	case <-ctx.Done():
		_ = c.Close()
		return nil, context.Cause(ctx)
	}
}

// Send queues a message and returns the id that EventDelivered will bear. It
// never waits: after ErrBusy, try again when EventDelivered has come.
func (c *Chat) Send(text string) (id uint64, err error) {
	text = strings.ToValidUTF8(text, "\ufffd")
	switch {
	case text == "":
		return 0, ErrEmpty
	case len(text) > wire.MaxTextBytes:
		return 0, ErrTooLong
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended:
		return 0, ErrClosed
	case c.undecided == window:
		return 0, ErrBusy
	}
	c.lastID++
	c.undecided++
	c.outbox = append(c.outbox, wire.Frame{T: wire.FrameMsg, ID: c.lastID, Text: text})
	poke(c.wake)
	return c.lastID, nil
}

// Typing tells the partner that the user is typing. Call it with every key:
// it sends at most one frame a second.
func (c *Chat) Typing() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.typedAt) >= typingInterval {
		c.typedAt, c.typing = now, true
		poke(c.wake)
	}
}

// Events is what happens, in order. It is closed after EventLeft or EventLost,
// or by Close, which drops what was not taken.
//
// A slow reader loses nothing and keeps nobody waiting: messages are
// acknowledged as they are taken, so a partner who respects the window waits,
// and what one sends who does not is dropped. Typing and path events are
// merged while they wait. The partner's messages come at most pace.
func (c *Chat) Events() <-chan Event { return c.events }

// Path is the way that the frames travel now.
func (c *Chat) Path() Path {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.path
}

// Close says bye, lets what was sent reach the partner if that takes no more
// than a second, and ends everything; when it returns, no goroutine is left.
// It must be called in the end, also after EventLeft and EventLost. The error
// is always nil.
func (c *Chat) Close() error {
	c.once.Do(func() { close(c.closing) })
	<-c.done
	return nil
}

// run is the life of the chat, in one goroutine.
func (c *Chat) run() {
	defer close(c.done)
	defer close(c.events)
	c.last = c.converse()

	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		c.line.close()
	}()
	if c.open && c.last != 0 {
		c.handOut(Event{Kind: c.last})
	}
	<-closed
}

// converse acts on whatever comes, until the chat ends: by the partner or the
// line, which the result tells, or by Close, which is 0.
func (c *Chat) converse() (how EventKind) {
	c.begin()
	defer c.beat.Stop()
	defer c.paced.Stop()
	defer c.quiet.Stop()
	for how == 0 {
		out, next := c.next()
		select {
		case <-c.closing:
			c.post()
			c.transmit(wire.Frame{T: wire.FrameBye})
			return 0
		case how = <-c.line.over:
			how = c.drain(how)
		case frame := <-c.line.frames:
			how = c.hear(frame)
		case <-c.line.doubts:
			c.doubt()
		case path := <-c.line.paths:
			c.reroute(path)
		case n := <-c.line.news:
			c.learn(n)
		case out <- next:
			c.taken(next)
		case <-c.paced.C: // next may be handed out now
		case <-c.beat.C:
			how = c.onBeat()
		case <-c.quiet.C:
			c.onQuiet()
		case <-c.wake:
			c.post()
		}
	}
	return how
}

// post sends what Send and Typing have left.
func (c *Chat) post() {
	c.mu.Lock()
	messages, typing := c.outbox, c.typing
	c.outbox, c.typing = nil, false
	c.mu.Unlock()
	for _, message := range messages {
		c.unacked = append(c.unacked, message)
		c.transmit(message)
	}
	if len(messages) > 0 {
		c.listen()
	}
	if typing {
		c.say(wire.Frame{T: wire.FrameTyping})
	}
}

// reroute notes a new path.
func (c *Chat) reroute(path Path) {
	c.mu.Lock()
	c.path = path
	c.mu.Unlock()
	c.push(Event{Kind: EventPath, Path: path})
}

// drain hears the frames that came before the line ended: there may be a bye
// among them.
func (c *Chat) drain(how EventKind) EventKind {
	for {
		select {
		case frame := <-c.line.frames:
			if left := c.hear(frame); left != 0 {
				return left
			}
		default:
			return how
		}
	}
}

// handOut offers the events that are left, and last, until Close.
func (c *Chat) handOut(last Event) {
	for _, event := range append(c.pending, last) {
		select {
		case c.events <- event:
		case <-c.closing:
			return
		}
	}
}
