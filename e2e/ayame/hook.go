package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	maxCalls     = 1024    // that a hook remembers
	maxCallBytes = 1 << 20 // of one call
)

// call is one request of the server under test.
type call struct {
	method, contentType string
	body                string
	room                string // in the body
}

// answer is what a hook says to a call. It may take the connection.
type answer func(w http.ResponseWriter, r *http.Request)

// hook is the other end of a webhook. It tells calls apart by their room.
type hook struct {
	mu      sync.Mutex // guards the fields below; not held while answering
	calls   []call
	answers map[string]answer
	news    chan struct{} // closed and made anew when a call comes
}

func newHook() *hook {
	return &hook{answers: map[string]answer{}, news: make(chan struct{})}
}

// serve answers on a listener until stop is called.
func (h *hook) serve(listener net.Listener) (stop func()) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() { // stop waits for it
		defer close(done)
		_ = server.Serve(listener) // until it is closed
	}()
	return func() {
		_ = server.Close() // nobody is to be answered any more
		<-done
	}
}

// ServeHTTP answers as the row wants that the room belongs to, else yes.
func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxCallBytes))
	if err != nil {
		http.Error(w, "cut", http.StatusBadRequest)
		return
	}
	var of struct{ RoomID string }
	_ = json.Unmarshal(body, &of) // then it belongs to nobody, and the row says so
	answer := h.note(call{method: r.Method, contentType: r.Header.Get("Content-Type"), body: string(body), room: of.RoomID})
	if answer == nil {
		answer = says(http.StatusOK, `{"allowed":true}`)
	}
	answer(w, r)
}

// note remembers a call and looks up its answer.
func (h *hook) note(c call) answer {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.calls) < maxCalls {
		h.calls = append(h.calls, c)
	}
	close(h.news)
	h.news = make(chan struct{})
	return h.answers[c.room]
}

// answer sets what is said to calls for a room.
func (h *hook) answer(room string, a answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers[room] = a
}

// of lists the calls for a room, and news is closed when there is one more.
func (h *hook) of(room string) (list []call, news <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.calls {
		if c.room == room {
			list = append(list, c)
		}
	}
	return list, h.news
}

// called waits until a room has had n calls.
func (v *visit) called(h *hook, room string, n int) []call {
	return v.calledWithin(h, room, n, v.patience)
}

func (v *visit) calledWithin(h *hook, room string, n int, d time.Duration) []call {
	late := time.NewTimer(d)
	defer late.Stop()
	for {
		list, news := h.of(room)
		if len(list) >= n {
			return list
		}
		select {
		case <-news:
		case <-late.C:
			return list
		case <-v.over:
			return list
		}
	}
}

// bodies lists what calls said, sorted, with the names that change from run to
// run replaced: the room by R, the ids of connections by C1, C2…
func (v *visit) bodies(calls []call, connections ...string) string {
	list := make([]string, 0, len(calls))
	for _, c := range calls {
		body := strings.ReplaceAll(c.body, v.room, "R")
		for i, id := range connections {
			if id != "" {
				body = strings.ReplaceAll(body, id, fmt.Sprint("C", i+1))
			}
		}
		list = append(list, body)
	}
	slices.Sort(list)
	if len(list) == 0 {
		return "no call"
	}
	return strings.Join(list, " ")
}

// says answers with a status and a body.
func says(status int, body string) answer {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // the server under test has gone
	}
}

// hangs answers only when the other end has given up.
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// hangsUp ends the connection instead of answering.
func hangsUp(w http.ResponseWriter, _ *http.Request) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close() // that is the answer
	}
}
