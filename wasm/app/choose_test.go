package main

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

// TestAppChoices tells what a visitor can set, and that it is kept.
func TestAppChoices(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		story func(s *stage)
	}{
		{"an interest is added", func(s *stage) {
			s.do(input{kind: addTag, text: " music "})
			if v := s.view(); v.tags != (tags{"go", "music"}) || v.told != "Added: music" || s.kept["tags"] != "go,music" {
				s.t.Errorf("the page shows %q, tells %q, keeps %q", v.tags, v.told, s.kept["tags"])
			}
			s.press(pressStart)
			if got := s.searching().wanted.Tags; !slices.Equal(got, []string{"go", "music"}) {
				s.t.Errorf("START searches with %q", got)
			}
		}},
		{"an interest is removed", func(s *stage) {
			s.do(input{kind: removeTag, text: "go"})
			if v := s.view(); v.tags != (tags{}) || v.told != "Removed: go" || s.kept["tags"] != "" {
				s.t.Errorf("the page shows %q, tells %q, keeps %q", v.tags, v.told, s.kept["tags"])
			}
			s.press(pressStart)
			if got := s.searching().wanted.Tags; len(got) > 0 || s.view().wish != (phrase{}) {
				s.t.Errorf("START searches with %q, and the page says %+v", got, s.view().wish)
			}
		}},
		{"an interest that is there is not added again", func(s *stage) {
			s.do(input{kind: addTag, text: "GO"})
			if _, kept := s.kept["tags"]; kept || s.view().told != "" {
				s.t.Errorf("the page tells %q", s.view().told)
			}
		}},
		{"interests stay as they are while one waits", func(s *stage) {
			s.press(pressStart)
			s.do(input{kind: addTag, text: "music"})
			s.do(input{kind: removeTag, text: "go"})
			if got := s.view().tags; got != (tags{"go"}) {
				s.t.Errorf("the page shows %q", got)
			}
		}},
		{"who is preferred is counted down", func(s *stage) {
			s.press(pressStart)
			if got := s.view().wish; got != (phrase{}) {
				s.t.Errorf("before the server has told, the page says %+v", got)
			}
			s.progress(peer.Progress{Phase: peer.PhaseWaiting, Online: 3, Waiting: 2, Relax: 20 * time.Second}) // as MATCH_TAG_WAIT has it
			want := phrase{"Somebody who likes {tags} first; anybody in 20 s.", tags{"go"}, true}
			if got := s.view().wish; got != want {
				s.t.Errorf("the page says %+v, want %+v", got, want)
			}
			s.pass(3 * time.Second)
			want.text = "Somebody who likes {tags} first; anybody in 17 s."
			if got := s.view().wish; got != want {
				s.t.Errorf("after 3 s, the page says %+v, want %+v", got, want)
			}
			s.pass(17 * time.Second)
			want.text = "Somebody who likes {tags}, or anybody who comes."
			if got := s.view().wish; got != want {
				s.t.Errorf("after 20 s, the page says %+v, want %+v", got, want)
			}
		}},
		{"a pause is counted down", func(s *stage) {
			s.press(pressStart)
			s.progress(peer.Progress{Phase: peer.PhaseWaiting, Online: 3, Waiting: 2, Pause: 2 * time.Second})
			s.pass(time.Second)
			if want := "You went on quickly several times. You are introduced again in 1 s."; s.view().note != want {
				s.t.Errorf("the page says %q, want %q", s.view().note, want)
			}
			s.pass(time.Second)
			if want := "2 people are waiting · 3 online"; s.view().note != want {
				s.t.Errorf("the page says %q, want %q", s.view().note, want)
			}
		}},
		{"the switch is kept", func(s *stage) {
			s.do(input{kind: setHideIP, on: true})
			if s.kept["hide-ip"] != "1" {
				s.t.Errorf("kept: %q", s.kept["hide-ip"])
			}
			s.do(input{kind: setHideIP})
			if s.kept["hide-ip"] != "" {
				s.t.Errorf("kept: %q", s.kept["hide-ip"])
			}
		}},
		{"the switch does not move during a search", func(s *stage) {
			s.press(pressStart)
			s.do(input{kind: setHideIP, on: true})
			if _, kept := s.kept["hide-ip"]; kept {
				s.t.Error("it was kept")
			}
		}},
		{"the notice is understood once", func(s *stage) {
			if !s.view().notice {
				s.t.Error("the first visit has no notice")
			}
			s.press(pressUnderstood)
			if s.view().notice || s.kept["met"] != "1" {
				s.t.Errorf("notice %v, kept %q", s.view().notice, s.kept["met"])
			}
			s.wantState(idle)
		}},
		{"who presses START below the notice has seen it", func(s *stage) {
			s.press(pressStart, pressStop)
			if s.view().notice || s.kept["met"] != "1" {
				s.t.Errorf("notice %v, kept %q", s.view().notice, s.kept["met"])
			}
		}},
		{"a new version is offered, but not during a chat", func(s *stage) {
			s.press(pressReload)
			s.press(pressStart, offerUpdate)
			p := s.meet()
			s.press(pressReload)
			p.does(peer.Event{Kind: peer.EventLeft})
			s.press(pressReload)
			if s.view().update || s.renewed != 0 {
				s.t.Errorf("offered %v, renewed %d times", s.view().update, s.renewed)
			}
			s.press(pressStop)
			if !s.view().update {
				s.t.Error("it is not offered when the chat is over")
			}
			s.press(pressReload)
			if s.renewed != 1 {
				s.t.Errorf("renewed %d times, want once", s.renewed)
			}
		}},
		{"how many are online is told before START", func(s *stage) {
			s.app.isOnline(7)
			if got := s.view().online; got != "7 online" {
				s.t.Errorf("the page says %q", got)
			}
		}},
		{"the server is met before START", func(s *stage) {
			synctest.Wait()
			for _, step := range []struct {
				name string
				do   func()
				want int
			}{
				{"the page was opened", func() {}, 0},
				{"it has been drawn", func() { s.pass(prepareAfter); synctest.Wait() }, 1},
				{"the mouse comes near", func() { s.press(comeNear) }, 2},
				{"START was pressed", func() { s.press(pressStart, comeNear) }, 2},
				{"STOP was pressed", func() { s.press(pressStop) }, 3},
				{"the page is in the background", func() { s.do(input{kind: setHidden, on: true}) }, 3},
				{"the page is looked at again", func() { s.do(input{kind: setHidden}) }, 4},
			} {
				step.do()
				if got := s.preparations(); got != step.want {
					s.t.Errorf("%s: prepared %d times, want %d", step.name, got, step.want)
				}
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			play(t, tt.story)
		})
	}
}

// TestAppChangesItsLanguage does so in the middle of a chat, of which nothing is
// lost.
func TestAppChangesItsLanguage(t *testing.T) {
	t.Parallel()
	play(t, func(s *stage) {
		s.press(pressStart)
		p := s.meet()
		p.says("hi")
		p.does(peer.Event{Kind: peer.EventTyping})
		s.do(input{kind: setWords, words: wordsOf(t, "fr")})
		s.wantState(chatting)
		s.wantLog("system: Vous êtes connectés. Dites bonjour.", "peer: hi")
		if v := s.view(); v.status != "Inconnu" || v.typing != "L’inconnu écrit…" {
			t.Errorf("the page says %q, %q", v.status, v.typing)
		}
		p.does(peer.Event{Kind: peer.EventLeft})
		if got, want := s.view().status, "L’inconnu est parti."; got != want {
			t.Errorf("the page says %q, want %q", got, want)
		}
	})
}
