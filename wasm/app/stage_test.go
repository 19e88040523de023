package main

import (
	"context"
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

	mu       sync.Mutex // guards the fields below: the fake clock orders no memory
	shown    view
	log      []line
	words    words
	kept     map[string]string
	prepared int // calls of Prepare
	renewed  int
}

// call is one search: what was asked for, and how the world answers.
type call struct {
	wanted peer.Search
	answer chan found
	ended  bool
}

// stranger is a partner who does what the test says.
type stranger struct {
	events  chan peer.Event
	heard   []string
	typing  int
	closed  int
	deaf    error       // what Send answers, if anything
	reports chan string // reasons
	taken   chan error  // what the server says of a report
}

func newStranger() *stranger {
	return &stranger{events: make(chan peer.Event), reports: make(chan string, 1), taken: make(chan error, 1)}
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

func (s *stage) turn(w words) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.words = w
}

func (s *stage) keep(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[key] = value
}

func (s *stage) renew() { s.renewed++ }

// Prepare is the world's peer.Client.Prepare.
func (s *stage) Prepare() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prepared++
}

// preparations are the calls of Prepare. A clock may be what has the app make the
// next one, so to look takes the lock.
func (s *stage) preparations() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.prepared
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

func (p *stranger) Report(ctx context.Context, reason string) error {
	p.reports <- reason
	select {
	case err := <-p.taken:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *stranger) Typing()      { p.typing++ }
func (p *stranger) Close() error { p.closed++; return nil }

// play runs a story. Whatever it does is followed by a moment in which
// everything settles; at its end the page is closed, and nothing may be left.
func play(t *testing.T, story func(*stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t, words: wordsOf(t, "en"), kept: map[string]string{}}
		s.app = newApp(s, model{words: s.words, state: idle, tags: tags{"go"}}, make(chan input))
		s.app.client = s
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

// Connect is the world's peer.Client.Connect.
func (s *stage) Connect(ctx context.Context, wanted peer.Search) (chat, error) {
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
	p := newStranger()
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
		text := l.text
		if l.word != "" {
			text = fill(s.words.of(l.word), "tags", strings.Join(l.tags.list(), ", "))
		}
		got = append(got, string(l.from)+": "+text)
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("the log shows %q, want %q", got, want)
	}
}
