package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/swarm"
)

// loadReport is the report as a program reads it.
type loadReport struct {
	Scenario string
	Count    int
	Faults   map[string]int
	Ended    string
	Latency  struct {
		Count int
		P99   float64 `json:"p99_ms"`
	}
}

func runLoadtest(ctx context.Context, t *testing.T, args ...string) (loadReport, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(ctx, world{args: append([]string{"loadtest", "--json"}, args...), stdout: &out, stderr: io.Discard})
	var report loadReport
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &report); err != nil {
			t.Fatalf("%s: %v", out.Bytes(), err)
		}
	}
	return report, err
}

// TestLoadtestFindsNoFault puts every scenario on the whole server.
func TestLoadtestFindsNoFault(t *testing.T) {
	t.Parallel()
	s := startServer(t, "WS_MAX_PER_IP=0", "WS_RATE_PER_IP=0")
	for scenario, c := range map[string]struct {
		args []string
		want int
	}{
		"match":     {[]string{"--peers", "100"}, 50},
		"session":   {[]string{"--peers", "40", "--at-once", "10"}, 20},
		"signaling": {[]string{"--peers", "40", "--at-once", "10"}, 20},
		"relay":     {[]string{"--peers", "20", "--messages", "10"}, 200},
		"idle":      {[]string{"--peers", "20", "--for", "3s"}, 20},
		"chat":      {[]string{"--peers", "4"}, 4},
	} {
		report, err := runLoadtest(t.Context(), t, append(c.args, "--scenario", scenario, s.url)...)
		if err != nil || report.Scenario != scenario || report.Count != c.want || len(report.Faults) > 0 || report.Ended != "" {
			t.Errorf("%s: %+v, %v; want %d and no fault", scenario, report, err, c.want)
		}
		if scenario != "idle" && (report.Latency.Count == 0 || report.Latency.P99 <= 0) {
			t.Errorf("%s: latency %+v", scenario, report.Latency)
		}
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func TestLoadtestSaysWhatToDoAboutLimits(t *testing.T) {
	t.Parallel()
	s := startServer(t, "WS_MAX_PER_IP=4")
	_, err := runLoadtest(t.Context(), t, "--peers", "20", s.url)
	hint, ok := errors.AsType[*hinted](err)
	if !ok || !strings.Contains(err.Error(), "429") || !strings.Contains(hint.hint, "WASMP2PCHAT_WS_MAX_PER_IP=0") {
		t.Errorf("loadtest = %v, want 429 and what to do", err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

// TestLoadtestEndsWhenInterrupted cancels in the midst and still gets a report.
func TestLoadtestEndsWhenInterrupted(t *testing.T) {
	t.Parallel()
	s := startServer(t, "WS_MAX_PER_IP=0", "WS_RATE_PER_IP=0")
	ctx, cancel := context.WithCancel(t.Context())
	lines, screen := io.Pipe()
	go func() { // ends with the pipe
		_, _ = lines.Read(make([]byte, 1)) // the first line of progress
		cancel()
		_, _ = io.Copy(io.Discard, lines)
	}()
	var out bytes.Buffer
	err := run(ctx, world{args: []string{"loadtest", "--scenario", "idle", "--peers", "10", s.url}, stdout: &out, stderr: screen})
	_ = screen.Close()
	if err != nil || !strings.Contains(out.String(), "idle: 10 peers") || !strings.Contains(out.String(), "interrupted") {
		t.Errorf("loadtest = %v and printed %q, want the report so far", err, out.String())
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func TestFaultsMakeLoadtestFail(t *testing.T) {
	t.Parallel()
	seen := &outcome{Report: &swarm.Report{Scenario: swarm.Match, Faults: []swarm.Fault{{What: "a room of 3", Count: 7}}}}
	if err := loadtestError(seen, nil); err == nil {
		t.Error("a fault, and no error")
	}
	var out bytes.Buffer
	if err := seen.print(&out, "http://localhost", false); err != nil || !strings.Contains(out.String(), "wrong: 7 × a room of 3") {
		t.Errorf("printed %q, %v", out.String(), err)
	}
}

// TestProgressIsOneLine is rewritten on a terminal, and a line a second
// elsewhere.
func TestProgressIsOneLine(t *testing.T) {
	t.Parallel()
	for terminal, want := range map[bool]string{
		true:  "\r\x1b[K0s  asking  2 open, 1 done\r\x1b[K0s  asking  2 open, 1 done\r\x1b[K",
		false: "0s  asking  2 open, 1 done\n0s  asking  2 open, 1 done\n",
	} {
		var out bytes.Buffer
		p := &progressPrinter{w: &out, terminal: terminal}
		for range 2 {
			p.show(swarm.Progress{Phase: "asking", Open: 2, Done: 1})
		}
		p.end()
		if out.String() != want {
			t.Errorf("terminal %v: %q, want %q", terminal, out.String(), want)
		}
	}
}
