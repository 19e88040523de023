package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

// stage is a page with a scripted world around it, on a fake clock.
type stage struct {
	t     *testing.T
	app   *app
	calls []*call

	mu    sync.Mutex // guards the fields below: the fake clock orders no memory
	shown view
	log   []line
}

// call is one search: what was asked for, and how the world answers.
type call struct {
	wanted peer.Search
	answer chan found
	ended  bool
}

// stranger is a partner who does what the test says.
type stranger struct {
	events chan peer.Event
	heard  []string
	typing int
	closed int
	deaf   error // what Send answers, if anything
}

func (s *stage) show(v view) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = v
}

func (s *stage) add(l line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, l)
}

func (s *stage) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// view is what the page shows, when everything has settled.
func (s *stage) view() view {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown
}

// pass lets time pass.
func (s *stage) pass(d time.Duration) { <-time.After(d) }

func (p *stranger) Send(text string) (uint64, error) {
	if p.deaf != nil {
		return 0, p.deaf
	}
	p.heard = append(p.heard, text)
	return uint64(len(p.heard)), nil
}

// chat is a conversation with p on a direct path.
func (p *stranger) chat() chat {
	return chat{partner: p, events: p.events, path: peer.Path{Kind: peer.PathDirect}}
}

func (p *stranger) Typing()      { p.typing++ }
func (p *stranger) Close() error { p.closed++; return nil }

// play runs a story. Whatever it does is followed by a moment in which
// everything settles; at its end the page is closed, and nothing may be left.
func play(t *testing.T, story func(*stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t}
		s.app = &app{
			screen:  s,
			connect: s.connect,
			tags:    []string{"go"},
			inputs:  make(chan input),
			model:   model{words: english(t), state: idle},
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.app.run(ctx)
		}()
		synctest.Wait()
		story(s)
		cancel()
		<-ended
		for i, c := range s.calls {
			if !c.ended {
				t.Errorf("search %d goes on after the page was closed", i)
			}
		}
	})
}

// connect is the world's Connect of a peer.Client.
func (s *stage) connect(ctx context.Context, wanted peer.Search) (chat, error) {
	c := &call{wanted: wanted, answer: make(chan found)}
	s.calls = append(s.calls, c)
	defer func() { c.ended = true }()
	select {
	case <-ctx.Done():
		return chat{}, ctx.Err()
	case f := <-c.answer:
		return f.chat, f.err
	}
}

func (s *stage) do(in input) {
	s.app.inputs <- in
	synctest.Wait()
}

func (s *stage) press(kinds ...inputKind) {
	for _, kind := range kinds {
		s.do(input{kind: kind})
	}
}

// searching is the search that goes on now.
func (s *stage) searching() *call {
	s.t.Helper()
	if len(s.calls) == 0 || s.calls[len(s.calls)-1].ended {
		s.t.Fatal("nobody is searching")
	}
	return s.calls[len(s.calls)-1]
}

func (s *stage) progress(p peer.Progress) {
	s.t.Helper()
	s.searching().wanted.OnProgress(p)
	synctest.Wait()
}

// meet lets the search find somebody.
func (s *stage) meet() *stranger {
	s.t.Helper()
	p := &stranger{events: make(chan peer.Event)}
	s.progress(peer.Progress{Phase: peer.PhaseConnecting})
	s.searching().answer <- found{chat: p.chat()}
	synctest.Wait()
	return p
}

// fail lets the search end badly.
func (s *stage) fail(err error) {
	s.t.Helper()
	s.searching().answer <- found{err: err}
	synctest.Wait()
}

func (p *stranger) does(ev peer.Event) {
	p.events <- ev
	synctest.Wait()
}

func (p *stranger) says(text string) { p.does(peer.Event{Kind: peer.EventMessage, ID: 1, Text: text}) }

func (s *stage) wantState(want state) {
	s.t.Helper()
	if s.view().state != want {
		s.t.Errorf("the page is %s, want %s", s.view().state, want)
	}
}

func (s *stage) wantLog(want ...string) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	var got []string
	for _, l := range s.log {
		got = append(got, string(l.from)+": "+l.text)
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("the log shows %q, want %q", got, want)
	}
}

const hello = "system: You are connected. Say hello."

func TestAppFromStartToChat(t *testing.T) {
	t.Parallel()
	play(t, func(s *stage) {
		s.wantState(idle)
		s.press(pressStart)
		s.wantState(waiting)
		if wanted := s.searching().wanted; len(wanted.Tags) != 1 || wanted.RelayOnly {
			t.Errorf("START searches with %+v", wanted)
		}
		s.progress(peer.Progress{Phase: peer.PhaseWaiting, Online: 9, Waiting: 2})
		if want := "2 people are waiting · 9 online"; s.view().note != want {
			t.Errorf("waiting shows %q, want %q", s.view().note, want)
		}
		s.progress(peer.Progress{Phase: peer.PhaseConnecting, Shared: []string{"go"}})
		s.wantState(connecting)
		p := &stranger{events: make(chan peer.Event)}
		s.searching().answer <- found{chat: p.chat()}
		synctest.Wait()
		s.wantState(chatting)
		s.wantLog("system: You both like go. Say hello.")
	})
}

func TestAppChat(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		story func(s *stage, p *stranger)
	}{
		{"words go both ways", func(s *stage, p *stranger) {
			p.says("hi")
			s.do(input{kind: pressSend, text: " hello \n"})
			s.wantLog(hello, "peer: hi", "me: hello")
			if !slices.Equal(p.heard, []string{"hello"}) {
				s.t.Errorf("the partner heard %q", p.heard)
			}
		}},
		{"an empty message is not sent", func(s *stage, p *stranger) {
			s.do(input{kind: pressSend, text: " \t"})
			s.wantLog(hello)
			if len(p.heard) > 0 {
				s.t.Errorf("the partner heard %q", p.heard)
			}
		}},
		{"a message that cannot be sent stays in the field", func(s *stage, p *stranger) {
			p.deaf = peer.ErrBusy
			s.do(input{kind: pressSend, text: "hello"})
			s.wantLog(hello, "system: That message was not sent. Try again in a moment.")
		}},
		{"delivered is under the newest that arrived", func(s *stage, p *stranger) {
			p.does(peer.Event{Kind: peer.EventDelivered, ID: 2})
			p.does(peer.Event{Kind: peer.EventDelivered, ID: 1})
			if s.view().arrived != 2 || s.view().delivered != "delivered" {
				s.t.Errorf("%q is under message %d, want 2", s.view().delivered, s.view().arrived)
			}
		}},
		{"typing is passed on", func(s *stage, p *stranger) {
			s.press(typed)
			if p.typing != 1 {
				s.t.Errorf("the partner saw typing %d times, want once", p.typing)
			}
		}},
		{"typing ends with the message", func(s *stage, p *stranger) {
			p.does(peer.Event{Kind: peer.EventTyping})
			if s.view().typing == "" {
				s.t.Error("the page does not show that the partner types")
			}
			p.says("hi")
			if s.view().typing != "" {
				s.t.Errorf("the page shows %q after the message", s.view().typing)
			}
		}},
		{"typing ends by itself", func(s *stage, p *stranger) {
			p.does(peer.Event{Kind: peer.EventTyping})
			s.pass(typingFor - time.Second)
			p.does(peer.Event{Kind: peer.EventTyping})
			s.pass(typingFor - time.Second)
			if s.view().typing == "" {
				s.t.Error("typing ended although there was news")
			}
			s.pass(time.Second)
			if s.view().typing != "" {
				s.t.Errorf("the page still shows %q", s.view().typing)
			}
		}},
		{"the path is shown at once, and when it changes", func(s *stage, p *stranger) {
			if s.view().path.kind != peer.PathDirect {
				s.t.Errorf("the page shows path %q at first", s.view().path.kind)
			}
			p.does(peer.Event{Kind: peer.EventPath, Path: peer.Path{Kind: peer.PathRelayTLS}})
			if s.view().path.kind != peer.PathRelayTLS {
				s.t.Errorf("the page shows path %q", s.view().path.kind)
			}
		}},
		{"the log can be read when the partner has left", func(s *stage, p *stranger) {
			p.says("bye")
			p.does(peer.Event{Kind: peer.EventLeft})
			s.wantState(left)
			s.wantLog(hello, "peer: bye")
			if p.closed != 1 {
				s.t.Errorf("the chat was closed %d times, want once", p.closed)
			}
		}},
		{"a lost connection is said to be lost", func(s *stage, p *stranger) {
			p.does(peer.Event{Kind: peer.EventLost})
			s.wantState(left)
			if want := "The connection was lost."; s.view().status != want {
				s.t.Errorf("the page says %q, want %q", s.view().status, want)
			}
		}},
		{"events that just end are a lost connection", func(s *stage, p *stranger) {
			close(p.events)
			synctest.Wait()
			s.wantState(left)
		}},
		{"NEXT leaves and looks again", func(s *stage, p *stranger) {
			s.press(pressNext)
			s.wantState(waiting)
			s.wantLog()
			if p.closed != 1 || len(s.calls) != 2 {
				s.t.Errorf("closed %d times, %d searches; want 1, 2", p.closed, len(s.calls))
			}
		}},
		{"NEXT after the partner has left looks again", func(s *stage, p *stranger) {
			p.does(peer.Event{Kind: peer.EventLeft})
			s.press(pressNext)
			s.wantState(waiting)
			if p.closed != 1 {
				s.t.Errorf("the chat was closed %d times, want once", p.closed)
			}
		}},
		{"STOP leaves", func(s *stage, p *stranger) {
			s.press(pressStop)
			s.wantState(idle)
			s.wantLog()
			if p.closed != 1 || len(s.calls) != 1 {
				s.t.Errorf("closed %d times, %d searches; want 1, 1", p.closed, len(s.calls))
			}
		}},
		{"nothing of the last chat is in the next", func(s *stage, p *stranger) {
			p.does(peer.Event{Kind: peer.EventPath, Path: peer.Path{Kind: peer.PathRelayUDP}})
			p.does(peer.Event{Kind: peer.EventDelivered, ID: 7})
			p.does(peer.Event{Kind: peer.EventTyping})
			s.press(pressNext)
			s.meet()
			s.wantLog(hello)
			if v := s.view(); v.arrived != 0 || v.typing != "" || v.path.kind != peer.PathDirect {
				s.t.Errorf("the new chat begins with %+v", v)
			}
		}},
		{"unread messages are counted while nobody looks", func(s *stage, p *stranger) {
			p.says("seen")
			s.do(input{kind: setHidden, on: true})
			p.says("one")
			p.says("two")
			if want := "(2) WasmP2PChat"; s.view().title != want {
				s.t.Errorf("the title is %q, want %q", s.view().title, want)
			}
			s.do(input{kind: setHidden})
			if want := "WasmP2PChat"; s.view().title != want {
				s.t.Errorf("the title is %q, want %q", s.view().title, want)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			play(t, func(s *stage) {
				s.press(pressStart)
				tt.story(s, s.meet())
			})
		})
	}
}

func TestAppSearch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		story func(s *stage)
	}{
		{"STOP ends the search", func(s *stage) {
			c := s.searching()
			s.press(pressStop)
			s.wantState(idle)
			if !c.ended {
				s.t.Error("the search goes on")
			}
		}},
		{"START, STOP, START is one search at a time", func(s *stage) {
			s.press(pressStop, pressStart)
			s.wantState(waiting)
			if len(s.calls) != 2 || !s.calls[0].ended || s.calls[1].ended {
				s.t.Errorf("%d searches", len(s.calls))
			}
		}},
		{"Esc does nothing while waiting", func(s *stage) {
			s.press(pressNext)
			s.wantState(waiting)
			if len(s.calls) != 1 {
				s.t.Errorf("%d searches, want 1", len(s.calls))
			}
		}},
		{"NEXT while connecting looks for somebody else", func(s *stage) {
			s.progress(peer.Progress{Phase: peer.PhaseConnecting})
			s.press(pressNext)
			s.wantState(waiting)
			if len(s.calls) != 2 {
				s.t.Errorf("%d searches, want 2", len(s.calls))
			}
		}},
		{"what is tried is said after 4 s", func(s *stage) {
			s.progress(peer.Progress{Phase: peer.PhaseConnecting})
			s.pass(slowAfter - time.Millisecond)
			if s.view().note != "" {
				s.t.Errorf("too early: %q", s.view().note)
			}
			s.pass(time.Millisecond)
			if !strings.Contains(s.view().note, "443") {
				s.t.Errorf("after 4 s the page says %q", s.view().note)
			}
		}},
		{"somebody who left early is replaced", func(s *stage) {
			s.fail(peer.ErrPartnerGone)
			s.wantState(waiting)
			s.meet()
			s.wantState(chatting)
		}},
		{"after four who left early the visitor decides", func(s *stage) {
			for range maxRetries + 1 {
				s.fail(peer.ErrPartnerGone)
			}
			s.wantState(failed)
			s.press(pressStart)
			s.wantState(waiting)
			s.fail(peer.ErrPartnerGone)
			s.wantState(waiting)
		}},
		{"the number of people online outlives STOP, but not a chat", func(s *stage) {
			s.progress(peer.Progress{Phase: peer.PhaseWaiting, Online: 9, Waiting: 1})
			s.press(pressStop)
			if s.view().online != "9 online" {
				s.t.Errorf("after STOP: %q", s.view().online)
			}
			s.press(pressStart)
			s.meet()
			s.press(pressStop)
			if s.view().online != "" {
				s.t.Errorf("after a chat: %q", s.view().online)
			}
		}},
		{"a chat that begins while nobody looks is counted", func(s *stage) {
			s.do(input{kind: setHidden, on: true})
			s.meet()
			if want := "(1) WasmP2PChat"; s.view().title != want {
				s.t.Errorf("the title is %q, want %q", s.view().title, want)
			}
		}},
		{"the switch counts for the next search", func(s *stage) {
			s.press(pressStop)
			s.do(input{kind: setHideIP, on: true})
			s.press(pressStart)
			if !s.searching().wanted.RelayOnly {
				s.t.Error("the search is not for relayed paths only")
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			play(t, func(s *stage) {
				s.press(pressStart)
				tt.story(s)
			})
		})
	}
}

func TestAppErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"nobody came", peer.ErrNobody, "Nobody came. Try again in a moment."},
		{"no path", peer.ErrNoPath, "No way was found between you two. Your network may block such connections."},
		{"no server", peer.ErrUnreachable, "The server does not answer. Check your connection, or try again in a moment."},
		{"banned", &peer.ServerError{Reason: "banned", Wait: time.Hour}, "Several people reported this browser or this address. Try again tomorrow, or write to whoever runs this server."},
		{"too fast", &peer.ServerError{Reason: "too-fast"}, "Too many requests came from your network. Try again in a minute."},
		{"refused", &peer.ServerError{Reason: "shutting-down"}, "The server takes nobody just now. Try again in a moment."},
		{"anything else", errors.New("?"), "The server does not answer. Check your connection, or try again in a moment."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			play(t, func(s *stage) {
				s.press(pressStart)
				s.fail(tt.err)
				s.wantState(failed)
				if s.view().fault != tt.want {
					t.Errorf("%v shows %q, want %q", tt.err, s.view().fault, tt.want)
				}
				s.press(pressStart)
				s.wantState(waiting)
			})
		})
	}
}

// TestAppIgnoresWhatIsNotOnThePage presses everything in every state; what the
// page does not offer must do nothing.
func TestAppIgnoresWhatIsNotOnThePage(t *testing.T) {
	t.Parallel()
	play(t, func(s *stage) {
		s.press(pressNext, pressStop, typed)
		s.do(input{kind: pressSend, text: "to nobody"})
		s.wantState(idle)
		s.press(pressStart, pressStart, typed)
		s.do(input{kind: pressSend, text: "to nobody"})
		s.wantState(waiting)
		p := s.meet()
		s.press(pressStart)
		s.wantState(chatting)
		p.does(peer.Event{Kind: peer.EventLeft})
		s.do(input{kind: pressSend, text: "to nobody"})
		s.press(typed, pressStart)
		s.wantState(left)
		s.wantLog(hello)
		if len(p.heard) > 0 || p.typing > 0 || len(s.calls) != 1 {
			t.Errorf("heard %q, typing %d, %d searches", p.heard, p.typing, len(s.calls))
		}
	})
}

func TestInterests(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, list string
		want       []string
	}{
		{"none", "", nil},
		{"two", "go,music", []string{"go", "music"}},
		{"spaces and gaps", " go , ,music,", []string{"go", "music"}},
		{"at most four", "a,b,c,d,e", []string{"a", "b", "c", "d"}},
		{"too long", strings.Repeat("x", maxTagBytes+1) + ",ok", []string{"ok"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := interests(tt.list); !slices.Equal(got, tt.want) {
				t.Errorf("interests(%q) = %q, want %q", tt.list, got, tt.want)
			}
		})
	}
}
