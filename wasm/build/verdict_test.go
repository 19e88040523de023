package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// outcome and results are what verdict.js is given; see there.
type outcome struct {
	OK        bool    `json:"ok"`
	MS        float64 `json:"ms"`
	Code      int     `json:"code,omitempty"`
	Text      string  `json:"text,omitempty"`
	URL       string  `json:"url,omitempty"`
	Transport string  `json:"transport,omitempty"`
}

type results struct {
	WebRTC    bool      `json:"webrtc"`
	Asked     bool      `json:"asked"`
	WebSocket outcome   `json:"websocket"`
	STUN      []outcome `json:"stun"`
	TURN      []outcome `json:"turn"`
	NAT       string    `json:"nat"`
	Relay     outcome   `json:"relay"`
	Network   string    `json:"network"`
}

// well is a network where everything works, by relays at the URLs of a server
// with TLS.
func well() results {
	good := func(url string) outcome { return outcome{OK: true, MS: 20, URL: url} }
	return results{
		WebRTC: true, Asked: true, WebSocket: good(""), NAT: "keeps", Network: "198.51.100.0/24",
		STUN: []outcome{good("stun:192.0.2.1:3478"), good("stun:[2001:db8::1]:3478")},
		TURN: []outcome{
			good("turn:192.0.2.1:3478?transport=udp"), good("turn:[2001:db8::1]:3478?transport=udp"),
			good("turn:192.0.2.1:3478?transport=tcp"), good("turns:chat.example.org:443?transport=tcp"),
		},
		Relay: outcome{OK: true, MS: 12.4, Transport: "udp"},
	}
}

// lose lets all URLs fail in which there is a part, with a code.
func (r *results) lose(part string, code int) {
	for _, list := range [][]outcome{r.STUN, r.TURN} {
		for i := range list {
			if strings.Contains(list[i].URL, part) {
				list[i] = outcome{URL: list[i].URL, Code: code}
			}
		}
	}
}

// network is one in which a check is made.
type network struct {
	name  string
	spoil func(*results)
	want  string // the verdict
}

// networks has some for each of the verdicts that there are.
func networks() []network {
	return []network{
		{"everything works", func(*results) {}, "good"},
		{"without NAT", func(r *results) { r.NAT = "open" }, "good"},
		{"the NAT is not measured", func(r *results) { r.NAT = "unmeasured" }, "good"},
		{"without IPv6", func(r *results) { r.lose("[", 701) }, "good"},
		{"only UDP", func(r *results) { r.lose("tcp", 701) }, "good"},
		{"the NAT changes its port", func(r *results) { r.NAT = "changes" }, "relay_udp"},
		{"no STUN", func(r *results) { r.lose("stun:", 701) }, "relay_udp"},
		{"no UDP", func(r *results) { r.lose("stun:", 701); r.lose("udp", 701); r.NAT = "blocked" }, "relay_tcp"},
		{"a relay without UDP", func(r *results) { r.lose("udp", 701) }, "relay_tcp"},
		{"only TLS", func(r *results) { r.lose("stun:", 701); r.lose("turn:", 701); r.NAT = "blocked" }, "relay_tls"},
		{"no relay answers", func(r *results) { r.lose("turn", 701); r.Relay = outcome{} }, "direct_only"},
		{"the relay does not know us", func(r *results) { r.lose("turn", 401); r.Relay = outcome{} }, "refused"},
		{"one of its doors does not", func(r *results) { r.lose("turns:", 401) }, "good"},
		{"it does not know us, by the door that can be reached", func(r *results) {
			r.lose("stun:", 701)
			r.lose("turn", 701)
			r.lose("turns:", 401)
			r.Relay = outcome{}
		}, "refused"},
		{"our nonce is stale for ever", func(r *results) { r.lose("turn", 438); r.Relay = outcome{} }, "refused"},
		{"too many of ours", func(r *results) { r.lose("turn", 486); r.Relay = outcome{} }, "full"},
		{"too many of all", func(r *results) { r.lose("turn", 508); r.Relay = outcome{} }, "full"},
		{"nothing comes back", func(r *results) { r.Relay = outcome{Text: "timeout"} }, "silent"},
		{"nothing but the page", func(r *results) { r.lose("", 701); r.Relay, r.WebSocket = outcome{}, outcome{} }, "page_only"},
		{"the page and the WebSocket", func(r *results) { r.lose("", 701); r.Relay = outcome{} }, "page_only"},
		{"no WebSocket", func(r *results) { r.WebSocket = outcome{Code: 1006} }, "no_websocket"},
		{"no WebRTC", func(r *results) { *r = results{Asked: true, WebSocket: r.WebSocket, NAT: "unmeasured"} }, "no_webrtc"},
		{"no relay is offered", func(r *results) { r.TURN, r.Relay = nil, outcome{} }, "no_relay"},
		{"neither STUN nor relay", func(r *results) { r.STUN, r.TURN, r.Relay = nil, nil, outcome{} }, "no_relay"},
		{"the server does not say", func(r *results) {
			*r = results{WebRTC: true, WebSocket: r.WebSocket, NAT: "unmeasured"}
		}, "not_asked"},
		{"the server says nothing at all", func(r *results) { *r = results{WebRTC: true, NAT: "unmeasured"} }, "not_asked"},
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	var calls []string
	for _, tt := range networks() {
		r := well()
		tt.spoil(&r)
		calls = append(calls, call(t, "judge.verdict", r.lists()))
	}
	for i, got := range answers[string](t, calls) {
		if want := networks()[i].want; got != want {
			t.Errorf("%s: the verdict is %s, want %s", networks()[i].name, got, want)
		}
	}
}

// lists replaces what is not there by what is empty, as the page has it.
func (r *results) lists() results {
	r.STUN, r.TURN = append([]outcome{}, r.STUN...), append([]outcome{}, r.TURN...)
	return *r
}

func TestNAT(t *testing.T) {
	t.Parallel()
	type candidate struct {
		Type           string `json:"type"`
		Protocol       string `json:"protocol"`
		Address        string `json:"address"`
		Port           int    `json:"port"`
		RelatedAddress string `json:"relatedAddress,omitempty"`
		RelatedPort    int    `json:"relatedPort,omitempty"`
	}
	type gathered struct {
		Candidates []candidate `json:"candidates"`
		Complete   bool        `json:"complete"`
		Errors     []outcome   `json:"errors"`
	}
	host := candidate{"host", "udp", "10.0.0.7", 5000, "", 0}
	hidden := candidate{"host", "udp", "a.local", 5000, "", 0}
	seen := func(address string, port int, related ...any) candidate {
		c := candidate{"srflx", "udp", address, port, "10.0.0.7", 5000}
		if len(related) == 2 {
			c.RelatedAddress, c.RelatedPort = related[0].(string), related[1].(int)
		}
		return c
	}
	two := []string{"stun:192.0.2.1:3478", "stun:192.0.2.1:3479"}
	timeout := []outcome{{Code: 701}}
	tests := []struct {
		name       string
		urls       []string
		candidates []candidate
		complete   bool
		errors     []outcome
		want       string
	}{
		{"one port for both", two, []candidate{host, seen("198.51.100.7", 6000)}, true, nil, "keeps"},
		{"one port, said twice", two, []candidate{host, seen("198.51.100.7", 6000), seen("198.51.100.7", 6000)}, true, nil, "keeps"},
		{"a port for each", two, []candidate{host, seen("198.51.100.7", 6000), seen("198.51.100.7", 6001)}, true, nil, "changes"},
		{"a port for each, before the end", two, []candidate{host, seen("198.51.100.7", 6000), seen("198.51.100.7", 6001)}, false, nil, "changes"},
		{"a port for each, of an address that is hidden", two, []candidate{hidden, seen("198.51.100.7", 6000, "0.0.0.0", 0), seen("198.51.100.7", 6001, "0.0.0.0", 0)}, true, nil, "changes"},
		{"two networks, a port in each", two, []candidate{host, seen("198.51.100.7", 6000), seen("203.0.113.7", 6001, "10.0.1.7", 5001)}, true, nil, "keeps"},
		{"two interfaces behind one router", two, []candidate{host, seen("198.51.100.7", 6000), seen("198.51.100.7", 6001, "10.0.0.8", 5000)}, true, nil, "keeps"},
		{"one of the two does not answer", two, []candidate{host, seen("198.51.100.7", 6000)}, true, timeout, "unmeasured"},
		{"it takes too long", two, []candidate{host, seen("198.51.100.7", 6000)}, false, nil, "unmeasured"},
		{"one STUN port", two[:1], []candidate{host, seen("198.51.100.7", 6000)}, true, nil, "unmeasured"},
		{"no NAT, as Chromium says it", two, []candidate{host}, true, nil, "open"},
		{"no NAT, one STUN port", two[:1], []candidate{host}, true, nil, "open"},
		{"no NAT, said twice", two, []candidate{host, seen("10.0.0.7", 5000)}, true, nil, "open"},
		{"no answer this time", two, []candidate{host}, false, nil, "unmeasured"},
		{"no answer, and it says so", two, []candidate{host}, true, timeout, "unmeasured"},
		{"an address that is hidden", two, []candidate{hidden, seen("198.51.100.7", 6000, "0.0.0.0", 0)}, true, nil, "keeps"},
		{"nothing at all", two, nil, true, nil, "unmeasured"},
	}
	var calls []string
	for _, tt := range tests {
		calls = append(calls, call(t, "judge.nat", tt.urls, gathered{append([]candidate{}, tt.candidates...), tt.complete, append([]outcome{}, tt.errors...)}))
	}
	for i, got := range answers[string](t, calls) {
		if got != tests[i].want {
			t.Errorf("%s: the NAT is %q, want %q", tests[i].name, got, tests[i].want)
		}
	}
}

// TestReached holds by what one knows that a STUN server has answered.
func TestReached(t *testing.T) {
	t.Parallel()
	const four, six = "stun:192.0.2.1:3478", "stun:[2001:db8::1]:3478"
	const reflexive, visible, hidden = `{type: "srflx"}`, `{type: "host", protocol: "udp", address: "198.51.100.7"}`, `{type: "host", protocol: "udp", address: "a.local"}`
	tests := []struct {
		name, url, candidates, rest string
		want                        bool
	}{
		{"it says what it sees", four, hidden + "," + reflexive, `complete: false, errors: []`, true},
		{"and something else failed", four, reflexive, `complete: true, errors: [{}]`, true},
		{"there is nothing to say without NAT", four, visible, `complete: true, errors: []`, true},
		{"a hidden address would differ", four, hidden, `complete: true, errors: []`, false},
		{"silence", four, visible, `complete: false, errors: []`, false},
		{"a fault", four, visible, `complete: true, errors: [{}]`, false},
		{"no IPv6 here", six, visible, `complete: true, errors: []`, false},
		{"no UDP here", four, "", `complete: true, errors: []`, false},
	}
	var calls []string
	for _, tt := range tests {
		calls = append(calls, fmt.Sprintf("judge.reached(%q, { candidates: [%s], %s })", tt.url, tt.candidates, tt.rest))
	}
	for i, got := range answers[bool](t, calls) {
		if got != tests[i].want {
			t.Errorf("%s: reached = %v, want %v", tests[i].name, got, tests[i].want)
		}
	}
}

func TestBest(t *testing.T) {
	t.Parallel()
	r := well()
	all := call(t, "judge.best", r.TURN)
	r.lose("udp", 701)
	tcp := call(t, "judge.best", r.TURN)
	r.lose("turn:", 701)
	tls := call(t, "judge.best", r.TURN)
	r.lose("turns:", 701)
	none := call(t, "judge.best", r.TURN)
	got := answers[[]string](t, []string{all, tcp, tls, none})
	for i, want := range [][]string{
		{"turn:192.0.2.1:3478?transport=udp", "turn:[2001:db8::1]:3478?transport=udp"},
		{"turn:192.0.2.1:3478?transport=tcp"},
		{"turns:chat.example.org:443?transport=tcp"},
		{},
	} {
		if !slices.Equal(got[i], want) {
			t.Errorf("the best ways are %q, want %q", got[i], want)
		}
	}
}

// TestForNAT wants two ports of one host, of those that can be reached.
func TestForNAT(t *testing.T) {
	t.Parallel()
	four, six, further := outcome{OK: true, URL: "stun:192.0.2.1:3478"}, outcome{OK: true, URL: "stun:[2001:db8::1]:3478"}, outcome{OK: true, URL: "stun:[2001:db8::1]:443"}
	lost := outcome{URL: further.URL}
	tests := []struct {
		name string
		stun []outcome
		want []string
	}{
		{"the host with two", []outcome{four, six, further}, []string{six.URL, further.URL}},
		{"the first host, where none has two", []outcome{four, six}, []string{four.URL}},
		{"what does not answer does not count", []outcome{four, six, lost}, []string{four.URL}},
		{"nothing answers", []outcome{lost}, []string{}},
	}
	var calls []string
	for _, tt := range tests {
		calls = append(calls, call(t, "judge.forNAT", tt.stun))
	}
	for i, got := range answers[[]string](t, calls) {
		if !slices.Equal(got, tests[i].want) {
			t.Errorf("%s: %q, want %q", tests[i].name, got, tests[i].want)
		}
	}
}

// TestReport holds that who reads a report can help, and learns no address and
// no secret from it.
func TestReport(t *testing.T) {
	t.Parallel()
	r := well()
	r.TURN[2] = outcome{URL: r.TURN[2].URL, Code: 701, Text: "no way to 192.0.2.1 nor [2001:db8::1] nor ::1 at 10:18:05, credential"}
	agent := "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 Safari/537.36"
	got := answers[string](t, []string{call(t, "judge.report", r, agent, true, "2026-01-02T03:04Z")})[0]
	want := `WasmP2PChat connection check, 2026-01-02T03:04Z
Browser: Chrome 141, https
Network: 198.51.100.0/24
WebSocket: ok 20 ms
STUN udp 3478 IPv4: ok 20 ms
STUN udp 3478 IPv6: ok 20 ms
TURN udp 3478 IPv4: ok 20 ms
TURN udp 3478 IPv6: ok 20 ms
TURN tcp 3478 IPv4: no 701 no way to (IPv4) nor [(IPv6)] nor (IPv6) at (IPv6), credential
TURN tls 443: ok 20 ms
NAT: keeps
Relay: ok 12 ms udp
Verdict: good`
	if got != want {
		t.Errorf("the report is\n%s\nwant\n%s", got, want)
	}
}

func TestBrowserNames(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                                  "Firefox 140",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0":                           "Edge 141",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1":                 "Safari 18",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36":                     "Samsung Internet 28",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/141.0.7390.26 Mobile/15E148 Safari/604.1 secret=1": "Chrome 141",
		"curl/8": "another browser",
	}
	agents := slices.Sorted(maps.Keys(tests))
	var calls []string
	for _, agent := range agents {
		calls = append(calls, call(t, "judge.browser", agent))
	}
	for i, got := range answers[string](t, calls) {
		if want := tests[agents[i]]; got != want {
			t.Errorf("browser(%q) = %q, want %q", agents[i], got, want)
		}
	}
}

func TestMedianAndState(t *testing.T) {
	t.Parallel()
	got := answers[any](t, []string{
		"judge.median([9, 1, 10])", "judge.median([4, 1, 2, 30])",
		"judge.state({ ok: true, ms: judge.SLOW })", "judge.state({ ok: true, ms: judge.SLOW + 1 })", "judge.state({ ok: false, ms: 1 })",
	})
	if want := []any{9.0, 3.0, "ok", "slow", "no"}; !slices.Equal(got, want) {
		t.Errorf("median and state = %v, want %v", got, want)
	}
}

// call is JavaScript that calls a function.
func call(t *testing.T, function string, args ...any) string {
	t.Helper()
	texts := make([]string, len(args))
	for i, arg := range args {
		text, err := json.Marshal(arg)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	return fmt.Sprintf("%s(%s)", function, strings.Join(texts, ", "))
}

// answers runs verdict.js and calls in Node.js, if there is one.
func answers[T any](t *testing.T, calls []string) (list []T) {
	t.Helper()
	node, err := exec.LookPath("node")
	switch {
	case err == nil:
	case slices.Contains(os.Environ(), "CI=true"):
		t.Fatal("no node in PATH: install it (Debian: apt-get install nodejs)")
	default:
		t.Skip("no node in PATH: verdict.js is not run")
	}
	cmd := exec.CommandContext(t.Context(), node)
	cmd.Stdin = strings.NewReader(source(t, "verdict.js") + "\nconsole.log(JSON.stringify([" + strings.Join(calls, ",\n") + "]));\n")
	out, err := cmd.Output()
	if exit, failed := errors.AsType[*exec.ExitError](err); failed {
		t.Fatalf("node: %v: %s", err, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &list); err != nil || len(list) != len(calls) {
		t.Fatalf("node answers %s: %v", out, err)
	}
	return list
}
