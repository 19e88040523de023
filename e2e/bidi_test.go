//go:build browser

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// maxBiDiBytes bounds one message of a browser; the largest are pictures.
const maxBiDiBytes = 32 << 20

// bidi is a WebDriver BiDi session (https://www.w3.org/TR/webdriver-bidi/): one
// WebSocket on which commands are answered, in any order, and events come.
type bidi struct {
	socket *websocket.Conn
	ended  chan struct{} // closed when nothing more is read

	mu      sync.Mutex // guards the fields below
	id      int
	answers map[int]chan<- bidiMessage
	log     map[string][]string // lines of the console, by browsing context
}

// bidiMessage is an answer or an event.
type bidiMessage struct {
	Type    string          `json:"type"` // success, error or event
	ID      int             `json:"id"`
	Result  json.RawMessage `json:"result"`
	Error   string          `json:"error"`
	Message string          `json:"message"` // of the error
	Method  string          `json:"method"`  // of the event
	Params  json.RawMessage `json:"params"`
}

// dialBiDi begins a session that ends with the test.
func dialBiDi(t *testing.T, on machine, url string) *bidi {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DialContext: on.Dial}}
	socket, answer, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatalf("dial %s: %v", url, err)
	}
	if answer.Body != nil {
		_ = answer.Body.Close()
	}
	socket.SetReadLimit(maxBiDiBytes)
	b := &bidi{socket: socket, ended: make(chan struct{}), answers: map[int]chan<- bidiMessage{}, log: map[string][]string{}}
	go b.read(context.WithoutCancel(t.Context()))
	t.Cleanup(func() {
		_ = socket.CloseNow()
		<-b.ended
	})
	return b
}

// read takes what comes until the socket ends.
func (b *bidi) read(ctx context.Context) {
	defer close(b.ended)
	for {
		_, text, err := b.socket.Read(ctx)
		if err != nil {
			return
		}
		var m bidiMessage
		if json.Unmarshal(text, &m) != nil {
			continue // whoever waits for it loses patience
		}
		b.mu.Lock()
		if m.Type == "event" {
			b.see(m)
		} else if answer, asked := b.answers[m.ID]; asked {
			answer <- m // it has room
			delete(b.answers, m.ID)
		}
		b.mu.Unlock()
	}
}

// see takes an event; b.mu is held.
func (b *bidi) see(m bidiMessage) {
	var entry struct {
		Level, Text string
		Source      struct{ Context string }
	}
	if m.Method == "log.entryAdded" && json.Unmarshal(m.Params, &entry) == nil {
		context := entry.Source.Context
		b.log[context] = append(b.log[context], entry.Level+": "+entry.Text)
	}
}

// object is JSON as commands have it.
type object map[string]any

// command sends a command and reads its result into result, unless that is nil.
func (b *bidi) command(ctx context.Context, method string, params object, result any) error {
	answer := make(chan bidiMessage, 1)
	b.mu.Lock()
	b.id++
	id := b.id
	b.answers[id] = answer
	b.mu.Unlock()
	text, err := json.Marshal(object{"id": id, "method": method, "params": params})
	if err != nil {
		return err
	}
	if err := b.socket.Write(ctx, websocket.MessageText, text); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case m := <-answer:
		if m.Type != "success" {
			return fmt.Errorf("%s: %s: %s", method, m.Error, m.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(m.Result, result)
	case <-b.ended:
		return errors.New(method + ": the browser has gone")
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, ctx.Err())
	}
}
