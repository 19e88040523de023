package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// waiter is a guest who listens all the time, as browsers do.
type waiter struct {
	*guest
	heard chan wire.MatchMessage // closed when the connection has ended
	ended error                  // how, when heard is closed
}

// waits comes to the lobby, as a client that sends these extensions.
func (s *server) waits(t *testing.T, ip, user string, ext ...string) *waiter {
	t.Helper()
	first, err := json.Marshal(wire.MatchRequest{UserID: user, CreatedAt: time.Now(), Ext: ext})
	must(t, err)
	w := &waiter{guest: s.comes(t, ip, string(first)), heard: make(chan wire.MatchMessage, 256)}
	go func() { // until the connection ends, with the test
		defer close(w.heard)
		for {
			_, text, err := w.conn.Read(t.Context())
			if err != nil {
				w.ended = err
				return
			}
			var m wire.MatchMessage
			if err := json.Unmarshal(text, &m); err != nil {
				t.Errorf("%s: %v", text, err)
			}
			w.heard <- m
		}
	}()
	return w
}

// met is the match that he is told of. Who sends no extensions is told of nothing else.
func (w *waiter) met() wire.MatchMessage {
	w.t.Helper()
	patient := time.NewTimer(patience)
	defer patient.Stop()
	for {
		select {
		case m, open := <-w.heard:
			switch {
			case !open:
				w.t.Fatalf("%s waits, and his connection has ended: %v", w.ip, w.ended)
			case m.Type == wire.MatchFound:
				return m
			case m.Type != wire.MatchWaiting:
				w.t.Errorf("%s hears %+v", w.ip, m)
			}
		case <-patient.C:
			w.t.Fatalf("%s is told of no match", w.ip)
		}
	}
}

// TestWhoWaitsIsMetThroughTwoUpgrades lets clients wait in the first process, of which
// every third is as simple as the first client there was, and others in the second one.
// Those who come to the third meet them, one each; no connection ends before that, and
// none of the old processes is left in the end.
func TestWhoWaitsIsMetThroughTwoUpgrades(t *testing.T) {
	t.Parallel()
	p := startLine(t)
	extensions := [][]string{nil, {wire.ExtWaiting}, {wire.ExtWaiting, wire.ExtWarm}}
	var here []*waiter
	for process := range 2 {
		for i := range 15 {
			ip := fmt.Sprintf("127.0.%d.%d", process+1, i+1)
			here = append(here, p.waits(t, ip, "waits", extensions[i%3]...))
		}
		until(t, "all wait", func() bool { return waitingAt(t, p) == len(here) })
		if _, err := p.upgrade(t); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "all wait in the third process", func() bool { return waitingAt(t, p) == len(here) })
	rooms := map[string]int{}
	for i := range here {
		comes := p.waits(t, fmt.Sprintf("127.0.9.%d", i+1), fmt.Sprint("comes ", i), wire.ExtWaiting)
		rooms[comes.met().RoomID]++
		_ = comes.conn.Close(websocket.StatusNormalClosure, "")
	}
	for _, w := range here {
		rooms[w.met().RoomID]++
		_ = w.conn.Close(websocket.StatusNormalClosure, "")
	}
	for room, members := range rooms {
		if members != 2 {
			t.Errorf("%d in %s, want 2", members, room)
		}
	}
	<-p.exited
	if p.err != nil {
		t.Errorf("the first process ended with %v", p.err)
	}
}

// waitingAt is how many wait, as the metrics of the process say that serves.
func waitingAt(t *testing.T, p *process) (n int) {
	t.Helper()
	_, text := get(t, p.admin+"/metrics")
	_, rest, _ := strings.Cut(text, "\nwasmp2pchat_match_waiting ")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatalf("match_waiting: %v", err)
	}
	return n
}
