package swarm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// noDeadline is late enough.
func noDeadline() time.Time { return time.Now().Add(time.Minute) }

// each calls a subtest for every scenario but idle, which has no end.
func each(t *testing.T, f func(t *testing.T, scenario Scenario)) {
	t.Helper()
	for _, scenario := range []Scenario{Match, Session, Signaling, Relay} {
		t.Run(string(scenario), func(t *testing.T) {
			t.Parallel()
			f(t, scenario)
		})
	}
}

func play(t *testing.T, f *fake, scenario Scenario) (*Report, error) {
	t.Helper()
	return Run(t.Context(), Config{
		URL: f.start(t), Scenario: scenario, Peers: 24, AtOnce: 8, Messages: 5, Patience: 400 * time.Millisecond,
	})
}

func TestAServerWithoutFaultHasNone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, scenario Scenario) {
		for name, f := range map[string]*fake{"as they are": {}, "in pieces": {pieces: true}, "encoded again": {sorts: true}} {
			r, err := play(t, f, scenario)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want := map[Scenario]int{Match: 12, Session: 12, Signaling: 12, Relay: 120}[scenario]
			if len(r.Faults) > 0 || r.Ended != "" || r.Count != want || r.Rate <= 0 {
				t.Errorf("%s: %+v, want %d counted and no fault", name, r, want)
			}
			if r.Latency.Count == 0 || r.Latency.P50 > r.Latency.P99 || r.Latency.P99 > r.Latency.Max || r.Connect.Count != r.Opened {
				t.Errorf("%s: latency %+v, connect %+v of %d", name, r.Latency, r.Connect, r.Opened)
			}
			if changed := r.Changed > 0; changed != (f.sorts && scenario != Match) {
				t.Errorf("%s: %d messages changed", name, r.Changed)
			}
		}
	})
}

// TestFaultsAreFound lets a server do one thing wrong at a time.
func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fake     *fake
		scenario Scenario
		want     string
	}{
		"three in a room":          {&fake{perRoom: 3}, Match, "a room of 3"},
		"one in a room":            {&fake{perRoom: 1}, Match, "matched with nobody, or with himself"},
		"matched twice":            {&fake{twice: true}, Match, "matched twice"},
		"two never matched":        {&fake{keeps: 2}, Match, "left over: no partner came"},
		"matched twice on the way": {&fake{twice: true}, Session, "matched twice"},
		"nobody ever matched":      {&fake{keeps: 24}, Session, "left over: no partner came"},
		"offers lost":              {&fake{deaf: "offer"}, Session, "a message that was lost, changed, or not for this room"},
		"candidates lost":          {&fake{deaf: "candidate"}, Signaling, "waited in vain for a message"},
		"answers changed":          {&fake{changes: "answer"}, Signaling, "a message that was lost, changed, or not for this room"},
		"no bye":                   {&fake{silent: true}, Signaling, "cut before bye: closed by the server: 1000 the other?one"},
		"pings lost":               {&fake{deaf: "candidate"}, Relay, "waited in vain for a message"},
		"relayed and changed":      {&fake{changes: "candidate"}, Relay, "a message that was lost, changed, or not for this room"},
		"to another room":          {&fake{mixes: true}, Relay, "a message that was lost, changed, or not for this room"},
		"no such scenario":         {&fake{}, "dance", `there is no scenario "dance"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := play(t, c.fake, c.scenario)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range r.Faults {
				if f.What == c.want {
					return
				}
			}
			t.Errorf("faults %+v, ended %q; want %q", r.Faults, r.Ended, c.want)
		})
	}
}

func TestARefusalEndsTheRun(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, scenario Scenario) {
		r, err := play(t, &fake{status: 429}, scenario)
		refused, ok := errors.AsType[*RefusedError](err)
		if !ok || refused.Status != 429 || refused.Reason != "no more?[31m" {
			t.Fatalf("Run() = %+v, %v; want the refusal, printable", r, err)
		}
		if r.Count != 0 || r.Opened != 0 || len(r.Faults) > 0 {
			t.Errorf("report %+v, want an empty one", r)
		}
	})
}

func TestARunEndsWithItsTime(t *testing.T) {
	t.Parallel()
	f := &fake{keeps: 4}
	began := time.Now()
	r, err := Run(t.Context(), Config{URL: f.start(t), Peers: 4, For: 200 * time.Millisecond})
	if err != nil || r.Ended != errTimeUp.Error() || len(r.Faults) > 0 {
		t.Errorf("Run() = %+v, %v; want time is up, and no fault: they might have been matched yet", r, err)
	}
	if took := time.Since(began); took < 200*time.Millisecond || took > 3*time.Second {
		t.Errorf("it took %v, want 200ms", took)
	}
}

// TestIdleHoldsUntilItIsInterrupted ends the caller's context as soon as all
// have joined.
func TestIdleHoldsUntilItIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f := &fake{}
	r, err := Run(ctx, Config{URL: f.start(t), Scenario: Idle, Peers: 10, For: time.Minute, OnMeasure: func(bool) { cancel() }})
	if err != nil || r.Count != 10 || r.Ended != "interrupted" || len(r.Faults) > 0 {
		t.Errorf("Run() = %+v, %v; want 10 peers, interrupted", r, err)
	}
	f.awaitEmpty(t)
}

// awaitEmpty waits until nobody is in a room any more.
func (f *fake) awaitEmpty(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(5 * time.Second); ; <-tick.C {
		f.mu.Lock()
		left := len(f.members)
		f.mu.Unlock()
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d rooms still have connections after the run", left)
		}
	}
}

func TestCertificatesAreVerifiedUnlessAskedNotTo(t *testing.T) {
	t.Parallel()
	for _, insecure := range []bool{false, true} {
		f := &fake{tls: true}
		r, err := Run(t.Context(), Config{URL: f.start(t), Insecure: insecure, Peers: 4, Patience: 400 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if good := r.Count == 2 && len(r.Faults) == 0; good != insecure {
			t.Errorf("insecure %v: %+v", insecure, r)
		}
	}
}

func TestAMessageIsAsLongAsTheDocumentsSay(t *testing.T) {
	t.Parallel()
	if n := len(newTemplate(mask{}, "candidate", iceText).text); n != 208 {
		t.Errorf("a candidate has %d bytes: say so in docs/benchmarks.md", n)
	}
}

func TestConfigsOutOfBounds(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"one peer":           {Peers: 1},
		"three peers":        {Peers: 3},
		"too many peers":     {Peers: MaxPeers + 2},
		"too many":           {AtOnce: MaxAtOnce + 1},
		"too much":           {Messages: MaxMessages + 1},
		"too much under way": {UnderWay: MaxUnderWay + 1},
		"too long":           {For: MaxFor + 1},
		"no URL":             {URL: "chat.example.org"},
		"another scheme":     {URL: "ftp://127.0.0.1:1"},
		"with a query":       {URL: "http://127.0.0.1:1/?a=b"},
		"with a user":        {URL: "http://a@127.0.0.1:1/"},
	} {
		if cfg.URL == "" {
			cfg.URL = "http://127.0.0.1:1"
		}
		r, err := Run(t.Context(), cfg)
		if err == nil || r != nil || strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: Run() = %v, %v; want it not to begin", name, r, err)
		}
	}
}

func TestQuantilesAreNear(t *testing.T) {
	t.Parallel()
	var h Histogram
	if q := h.Quantiles(); q != (Quantiles{}) {
		t.Errorf("of nothing: %+v", q)
	}
	for us := 1; us <= 100_000; us++ {
		h.Observe(time.Duration(us) * time.Microsecond)
	}
	for q, us := range map[float64]int{0.00005: 5, 0.5: 50_000, 0.99: 99_000, 1: 100_000} {
		want := time.Duration(us) * time.Microsecond
		if got := h.Quantile(q); got < want || got > want+want/60 {
			t.Errorf("Quantile(%v) = %v, want %v + 1.6 %%", q, got, want)
		}
	}
	h.Observe(-time.Second)
	h.Observe(1000 * time.Hour)
	if got := h.Quantile(1); got < 100*time.Hour {
		t.Errorf("Quantile(1) = %v after 1000 h", got)
	}
}

func TestFieldsAreFound(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		`{"type":"MATCH","room_id":"r"}`:      "MATCH",
		`{ "room_id":"type", "type" :	"x" }`:  "x",
		`{"room_id":"\"type\":\"no\"","a":1}`: "",
		`{"type":7}`:                          "",
		`{"type":"with \" an escape"}`:        "",
		`{"type":"no end`:                     "",
		`{"type"`:                             "",
		`{"a":["type"],"type":"y"}`:           "y",
	} {
		if got := string(field([]byte(message), `"type"`)); got != want {
			t.Errorf("field(%s) = %q, want %q", message, got, want)
		}
	}
	for message, want := range map[string]bool{`{"e": true}`: true, `{"e":false}`: false, `{}`: false, `{"e"`: false} {
		if got := isTrue([]byte(message), `"e"`); got != want {
			t.Errorf("isTrue(%s) = %v, want %v", message, got, want)
		}
	}
}

func TestAStampIsRead(t *testing.T) {
	t.Parallel()
	m := mask{1, 2, 3, 4}
	tpl := newTemplate(m, "candidate", iceText)
	for _, want := range []uint32{0, 1, 0xfeedbeef, 1<<32 - 1} {
		sent := tpl.stamp(nil, want, ^want)
		message := sent[len(sent)-len(tpl.text):]
		m.apply(message, 0)
		number, seq, same, ok := tpl.read(message)
		if number != want || seq != ^want || !same || !ok {
			t.Errorf("read(%s) = %x, %x, %v, %v", message, number, seq, same, ok)
		}
		for i := range message {
			message[i] ^= 0x80
			if _, _, _, ok := tpl.read(message); ok {
				t.Errorf("byte %d changed and nobody noticed", i)
			}
			message[i] ^= 0x80
		}
	}
}

func ExampleRefusedError() {
	fmt.Println(&RefusedError{Status: 429, Reason: "too many connections from this address"})
	// Output: the server refused a connection: 429 too many connections from this address
}

// TestClientsGoToEachNodeInTurn lets the second node refuse them.
func TestClientsGoToEachNodeInTurn(t *testing.T) {
	t.Parallel()
	cfg := Config{URL: (&fake{}).start(t), Peers: 4, Also: []string{(&fake{status: 429}).start(t)}}
	_, err := Run(t.Context(), cfg)
	if refused, ok := errors.AsType[*RefusedError](err); !ok || refused.Status != 429 {
		t.Errorf("Run() = %v, want that the second node refuses", err)
	}
}

func TestSoManyAskASecond(t *testing.T) {
	t.Parallel()
	r, err := Run(t.Context(), Config{URL: (&fake{}).start(t), Peers: 20, PerSecond: 100})
	if err != nil || r.Count != 10 || len(r.Faults) > 0 {
		t.Fatalf("Run() = %+v, %v; want 10 pairs", r, err)
	}
	if r.Measured < 190*time.Millisecond { // the last asks 19/100 s after the first
		t.Errorf("20 asked within %v, want 100 a second", r.Measured)
	}
}
