package peer

import (
	"slices"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// helloInterval is the time between two hellos.
	helloInterval = 250 * time.Millisecond

	// patience is how many hellos go unanswered before we believe that the
	// partner heard them, for programs that say hello and do not acknowledge it.
	patience = 4

	// The messages of a partner reach the application at most this fast, beyond
	// a first burst of a window; nobody types faster. Who sends more waits.
	messageInterval = 50 * time.Millisecond

	// A partner who sends more frames than this is cut. An honest one does not
	// come near: a full window both ways is 128 frames.
	frameInterval = 8 * time.Millisecond
	frameBurst    = 1024
)

// state is what run knows of the conversation. The hello works like this, on
// both sides alike, because the first frame that a Chromium sends may be lost
// without a trace (seen with its answerers) and nobody may speak into the void:
//
//	           any frame of his             proof
//	┌────────┐ ────────────────▶ ┌────────┐ ─────▶ ┌────────┐
//	│ silent │                   │  open  │        │ proven │
//	└────────┘                   └────────┘ ◀───── └────────┘
//	                                     a new channel
//
//	silent, open    send hello now and every helloInterval
//	any state       answer each hello with one ack of id 0; ids of messages begin at 1
//	proof           he has a frame of ours: any ack, msg or typing, for an ack 0
//	                answers our hello and the others are sent only when open; or
//	                patience: a program that knows no ack 0 stays silent, but has
//	                heard the hellos after the first
//
// One is open as soon as the partner has been heard: he is there, and reads
// what comes after our hello in order; a message that overtakes a lost hello
// opens him as well. On a channel that both ends have made before it opened
// (paired), one is open from the start, for that it opened says as much: that
// is a whole round trip sooner. Who then says nothing is left after a while. Both open, because each repeats hello until the other has
// answered; and it ends, because an ack is never answered.
//
// A message is kept until its ack has come, and sent again, with those after
// it, on each new channel. Only the next one after those that have come is
// taken. So each is shown once, in order, whatever a channel took with it.
type state struct {
	open      bool // the partner has been heard
	proven    bool // he has heard us, on this channel
	answering bool // he acknowledges hello
	unproven  int  // hellos sent since he was heard
	chances   int  // hellos that are left to prove that he has not left; 0 if nobody doubts it
	beat      *time.Timer

	probed      time.Time // when the hello was sent on whose answer the line waits; zero if it does not
	heardAt     time.Time // when the partner was last heard
	quiet       *time.Timer
	quietAt     time.Time // when quiet ends; zero if it does not run
	interrupted bool      // as the line has it

	unacked     []wire.Frame // messages that were sent; at most window
	accepted    uint64       // the newest message that came
	shown       uint64       // the newest message that the application has taken
	unshown     int          // messages in pending; at most window
	pending     []Event      // for the application; at most 2 windows and one of each other kind
	heardTyping time.Time    // when he last typed
	pace        meter        // of messages to the application
	paced       *time.Timer
	traffic     meter // of frames from the partner
}

func newState() state {
	return state{
		pace:    meter{interval: messageInterval, burst: window},
		traffic: meter{interval: frameInterval, burst: frameBurst},
	}
}

// begin says the first hello.
func (c *Chat) begin() {
	c.beat = time.NewTimer(helloInterval)
	c.paced = time.NewTimer(0)
	c.quiet = time.NewTimer(minSilence)
	c.quiet.Stop()
	c.hello()
	if c.line.paired {
		c.enter()
	}
}

// enter opens the chat.
func (c *Chat) enter() {
	if !c.open {
		c.open = true
		close(c.opened)
	}
}

func (c *Chat) hello() { c.say(wire.Frame{T: wire.FrameHello, V: wire.ChatVersion}) }

// onBeat repeats the hello for as long as that is needed.
func (c *Chat) onBeat() (how EventKind) {
	if c.chances > 0 {
		if c.chances--; c.chances == 0 {
			return EventLeft
		}
	}
	if c.open && !c.proven {
		c.unproven++
		switch mute := c.heardAt.IsZero(); {
		case mute && c.unproven > int(helloTimeout/helloInterval):
			return EventLost
		case !mute && c.unproven > patience:
			c.proven = true
		}
	}
	if !c.proven || c.chances > 0 {
		c.hello()
		c.beat.Reset(helloInterval)
	}
	return 0
}

// present notes a frame of the partner.
func (c *Chat) present() {
	c.heardAt = time.Now()
	c.enter()
	if !c.answering {
		c.reached()
	}
}

// reached notes that the partner has answered. Only the answer to a hello says
// that he has not left since, and hears us; other frames may have been on
// their way.
func (c *Chat) reached() {
	c.chances = 0
	if !c.probed.IsZero() {
		c.probed, c.quietAt = time.Time{}, time.Time{}
		c.quiet.Stop()
		c.line.reached()
		if len(c.unacked) > 0 {
			c.wait(longSilence)
		}
	}
}

// learn acts on what has happened to the line.
func (c *Chat) learn(n news) {
	if n.interrupted != c.interrupted {
		c.interrupted = n.interrupted
		c.pushLine()
	}
	switch {
	case n.renewed:
		c.proven, c.unproven = false, 0
		c.beat.Reset(helloInterval)
		c.probe()
		for _, message := range c.unacked {
			c.transmit(message)
		}
	case n.probe:
		c.probe()
	}
}

// hear acts on a frame of the partner; the result is how the chat ended, if it
// did. What it does not understand may come from a later version, or from an
// enemy: it is dropped.
func (c *Chat) hear(text string) (how EventKind) {
	now := time.Now()
	if c.traffic.wait(now) > 0 {
		return EventLost
	}
	c.traffic.count(now)
	var f wire.Frame
	if len(text) > wire.MaxFrameBytes || unmarshal(text, &f) != nil {
		return 0
	}
	switch f.T {
	case wire.FrameHello:
		if f.V < 1 {
			return 0
		}
		c.present()
		c.say(wire.Frame{T: wire.FrameAck})
	case wire.FrameAck:
		c.present()
		c.proven = true
		if f.ID == 0 {
			c.answering = true
			c.reached()
		}
		c.acknowledged(f.ID)
	case wire.FrameMsg:
		c.present()
		c.proven = true
		c.message(f)
	case wire.FrameTyping:
		c.present()
		c.proven = true
		if now.Sub(c.heardTyping) >= typingInterval {
			c.heardTyping = now
			c.push(Event{Kind: EventTyping})
		}
	case wire.FrameBye:
		return EventLeft
	}
	return 0
}

// message takes a message of the partner. On one channel its id is always the
// next one; after a new channel old ones may come again. One that has not its
// turn is left for when he sends it again with those before it.
func (c *Chat) message(f wire.Frame) {
	switch {
	case f.ID == 0, f.Text == "", len(f.Text) > wire.MaxTextBytes:
	case f.ID <= c.shown:
		c.say(wire.Frame{T: wire.FrameAck, ID: f.ID})
	case f.ID != c.accepted+1: // or it is in pending: its ack will go out when it is taken
	case c.unshown == window: // he ignores the window
	default:
		c.accepted = f.ID
		c.unshown++
		c.push(Event{Kind: EventMessage, ID: f.ID, Text: f.Text})
	}
}

// acknowledged notes that the partner has seen a message; an id that is not on
// its way means nothing.
func (c *Chat) acknowledged(id uint64) {
	if i := slices.IndexFunc(c.unacked, func(f wire.Frame) bool { return f.ID == id }); i >= 0 {
		c.unacked = slices.Delete(c.unacked, i, i+1)
		c.push(Event{Kind: EventDelivered, ID: id})
	}
}

// push queues an event for the application. Of typing and path there is at
// most one: the newest.
func (c *Chat) push(event Event) {
	if event.Kind == EventTyping || event.Kind == EventPath {
		c.pending = slices.DeleteFunc(c.pending, func(e Event) bool { return e.Kind == event.Kind })
	}
	c.pending = append(c.pending, event)
}

// pushLine queues what the user shall know of the line. What he has not been
// told yet, and is over, he need not know.
func (c *Chat) pushLine() {
	kind, opposite := EventRestored, EventInterrupted
	if c.interrupted {
		kind, opposite = opposite, kind
	}
	if i := slices.IndexFunc(c.pending, func(e Event) bool { return e.Kind == opposite }); i >= 0 {
		c.pending = slices.Delete(c.pending, i, i+1)
		return
	}
	c.push(Event{Kind: kind})
}

// next is the event to hand out and the channel to do it on: nil as long as
// there is none, or it is too early for it.
func (c *Chat) next() (chan<- Event, Event) {
	if !c.open || len(c.pending) == 0 {
		return nil, Event{}
	}
	event := c.pending[0]
	if event.Kind == EventMessage {
		if wait := c.pace.wait(time.Now()); wait > 0 {
			c.paced.Reset(wait)
			return nil, Event{}
		}
	}
	return c.events, event
}

// taken notes that the application has the first event of pending.
func (c *Chat) taken(event Event) {
	c.pending = slices.Delete(c.pending, 0, 1)
	switch event.Kind {
	case EventMessage:
		c.pace.count(time.Now())
		c.unshown--
		c.shown = event.ID
		c.say(wire.Frame{T: wire.FrameAck, ID: event.ID})
	case EventDelivered:
		c.mu.Lock()
		c.undecided--
		c.mu.Unlock()
	default:
	}
}

// say sends a frame that may be lost if the partner reads nothing.
func (c *Chat) say(f wire.Frame) {
	if c.line.buffered() <= maxBuffered {
		c.transmit(f)
	}
}

// transmit sends a frame. If that fails, the line is over and will say so.
func (c *Chat) transmit(f wire.Frame) {
	if text, err := marshal(&f); err == nil {
		_ = c.line.send(text)
	}
}

// meter allows one thing in each interval, and burst of them at once.
type meter struct {
	interval time.Duration
	burst    int
	full     time.Time // when the whole burst is allowed again
}

// wait is how long it takes until one more is allowed.
func (m *meter) wait(now time.Time) time.Duration {
	return max(0, max(0, m.full.Sub(now))-time.Duration(m.burst-1)*m.interval)
}

// count notes that one more has happened.
func (m *meter) count(now time.Time) {
	if m.full.Before(now) {
		m.full = now
	}
	m.full = m.full.Add(m.interval)
}
