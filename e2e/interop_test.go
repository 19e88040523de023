//go:build interop

package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// An exercise is one way to run turnutils_uclient, coturn's client for tests.
type exercise struct {
	name  string
	flags string // %peer and %peer6 stand for the address and port of turnutils_peer
	want  verdict
}

// A verdict is what an exercise must come to.
type verdict string

const (
	carried  verdict = "all messages arrive"
	silenced verdict = "no message arrives"
	refused  verdict = "the tool gives up"
	survived verdict = "the server serves on" // whatever becomes of the tool
)

// exercises are those of coturn's own test scripts that concern us, and some
// more. By default each client opens a pair of relays, for RTP and RTCP: the
// first asks for an even port and the next one reserved, the second comes with
// the token; -c leaves the second out.
//
// Flags: -s Send indications instead of channels, -y two clients talk through
// two relays, -t TCP, -S TLS or DTLS, -l the length of a message, -m clients.
func exercises() []exercise {
	list := []exercise{
		{"a peer, indications", "-s -c -e %peer", carried},
		{"a peer, indications, RTCP pairs", "-s -e %peer", carried},
		{"a peer, channels", "-c -e %peer", carried},
		{"a peer, channels, extra requests", "-c -G -e %peer", carried},
		{"an IPv6 peer of an IPv6 relay", "-s -x -e %peer6", carried},
		{"an IPv6 relay to another", "-s -x -y", carried},
		{"an IPv4 relay, explicitly asked for", "-s -X -y", carried},
		{"channels with padding, as in pjnath", "-c -D -y -l 171", carried},
		{"extra requests", "-s -G -y", carried},
		{"negative tests", "-s -N -y", carried},
		{"ten clients", "-s -m 10 -y", carried},
		{"ten clients of a peer", "-s -m 10 -e %peer", carried},
		{"messages of 1 byte", "-s -c -y -l 1", carried},
		{"messages of 1200 bytes", "-s -c -y -l 1200", carried},
		{"origins", "-s -c -y -o https://example.org", carried},
		{"a bandwidth", "-s -c -y -a 100000", carried},
		{"mobility, which the server does not offer", "-s -c -M -y", carried},
		{"a dual allocation", "-s -Z -y", carried},
		{"DONT-FRAGMENT", "-s -c -g -y", carried},
		{"a TCP relay", "-T", carried},
		{"no permission", "-s -c -I -y", silenced},
		{"a wrong secret", "-s -c -y -W not-the-secret-of-this-server", refused},
		{"clients that disconnect", "-s -B -m 10 -y", survived},
		{"broken messages", "-s -R -y", survived},
		{"an attack", "-O -s -m 50 -y", survived},
	}
	for _, transport := range []struct{ name, flags string }{{"UDP", ""}, {"TCP", "-t "}, {"TLS", "-t -S "}, {"DTLS", "-S "}} {
		list = append(list,
			exercise{transport.name + ", indications, RTCP pairs", transport.flags + "-s -y", carried},
			exercise{transport.name + ", indications, a peer", transport.flags + "-s -c -l 170 -e %peer", carried},
			exercise{transport.name + ", channels", transport.flags + "-c -y -l 170", carried},
		)
	}
	return list
}

// unsupported are the exercises that need something the server does not offer,
// and what that is.
func unsupported() map[string]string {
	return map[string]string{
		"a TCP relay":       "RFC 6062, for which WebRTC has no use: 442",
		"a dual allocation": "ADDITIONAL-ADDRESS-FAMILY is optional, and ignored; the tool refreshes the IPv6 half that it was not given: 443",
		"DONT-FRAGMENT":     "RFC 8656 §7.2: whoever cannot set the bit answers 420",
	}
}

// A result is how an exercise went.
type result struct {
	exercise
	run
	why string // what is wrong; empty: nothing
}

// TestCoturnTools lets coturn's client, peer and STUN client talk to the built
// server, with each data plane that carries on loopback, and prints what came of it.
func TestCoturnTools(t *testing.T) {
	for _, tool := range []string{uclient, stunclient, echo} {
		_, err := exec.LookPath(tool)
		needTool(t, err)
	}
	for _, plane := range []string{"pion", "batch"} {
		t.Run(plane, func(t *testing.T) {
			t.Parallel() // the tools wait most of the time
			coturnTools(t, startRelay(t, plane))
		})
	}
}

func coturnTools(t *testing.T, r *relay) {
	t.Helper()
	results := make([]*result, 0, len(exercises()))
	places := make(chan struct{}, 6) // the tools wait most of the time
	var all sync.WaitGroup
	for i, e := range exercises() {
		res := &result{exercise: e, why: "has not ended"}
		results = append(results, res)
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			t.Run(e.name, func(t *testing.T) { res.play(t, r, i) })
		})
	}
	all.Wait()
	if err := r.answersSTUN(t); err != nil {
		t.Errorf("after all exercises: %v", err)
	}
	t.Logf("\n%s", report(results))
}

// play plays an exercise from a client address of its own, which depends on its
// place in the list.
func (res *result) play(t *testing.T, r *relay, place int) {
	res.run = r.play(t, res.flags, place)
	res.why = res.judge(func() error { return r.answersSTUN(t) })
	reason, known := unsupported()[res.name]
	switch {
	case res.why == "" && known:
		t.Logf("works by chance, for the tool draws lots: %s", reason)
	case res.why != "" && !known:
		t.Errorf("turnutils_uclient %s: %s; it said:\n%s", res.flags, res.why, res.tail())
	}
}

// judge says what is wrong with a run, if anything.
func (res *result) judge(alive func() error) string {
	switch r := res.run; {
	case res.want == survived:
		if err := alive(); err != nil {
			return err.Error()
		}
	case res.want == refused && r.err == nil:
		return "was let in"
	case res.want == refused:
	case r.err != nil:
		return r.err.Error()
	case r.sent == 0:
		return "nothing was sent"
	case res.want == silenced && r.received > 0:
		return "something arrived"
	case res.want == carried && r.received != r.sent:
		return "not all arrived"
	}
	return ""
}

// report is the table.
func report(results []*result) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\texercise\tturnutils_uclient\tsent\treceived\ttries\ttime\twant\t")
	for _, res := range results {
		mark, note := "ok", ""
		if res.why != "" {
			mark, note = "FAIL", res.why
		}
		if reason, known := unsupported()[res.name]; known && res.why != "" {
			mark, note = "--", reason
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%v\t%s\t%s\n",
			mark, res.name, res.flags, res.sent, res.received, res.tries, res.took.Round(100*time.Millisecond), res.want, note)
	}
	_ = w.Flush() // a Builder takes everything
	return b.String()
}
