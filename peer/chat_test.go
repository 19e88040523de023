package peer

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// wireEnd is one end of a line in memory. What is sent goes to out, unless
// drop says otherwise.
type wireEnd struct {
	out    chan<- string
	drop   func(n int) bool // n counts from 0
	closed chan struct{}

	mu       sync.Mutex
	sent     []string
	full     int
	answered int // calls of reached
	doubted  int // calls of suspect
}

func (e *wireEnd) reached() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answered++
}

func (e *wireEnd) suspect() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.doubted++
}

func (e *wireEnd) send(frame string) error {
	e.mu.Lock()
	n := len(e.sent)
	e.sent = append(e.sent, frame)
	e.mu.Unlock()
	if e.drop != nil && e.drop(n) {
		return nil
	}
	select {
	case e.out <- frame:
	default:
	}
	return nil
}

func (e *wireEnd) buffered() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.full
}

func (e *wireEnd) close() { close(e.closed) }

// count is how many frames were sent.
func (e *wireEnd) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.sent)
}

// frames are those that were sent, of one type.
func (e *wireEnd) frames(kind string) (found []wire.Frame) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, text := range e.sent {
		var f wire.Frame
		if unmarshal(text, &f) == nil && f.T == kind {
			found = append(found, f)
		}
	}
	return found
}

// side is one end and the channels into its chat.
type side struct {
	*wireEnd
	in     chan string
	doubts chan struct{}
	paths  chan Path
	news   chan news
	over   chan EventKind
}

func (s *side) line() line {
	return line{transport: s.wireEnd, frames: s.in, doubts: s.doubts, paths: s.paths, news: s.news, over: s.over}
}

// say sends frames to the chat of this side, as its partner.
func (s *side) say(frames ...wire.Frame) {
	for _, f := range frames {
		text, err := marshal(&f)
		if err != nil {
			panic(err)
		}
		s.in <- text
	}
}

// sides are two ends of one line.
func sides() (a, b *side) {
	one := func() *side {
		return &side{
			wireEnd: &wireEnd{closed: make(chan struct{})},
			in:      make(chan string, maxFrames), doubts: make(chan struct{}, 1),
			paths: make(chan Path, 1), news: make(chan news, 1), over: make(chan EventKind, 1),
		}
	}
	a, b = one(), one()
	a.out, b.out = b.in, a.in
	return a, b
}

// begin starts a chat on one side without waiting for it.
func begin(t *testing.T, s *side) (chat func() *Chat) {
	t.Helper()
	result := make(chan *Chat, 1)
	go func() {
		c, err := talk(t.Context(), s.line())
		if err != nil {
			t.Errorf("talk: %v", err)
		}
		result <- c
	}()
	return func() *Chat { return <-result }
}

// pairUp is two chats with one another.
func pairUp(t *testing.T) (a, b *Chat, ends [2]*side) {
	t.Helper()
	ends[0], ends[1] = sides()
	first, second := begin(t, ends[0]), begin(t, ends[1])
	return first(), second(), ends
}

// opened is a chat whose partner is the test itself, and its side.
func opened(t *testing.T) (*Chat, *side) {
	t.Helper()
	s, _ := sides()
	chat := begin(t, s)
	s.say(wire.Frame{T: wire.FrameHello, V: 1}, wire.Frame{T: wire.FrameAck})
	return chat(), s
}

// want takes the next event, which must come.
func want(t *testing.T, c *Chat, wanted Event) {
	t.Helper()
	select {
	case got, ok := <-c.Events():
		if !ok || got != wanted {
			t.Fatalf("event %+v, %t, want %+v", got, ok, wanted)
		}
	case <-time.After(time.Minute):
		t.Fatalf("no event, want %+v", wanted)
	}
}

// none checks that no event is ready.
func none(t *testing.T, c *Chat) {
	t.Helper()
	synctest.Wait()
	select {
	case got, ok := <-c.Events():
		t.Fatalf("event %+v, %t, want none", got, ok)
	default:
	}
}

// shut closes a chat and checks that its line is closed.
func shut(t *testing.T, c *Chat, s *side) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	select {
	case <-s.closed:
	default:
		t.Error("Close left the line open")
	}
}

func msg(id uint64, text string) wire.Frame { return wire.Frame{T: wire.FrameMsg, ID: id, Text: text} }

// bubble runs a test on a fake clock.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

func TestHello(t *testing.T) {
	t.Parallel()
	first := func(n int) bool { return n == 0 }
	for _, c := range []struct {
		name         string
		dropA, dropB func(int) bool
		took         time.Duration
	}{
		{"both hellos arrive", nil, nil, 0},
		{"the first frame of one is lost", first, nil, helloInterval},
		{"the first frame of the other is lost", nil, first, helloInterval},
		{"the first frames of both are lost", first, first, helloInterval},
		{"the first five of one are lost", func(n int) bool { return n < 5 }, nil, 3 * helloInterval},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a, b := sides()
				a.drop, b.drop = c.dropA, c.dropB
				start := time.Now()
				first, second := begin(t, a), begin(t, b)
				one, two := first(), second()
				if took := time.Since(start); took > c.took {
					t.Errorf("open after %v, want %v", took, c.took)
				}
				<-time.After(time.Second) // for the last hellos to be answered
				sent := a.count() + b.count()
				<-time.After(time.Hour)
				if now := a.count() + b.count(); now != sent || sent > 20 {
					t.Errorf("%d frames to open and %d an hour later, want no more", sent, now)
				}
				for id := range uint64(3) {
					if _, err := one.Send("hi"); err != nil {
						t.Fatal(err)
					}
					want(t, two, Event{Kind: EventMessage, ID: id + 1, Text: "hi"})
					want(t, one, Event{Kind: EventDelivered, ID: id + 1})
				}
				shut(t, one, a)
				want(t, two, Event{Kind: EventLeft})
				shut(t, two, b)
			})
		})
	}
}

// TestHelloOnly chats with a program that says hello until it hears one, and
// knows no ack of id 0.
func TestHelloOnly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, _ := sides()
		chat := begin(t, s)
		s.say(wire.Frame{T: wire.FrameHello, V: 7})
		start := time.Now()
		c := chat()
		if took := time.Since(start); took > 0 {
			t.Errorf("open after %v, want at once: he is there", took)
		}
		<-time.After((patience + 1) * helloInterval)
		hellos := len(s.frames(wire.FrameHello))
		if hellos < 3 {
			t.Errorf("%d hellos, want some more to be sure that he heard one", hellos)
		}
		<-time.After(time.Hour)
		if now := len(s.frames(wire.FrameHello)); now != hellos {
			t.Errorf("%d hellos an hour later, want no more than %d", now, hellos)
		}
		shut(t, c, s)
	})
}

// TestMessageImpliesHello opens with nothing but a message, and does not lose it.
func TestMessageImpliesHello(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, _ := sides()
		chat := begin(t, s)
		s.say(msg(1, "first"))
		c := chat()
		want(t, c, Event{Kind: EventMessage, ID: 1, Text: "first"})
		shut(t, c, s)
	})
}

// TestNoHello gives up in all the ways in which a hello may not come.
func TestNoHello(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(s *side, cancel func())
		want error
	}{
		{"the context ends", func(_ *side, cancel func()) { cancel() }, context.Canceled},
		{"nothing comes in time", func(*side, func()) {}, ErrNoPath},
		{"hellos of no version", func(s *side, _ func()) { s.say(wire.Frame{T: wire.FrameHello}) }, ErrNoPath},
		{"the partner says bye", func(s *side, _ func()) { s.say(wire.Frame{T: wire.FrameBye}) }, ErrPartnerGone},
		{"the channel closes", func(s *side, _ func()) { s.over <- EventLeft }, ErrPartnerGone},
		{"the server says that he has left", func(s *side, _ func()) { s.doubts <- struct{}{} }, ErrPartnerGone},
		{"the connection fails", func(s *side, _ func()) { s.over <- EventLost }, ErrNoPath},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, _ := sides()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				ctx, stop := context.WithTimeoutCause(ctx, helloTimeout, ErrNoPath)
				defer stop()
				go func() {
					<-time.After(time.Second)
					c.do(s, cancel)
				}()
				chat, err := talk(ctx, s.line())
				if chat != nil || !errors.Is(err, c.want) {
					t.Errorf("talk() = %v, %v, want %v", chat, err, c.want)
				}
				<-s.closed
			})
		})
	}
}

func TestMessagesInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b, ends := pairUp(t)
		for i := range uint64(20) {
			for _, c := range []*Chat{a, b} {
				if id, err := c.Send(strconv.Itoa(int(i))); id != i+1 || err != nil {
					t.Fatalf("Send = %d, %v, want %d", id, err, i+1)
				}
			}
		}
		var texts, delivered []string
		for len(texts) < 20 || len(delivered) < 20 {
			select {
			case e := <-a.Events():
				if e.Kind == EventDelivered {
					delivered = append(delivered, strconv.FormatUint(e.ID-1, 10))
				}
			case e := <-b.Events():
				if e.Kind == EventMessage {
					texts = append(texts, e.Text)
				}
			}
		}
		for i := range 20 {
			if texts[i] != strconv.Itoa(i) || delivered[i] != strconv.Itoa(i) {
				t.Fatalf("messages %v and acks %v, want them in order", texts, delivered)
			}
		}
		shut(t, a, ends[0])
		shut(t, b, ends[1])
	})
}

func TestSendRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := opened(t)
		for _, r := range []struct {
			name, text string
			want       error
		}{
			{"nothing", "", ErrEmpty},
			{"one byte too many", strings.Repeat("x", wire.MaxTextBytes+1), ErrTooLong},
			{"broken UTF-8 that mends to too many bytes", strings.Repeat("\xffx", wire.MaxTextBytes/2), ErrTooLong},
			{"as much as is allowed", strings.Repeat("\x01", wire.MaxTextBytes), nil},
		} {
			if _, err := c.Send(r.text); !errors.Is(err, r.want) {
				t.Errorf("Send(%s) = %v, want %v", r.name, err, r.want)
			}
		}
		synctest.Wait()
		if sent := s.sent[len(s.sent)-1]; len(sent) > wire.MaxFrameBytes {
			t.Errorf("the largest message is a frame of %d bytes, over %d", len(sent), wire.MaxFrameBytes)
		}
		shut(t, c, s)
		if _, err := c.Send("late"); !errors.Is(err, ErrClosed) {
			t.Errorf("Send after Close = %v, want ErrClosed", err)
		}
	})
}

// TestWindow holds that Send is bounded by what the partner has not taken, and
// by what our own application has not taken.
func TestWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b, ends := pairUp(t)
		for range window {
			if _, err := a.Send("x"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := a.Send("x"); !errors.Is(err, ErrBusy) {
			t.Fatalf("Send beyond the window = %v, want ErrBusy", err)
		}
		<-time.After(time.Minute)
		for _, ack := range ends[1].frames(wire.FrameAck) {
			if ack.ID != 0 {
				t.Errorf("an ack of message %d, which nobody has taken", ack.ID)
			}
		}
		for id := range uint64(window) {
			want(t, b, Event{Kind: EventMessage, ID: id + 1, Text: "x"})
		}
		synctest.Wait()
		if _, err := a.Send("x"); !errors.Is(err, ErrBusy) {
			t.Fatalf("Send before EventDelivered was taken = %v, want ErrBusy", err)
		}
		want(t, a, Event{Kind: EventDelivered, ID: 1})
		synctest.Wait()
		if _, err := a.Send("x"); err != nil {
			t.Fatalf("Send after EventDelivered: %v", err)
		}
		shut(t, a, ends[0])
		shut(t, b, ends[1])
	})
}

// TestHostileFrames sends what no honest partner sends; the chat goes on.
func TestHostileFrames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		frames []string
	}{
		{"garbage", []string{"", "\x00\xff", "null", "[]", "true", `"msg"`, "{}", "{", `{"t":1}`, `{"t":"msg","id":"1","text":"x"}`}},
		{"wrong types", []string{`{"t":"msg","id":1,"text":{}}`, `{"t":"hello","v":"1"}`, `{"t":["msg"]}`, `{"t":"ack","id":1.5}`}},
		{"frames of a later version", []string{`{"t":"dance","id":1,"text":"x"}`, `{"t":"MSG","id":1,"text":"x"}`}},
		{"a megabyte", []string{`{"t":"msg","id":1,"text":"` + strings.Repeat("x", 1<<20) + `"}`}},
		{"a text that is too long", []string{`{"t":"msg","id":1,"text":"` + strings.Repeat("x", wire.MaxTextBytes+1) + `"}`}},
		{"a deep nest", []string{strings.Repeat("[", wire.MaxFrameBytes)}},
		{"no text, no id", []string{`{"t":"msg","id":1}`, `{"t":"msg","text":"x"}`, `{"t":"msg","id":0,"text":"x"}`, `{"t":"msg","id":-1,"text":"x"}`}},
		{"acks of nothing", []string{`{"t":"ack","id":1}`, `{"t":"ack","id":9007199254740991}`, `{"t":"ack","id":99999999999999999999}`, `{"t":"ack"}`}},
		{"hellos without end", slices.Repeat([]string{`{"t":"hello","v":1}`}, 200)},
		{"hellos of no version", []string{`{"t":"hello"}`, `{"t":"hello","v":0}`, `{"t":"hello","v":-1}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				chat, s := opened(t)
				for _, frame := range c.frames {
					s.in <- frame
				}
				none(t, chat)
				s.say(msg(1, "still here"))
				want(t, chat, Event{Kind: EventMessage, ID: 1, Text: "still here"})
				none(t, chat)
				shut(t, chat, s)
			})
		})
	}
}

// TestDuplicatesAndGaps shows each id once, and none before its turn.
func TestDuplicatesAndGaps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := opened(t)
		s.say(msg(1, "a"), msg(1, "again"), msg(2, "b"), msg(1, "old"), msg(4, "gap"), msg(9, "gap"), msg(maxInteger, "gap"), msg(3, "c"), msg(4, "d"))
		want(t, c, Event{Kind: EventMessage, ID: 1, Text: "a"})
		want(t, c, Event{Kind: EventMessage, ID: 2, Text: "b"})
		want(t, c, Event{Kind: EventMessage, ID: 3, Text: "c"})
		want(t, c, Event{Kind: EventMessage, ID: 4, Text: "d"})
		none(t, c)
		before := len(s.frames(wire.FrameAck))
		s.say(msg(2, "b")) // as after a new channel: his ack got lost
		none(t, c)
		if acks := s.frames(wire.FrameAck); len(acks) != before+1 || acks[before].ID != 2 {
			t.Errorf("a message that came again was answered with %v, want one more ack of 2", acks[before:])
		}
		shut(t, c, s)
	})
}

// TestSlowApplication holds what a partner can make us keep: a window.
func TestSlowApplication(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := opened(t)
		for id := range uint64(500) {
			s.say(msg(id+1, "x"))
		}
		synctest.Wait()
		if len(c.pending) != window {
			t.Errorf("%d events wait for the application, want %d", len(c.pending), window)
		}
		s.say(wire.Frame{T: wire.FrameTyping})
		s.paths <- Path{Kind: PathRelayUDP}
		synctest.Wait()
		s.paths <- Path{Kind: PathRelayTCP}
		synctest.Wait()
		for id := range uint64(window) {
			want(t, c, Event{Kind: EventMessage, ID: id + 1, Text: "x"})
		}
		want(t, c, Event{Kind: EventTyping})
		want(t, c, Event{Kind: EventPath, Path: Path{Kind: PathRelayTCP}})
		none(t, c)
		if path := c.Path(); path.Kind != PathRelayTCP {
			t.Errorf("Path() = %v, want the newest", path)
		}
		shut(t, c, s)
	})
}

// TestPace holds how fast a partner's messages reach the application.
func TestPace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := opened(t)
		start := time.Now()
		const more = 40
		for id := range uint64(window + more) {
			s.say(msg(id+1, "x"))
			want(t, c, Event{Kind: EventMessage, ID: id + 1, Text: "x"})
		}
		if took := time.Since(start); took < (more-1)*messageInterval || took > (more+1)*messageInterval {
			t.Errorf("%d messages took %v, want %v", window+more, took, more*messageInterval)
		}
		shut(t, c, s)
	})
}

// TestFlood cuts a partner who sends more frames than anybody could.
func TestFlood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := opened(t)
		for range 2 * frameBurst {
			select {
			case s.in <- `{"t":"typing"}`:
			default:
				synctest.Wait()
			}
		}
		want(t, c, Event{Kind: EventTyping})
		want(t, c, Event{Kind: EventLost})
		shut(t, c, s)
	})
}

func TestTyping(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b, ends := pairUp(t)
		for range 30 { // for 3 s
			a.Typing()
			<-time.After(100 * time.Millisecond)
		}
		if frames := len(ends[0].frames(wire.FrameTyping)); frames != 3 {
			t.Errorf("%d typing frames in 3 s, want 3", frames)
		}
		want(t, b, Event{Kind: EventTyping})
		none(t, b) // the others were merged into that one
		ends[1].say(wire.Frame{T: wire.FrameTyping}, wire.Frame{T: wire.FrameTyping})
		<-time.After(time.Second)
		ends[1].say(wire.Frame{T: wire.FrameTyping}, wire.Frame{T: wire.FrameTyping})
		want(t, b, Event{Kind: EventTyping})
		none(t, b)
		shut(t, a, ends[0])
		shut(t, b, ends[1])
	})
}

// TestPartnerReadsNothing holds what we queue for him.
func TestPartnerReadsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := opened(t)
		s.mu.Lock()
		s.full = maxBuffered + 1
		before := len(s.sent)
		s.mu.Unlock()
		s.say(msg(1, "x"), wire.Frame{T: wire.FrameHello, V: 1})
		want(t, c, Event{Kind: EventMessage, ID: 1, Text: "x"})
		c.Typing()
		synctest.Wait()
		if len(s.sent) != before {
			t.Errorf("sent %q to a partner who reads nothing", s.sent[before:])
		}
		shut(t, c, s)
	})
}

// TestDoubt is what happens when the server says that the partner has left:
// only he knows.
func TestDoubt(t *testing.T) {
	t.Parallel()
	hello, ack := wire.Frame{T: wire.FrameHello, V: 1}, wire.Frame{T: wire.FrameAck}
	for _, c := range []struct {
		name    string
		knows   bool // ack of id 0
		answers []wire.Frame
		stays   bool
	}{
		{"he answers", true, []wire.Frame{ack}, true},
		{"he says nothing", true, nil, false},
		{"what he wrote before arrives", true, []wire.Frame{{T: wire.FrameTyping}, msg(1, "x")}, false},
		{"he knows only hello, and says something", false, []wire.Frame{hello}, true},
		{"he knows only hello, and says nothing", false, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, _ := sides()
				begun := begin(t, s)
				s.say(hello)
				if c.knows {
					s.say(ack)
				}
				chat := begun()
				s.doubts <- struct{}{}
				<-time.After(time.Second)
				s.say(c.answers...)
				start := time.Now()
				for {
					select {
					case e := <-chat.Events():
						if e.Kind != EventLeft {
							continue
						}
						if c.stays || time.Since(start) > 3*time.Second {
							t.Errorf("EventLeft after %v, want it: %t", time.Since(start), !c.stays)
						}
					case <-time.After(time.Minute):
						if !c.stays {
							t.Error("no EventLeft")
						}
					}
					break
				}
				shut(t, chat, s)
			})
		})
	}
}

// TestEnd is how chats end, and that nothing that came before is lost.
func TestEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(s *side)
		want EventKind
	}{
		{"bye", func(s *side) { s.say(wire.Frame{T: wire.FrameBye}) }, EventLeft},
		{"the channel closes", func(s *side) { s.over <- EventLeft }, EventLeft},
		{"the connection fails", func(s *side) { s.over <- EventLost }, EventLost},
		{"bye, then the connection fails", func(s *side) { s.say(wire.Frame{T: wire.FrameBye}); s.over <- EventLost }, EventLeft},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				chat, s := opened(t)
				s.say(msg(1, "one"), msg(2, "two"))
				c.do(s)
				synctest.Wait() // the application is slow
				want(t, chat, Event{Kind: EventMessage, ID: 1, Text: "one"})
				if _, err := chat.Send("late"); !errors.Is(err, ErrClosed) {
					t.Errorf("Send after the end = %v, want ErrClosed", err)
				}
				want(t, chat, Event{Kind: EventMessage, ID: 2, Text: "two"})
				want(t, chat, Event{Kind: c.want})
				if e, ok := <-chat.Events(); ok {
					t.Errorf("%+v after the last event", e)
				}
				shut(t, chat, s)
			})
		})
	}
}

// TestClose sends what Send took before it says bye, and may be called by many.
func TestClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := opened(t)
		for range 3 {
			if _, err := c.Send("x"); err != nil {
				t.Fatal(err)
			}
		}
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() { _ = c.Close() })
		}
		group.Wait()
		shut(t, c, s)
		last := s.sent[len(s.sent)-4:]
		for i, kind := range []string{wire.FrameMsg, wire.FrameMsg, wire.FrameMsg, wire.FrameBye} {
			if !strings.HasPrefix(last[i], `{"t":"`+kind+`"`) {
				t.Errorf("the last frames are %q, want three messages and a bye", last)
			}
		}
		if e, ok := <-c.Events(); ok {
			t.Errorf("%+v after Close", e)
		}
	})
}

// TestSilence asks a partner who says nothing while a message waits for its
// ack, and tells the line what comes of it.
func TestSilence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                     string
		answers                  bool
		hellos, reached, suspect int
	}{
		{"he answers", true, 1, 1, 0},
		{"he does not", false, 1, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				chat, s := opened(t)
				before := len(s.frames(wire.FrameHello))
				for range 4 { // who goes on writing does not put the question off
					if _, err := chat.Send("x"); err != nil {
						t.Fatal(err)
					}
					<-time.After(minSilence / 3)
				}
				<-time.After(probeTimeout / 3)
				if c.answers {
					s.say(wire.Frame{T: wire.FrameAck})
				}
				<-time.After(probeTimeout)
				if hellos := len(s.frames(wire.FrameHello)) - before; hellos != c.hellos {
					t.Errorf("%d hellos, want %d", hellos, c.hellos)
				}
				s.mu.Lock()
				if s.answered != c.reached || s.doubted != c.suspect {
					t.Errorf("the line was told %d times that he answers and %d that he does not, want %d and %d", s.answered, s.doubted, c.reached, c.suspect)
				}
				s.mu.Unlock()
				shut(t, chat, s)
			})
		})
	}
}

// TestInterrupted tells the application what it need know.
func TestInterrupted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		chat, s := opened(t)
		s.news <- news{interrupted: true}
		want(t, chat, Event{Kind: EventInterrupted})
		s.news <- news{probe: true, interrupted: true}
		none(t, chat)
		if _, err := chat.Send("still here"); err != nil {
			t.Errorf("Send while it is interrupted: %v", err)
		}
		s.news <- news{}
		want(t, chat, Event{Kind: EventRestored})
		s.news <- news{interrupted: true}
		synctest.Wait() // and the application is slow
		s.news <- news{}
		none(t, chat)
		shut(t, chat, s)
	})
}

// TestPaired opens at once where the partner's end of the channel is known to be
// there, and does not wait for ever for who says nothing.
func TestPaired(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, _ := sides()
		line := s.line()
		line.paired = true
		start := time.Now()
		chat, err := talk(t.Context(), line)
		if err != nil || time.Since(start) != 0 {
			t.Fatalf("talk() = %v after %v, want it open at once", err, time.Since(start))
		}
		if _, err := chat.Send("first"); err != nil {
			t.Fatal(err)
		}
		want(t, chat, Event{Kind: EventLost})
		if took := time.Since(start); took < helloTimeout || took > helloTimeout+time.Second {
			t.Errorf("the end after %v, want %v", took, helloTimeout)
		}
		if sent := s.sent[:2]; !strings.Contains(sent[0], "hello") || !strings.Contains(sent[1], "first") {
			t.Errorf("sent %q, want a hello and then the message", sent)
		}
		shut(t, chat, s)
	})
}
