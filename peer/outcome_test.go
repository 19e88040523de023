//go:build !js

package peer

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestFailureIsExplained holds what the server is told when there is no path, and
// what a user is then told, with the code of his room.
func TestFailureIsExplained(t *testing.T) {
	const accept = `{"type":"accept","ext":["outcome"]}`
	for _, c := range []struct {
		name    string
		said    []string // by the server
		answer  string   // to an outcome; empty: none
		asks    bool     // the server is told an outcome
		want    error
		verdict string
	}{
		{"the server knows why", []string{accept, `{"type":"offer","sdp":"hello"}`}, `{"type":"verdict","verdict":"no-relay"}`, true, ErrNoPath, EndNoRelay},
		{"it does not", []string{accept, `{"type":"offer","sdp":"hello"}`}, `{"type":"verdict","verdict":"unknown"}`, true, ErrNoPath, ""},
		{"it does not answer", []string{accept, `{"type":"offer","sdp":"hello"}`}, ``, true, ErrNoPath, ""},
		{"it did not ask", []string{`{"type":"accept"}`, `{"type":"offer","sdp":"hello"}`}, ``, false, ErrNoPath, ""},
		{"the partner has noticed it first", []string{accept, `{"type":"bye","verdict":"quota"}`}, ``, false, ErrNoPath, EndQuota},
		{"the partner has left", []string{accept, `{"type":"bye"}`}, ``, false, ErrPartnerGone, ""},
		{"a verdict that is no failure", []string{accept, `{"type":"bye","verdict":"direct"}`}, ``, false, ErrPartnerGone, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			s := newServer(t)
			s.match = says(websocket.StatusNormalClosure, "", `{"type":"MATCH","room_id":"room-of-the-two","user_id":"u"}`)
			outcomes := make(chan string, 1)
			s.signal = func(ctx context.Context, conn *websocket.Conn) error {
				if register, err := first(ctx, conn); err != nil || !strings.Contains(string(register), `"outcome"`) {
					t.Errorf("register = %s, %v; want it to announce outcomes", register, err)
				}
				if err := send(ctx, conn, c.said...); err != nil {
					return err
				}
				for {
					_, text, err := conn.Read(ctx)
					if err != nil {
						return err
					}
					if strings.Contains(string(text), `"outcome"`) {
						outcomes <- string(text)
						if c.answer != "" {
							return errors.Join(send(ctx, conn, c.answer), await(ctx, conn))
						}
					}
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			_, err := Connect(ctx, Config{URL: s.URL}, Search{})
			var room *RoomError
			if !errors.As(err, &room) || !errors.Is(err, c.want) {
				t.Fatalf("Connect() = %v, want %v of a room", err, c.want)
			}
			if room.Verdict != c.verdict || room.Code != "room-of-" {
				t.Errorf("the verdict is %q, the code %q; want %q, room-of-", room.Verdict, room.Code, c.verdict)
			}
			if !c.asks {
				if len(outcomes) > 0 {
					t.Errorf("the server was told %s", <-outcomes)
				}
				return
			}
			var o wire.Outcome
			if err := json.Unmarshal([]byte(<-outcomes), &o); err != nil || o.Check() != nil || o.State != wire.OutcomeFailed {
				t.Errorf("the outcome %+v: %v, %v", o, err, o.Check())
			}
		})
	}
}

// TestEveryFailureIsNamed holds the End constants to the list of the server.
func TestEveryFailureIsNamed(t *testing.T) {
	t.Parallel()
	named := []string{EndNoRelay, EndCredential, EndQuota, EndBudget, EndForbidden, EndNoData, EndNoPath}
	for _, v := range wire.Verdicts() {
		if v.Failed() != slices.Contains(named, string(v)) {
			t.Errorf("%q is a failure: %v; it has a name here: %v", v, v.Failed(), !v.Failed())
		}
	}
}

// await reads until the client has gone.
func await(ctx context.Context, conn *websocket.Conn) error {
	_, _, err := conn.Read(ctx)
	return err
}

// TestPathIsReported holds what the server is told of two who talk.
func TestPathIsReported(t *testing.T) {
	noLeaks(t)
	s := newServer(t)
	s.outcomes = make(chan string, 8)
	a, b := meet(t, s, Search{})
	late := time.After(testTimeout)
	for range 2 {
		select {
		case text := <-s.outcomes:
			var o wire.Outcome
			if json.Unmarshal([]byte(text), &o) != nil || o.Check() != nil || o.State != wire.OutcomeConnected || o.Path != wire.VerdictDirect {
				t.Errorf("the server was told %s; want a direct path", text)
			}
		case <-late:
			t.Fatal("the server is not told of the path by both")
		}
	}
	_, _ = a.Close(), b.Close()
}

func TestFaultOf(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]wire.ICEFault{
		"stun:192.0.2.1:3478":                         {Via: "stun", Port: 3478, Code: 701},
		"turn:192.0.2.1:3478?transport=udp":           {Via: "udp", Port: 3478, Code: 701},
		"turn:192.0.2.1":                              {Via: "udp", Port: 3478, Code: 701},
		"turn:[2001:db8::1]:80?transport=tcp":         {Via: "tcp", Port: 80, Code: 701},
		"turns:chat.example.org:443?transport=tcp":    {Via: "tls", Port: 443, Code: 701},
		"turns:chat.example.org":                      {Via: "tls", Port: 5349, Code: 701},
		"turn:192.0.2.1:99999999999999?transport=tcp": {Via: "tcp", Port: 3478, Code: 701},
		"":  {Via: "stun", Port: 3478, Code: 701},
		"?": {Via: "stun", Port: 3478, Code: 701},
	} {
		if got := faultOf(url, 701); got != want {
			t.Errorf("faultOf(%q) = %+v, want %+v", url, got, want)
		}
	}
	if got := faultOf("stun:a", -5).Code + faultOf("stun:a", 5000).Code; got != wire.MaxFaultCode {
		t.Errorf("codes out of bounds become %d, want %d", got, wire.MaxFaultCode)
	}
}
