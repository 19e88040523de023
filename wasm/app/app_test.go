package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

const hello = "system: You are connected. Say hello."

func TestAppFromStartToChat(t *testing.T) {
	t.Parallel()
	play(t, func(s *stage) {
		s.wantState(idle)
		s.press(pressStart)
		s.wantState(waiting)
		if wanted := s.searching().wanted; !slices.Equal(wanted.Tags, []string{"go"}) || wanted.RelayOnly {
			t.Errorf("START searches with %+v", wanted)
		}
		s.progress(peer.Progress{Phase: peer.PhaseWaiting, Online: 9, Waiting: 2})
		if want := "2 people are waiting · 9 online"; s.view().note != want {
			t.Errorf("waiting shows %q, want %q", s.view().note, want)
		}
		s.progress(peer.Progress{Phase: peer.PhaseConnecting, Shared: []string{"go"}})
		s.pass(connectingAfter - time.Millisecond)
		s.wantState(waiting)
		s.pass(time.Millisecond)
		s.wantState(connecting)
		p := newStranger()
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
			s.do(input{kind: typed, size: measure("h")})
			if p.typing != 1 {
				s.t.Errorf("the partner saw typing %d times, want once", p.typing)
			}
		}},
		{"taking everything back is not typing", func(s *stage, p *stranger) {
			s.press(typed)
			if p.typing != 0 {
				s.t.Errorf("the partner saw typing %d times, want not at all", p.typing)
			}
		}},
		{"what is left in a long message is told", func(s *stage, p *stranger) {
			s.do(input{kind: typed, size: size{4000, 4000}})
			if v := s.view(); v.room != "96 left" || v.told != "Room for about 96 more characters." {
				s.t.Errorf("the page shows %q and tells %q", v.room, v.told)
			}
			s.do(input{kind: typed, size: size{4001, 4001}})
			if v := s.view(); v.room != "95 left" || v.told != "Room for about 96 more characters." {
				s.t.Errorf("with the next key, the page shows %q and tells %q", v.room, v.told)
			}
			s.do(input{kind: typed, size: size{4096, 4096}, on: true})
			if v := s.view(); v.room != "0 left" || v.told != "The message has reached its greatest length." {
				s.t.Errorf("at the end, the page shows %q and tells %q", v.room, v.told)
			}
			s.do(input{kind: pressSend, text: "long"})
			if v := s.view(); v.room != "" {
				s.t.Errorf("the next message begins with %q", v.room)
			}
		}},
		{"a lost connection that comes back", func(s *stage, p *stranger) {
			p.does(peer.Event{Kind: peer.EventTyping})
			p.does(peer.Event{Kind: peer.EventInterrupted})
			s.wantState(chatting)
			if v := s.view(); !v.interrupted || v.status != "Connection lost, trying to get back…" || v.path.kind != peer.PathUnknown || v.typing != "" || !v.canWrite {
				s.t.Errorf("while it is lost, the page shows %+v", v)
			}
			s.do(input{kind: pressSend, text: "still there?"})
			p.does(peer.Event{Kind: peer.EventRestored})
			if v := s.view(); v.interrupted || v.status != "Stranger" || v.path.kind != peer.PathDirect {
				s.t.Errorf("when it is back, the page shows %+v", v)
			}
			s.wantLog(hello, "system: Connection lost, trying to get back…", "me: still there?",
				"system: The network changed. Reconnected, nothing was lost.")
		}},
		{"a lost connection that does not come back", func(s *stage, p *stranger) {
			p.does(peer.Event{Kind: peer.EventInterrupted})
			p.does(peer.Event{Kind: peer.EventLost})
			s.wantState(left)
			if v := s.view(); v.interrupted || v.status != "The connection was lost." {
				s.t.Errorf("the page shows %+v", v)
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
			s.pass(connectingAfter)
			s.press(pressNext)
			s.wantState(waiting)
			if len(s.calls) != 2 {
				s.t.Errorf("%d searches, want 2", len(s.calls))
			}
		}},
		{"who is found and does not come is not said to be there", func(s *stage) {
			s.progress(peer.Progress{Phase: peer.PhaseConnecting})
			s.progress(peer.Progress{Phase: peer.PhaseWaiting})
			s.pass(connectingAfter)
			s.wantState(waiting)
		}},
		{"a chat that is there at once was never being connected", func(s *stage) {
			s.meet()
			s.pass(connectingAfter)
			s.wantState(chatting)
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
		name       string
		err        error
		want, more string
	}{
		{"nobody came", peer.ErrNobody, "Nobody came. Try again in a moment.", ""},
		{
			"no path", peer.ErrNoPath, "No way was found between you two. Your network may block such connections.",
			"Guest and company networks often do. Another network may work, your phone’s for instance.",
		},
		{
			"no path, and the server does not know why", &peer.RoomError{Code: "kJ3sVbQ1", Err: peer.ErrNoPath},
			"No way was found between you two. Your network may block such connections.",
			"Guest and company networks often do. Another network may work, your phone’s for instance. If you ask whoever runs this server, name kJ3sVbQ1.",
		},
		{
			"no relay", &peer.RoomError{Verdict: peer.EndNoRelay, Code: "kJ3sVbQ1", Err: peer.ErrNoPath},
			"No way was found. One of your two networks lets neither a direct connection nor the relay of this server through.",
			"Another network may work, your phone’s for instance. The connection check tells whether it is yours. If you ask whoever runs this server, name kJ3sVbQ1.",
		},
		{"no server", peer.ErrUnreachable, "The server does not answer. Check your connection, or try again in a moment.", ""},
		{
			"banned", &peer.ServerError{Reason: "banned", Wait: 30 * time.Hour, Ban: "b-1"},
			"Several people reported this browser or this address. Try again in 30 h.",
			"If that is a mistake, write to whoever runs this server and name b-1.",
		},
		{"banned, nobody knows for how long", &peer.ServerError{Reason: "banned"}, "Several people reported this browser or this address. Try again in 24 h.", ""},
		{"too fast", &peer.ServerError{Reason: "too-fast", Wait: 7 * time.Second}, "Too many requests came from your network. Try again in 7 s.", ""},
		{"too many", &peer.ServerError{Reason: "too-many"}, "Too many people of your network are waiting already. Try again in 60 s.", ""},
		{"refused", &peer.ServerError{Reason: "shutting-down"}, "The server takes nobody just now. Try again in a moment.", ""},
		{"anything else", errors.New("?"), "The server does not answer. Check your connection, or try again in a moment.", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			play(t, func(s *stage) {
				s.press(pressStart)
				s.fail(tt.err)
				s.wantState(failed)
				if v := s.view(); v.fault != tt.want || v.more != tt.more {
					t.Errorf("%v shows %q %q, want %q %q", tt.err, v.fault, v.more, tt.want, tt.more)
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

// TestEveryVerdictHasWords holds the page to the list of the server: whatever it
// says of two who could not be connected, there is a sentence of its own for it,
// and something to do, in every language.
func TestEveryVerdictHasWords(t *testing.T) {
	t.Parallel()
	for _, language := range languages(t) {
		said := map[string]string{}
		for _, verdict := range []string{
			peer.EndNoRelay, peer.EndCredential, peer.EndQuota, peer.EndBudget, peer.EndForbidden, peer.EndNoData, peer.EndNoPath,
		} {
			err := &peer.RoomError{Verdict: verdict, Code: "kJ3sVbQ1", Err: peer.ErrNoPath}
			m := model{words: wordsOf(t, language), state: failed, why: fault(err), refusal: refusalOf(err)}
			v := m.view()
			if other := said[v.fault]; v.fault == "" || other != "" {
				t.Errorf("%s: %s is %q, as %q is", language, verdict, v.fault, other)
			}
			said[v.fault] = verdict
			if advice := adviceOf(m.why); advice == "" || !strings.HasPrefix(v.more, m.words.of(advice)) || !strings.Contains(v.more, "kJ3sVbQ1") {
				t.Errorf("%s: %s adds %q, want advice and the code", language, verdict, v.more)
			}
		}
	}
}
