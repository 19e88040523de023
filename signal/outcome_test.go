package signal

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// FuzzParseOutcome holds that what is taken is within the lists and limits, and
// that written again it is the same.
func FuzzParseOutcome(f *testing.F) {
	for _, seed := range []string{
		`{"type":"outcome","state":"connected","path":"relay-tls","rtt":48,"took":1830,"host":2,"srflx":1,"relay":3}`,
		`{"type":"outcome","state":"failed","ice":"failed","gathering":"complete","dtls":"new","host":1,"faults":[{"via":"udp","port":3478,"code":701}]}`,
		`{"type":"outcome","state":"failed","faults":[{"via":"quic","code":-1}]}`,
		`{"type":"outcome","state":"connected"}`, `null`, `[]`, `{`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := parseOutcome(text)
		if err != nil {
			return
		}
		written, err := json.Marshal(o)
		if err != nil || len(text) > wire.MaxOutcomeBytes {
			t.Fatalf("an outcome of %d bytes was taken, and Marshal() = %v", len(text), err)
		}
		again, err := parseOutcome(written)
		if len(written) > wire.MaxOutcomeBytes {
			return // it was written with escapes, or with faults that are not all ours
		}
		if err != nil {
			t.Fatalf("parseOutcome(%s) = %v", written, err)
		}
		if twice, err := json.Marshal(again); err != nil || string(twice) != string(written) {
			t.Fatalf("written twice it is %s, %v, want %s", twice, err, written)
		}
	})
}

func TestParseOutcome(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"a failure":                    {`{"type":"outcome","state":"failed"}`, true},
		"with what later versions say": {`{"type":"outcome","state":"failed","later":[1]}`, true},
		"a text for a number":          {`{"type":"outcome","state":"failed","took":"long"}`, false},
		"an address for a state":       {`{"type":"outcome","state":"failed","ice":"192.0.2.1"}`, false},
		"more than a kilobyte":         {`{"type":"outcome","state":"failed","later":"` + strings.Repeat("x", wire.MaxOutcomeBytes) + `"}`, false},
	} {
		if _, err := parseOutcome([]byte(c.text)); (err == nil) != c.ok {
			t.Errorf("%s: parseOutcome() = %v, want ok %v", name, err, c.ok)
		}
	}
}

func TestNextCandidate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []Candidate
	}{
		"trickled": {
			`{"type":"candidate","ice":{"candidate":"candidate:842163049 1 udp 1677729535 198.51.100.1 54321 typ srflx raddr 0.0.0.0 rport 0","sdpMid":"0"}}`,
			[]Candidate{{Type: "srflx"}},
		},
		"the last part of it": {`{"candidate":"candidate:1 1 UDP 1 192.0.2.1 9 typ relay"}`, []Candidate{{Type: "relay"}}},
		"a name":              {`"candidate:1 1 udp 1 8d3f0f1e-6a2b.local 9 typ host"`, []Candidate{{Type: "host", Name: true}}},
		"TCP and IPv6":        {`"candidate:1 1 TCP 1 2001:db8::1 9 typ host tcptype active"`, []Candidate{{Type: "host", IPv6: true, TCP: true}}},
		"in a description": {
			`{"type":"offer","sdp":"v=0\\r\\na=candidate:1 1 udp 1 192.0.2.1 9 typ host generation 0\\r\\na=candidate:2 1 udp 1 192.0.2.2 9 typ relay\\r\\n"}`,
			[]Candidate{{Type: "host"}, {Type: "relay"}},
		},
		"the end of them":     {`{"type":"candidate","ice":{"candidate":""}}`, nil},
		"half of one":         {`"candidate:1 1 udp 1 192.0.2.1"`, nil},
		"a type of its own":   {`"candidate:1 1 udp 1 192.0.2.1 9 typ wormhole"`, nil},
		"none, then one":      {`"candidate: candidate:1 1 udp 1 192.0.2.1 9 typ prflx"`, []Candidate{{Type: "prflx"}}},
		"a very long address": {`"candidate:1 1 udp 1 ` + strings.Repeat("9", 600) + ` 9 typ host"`, nil},
	} {
		var got []Candidate
		rest := []byte(c.text)
		for {
			candidate, after, ok := nextCandidate(rest)
			if !ok {
				break
			}
			got, rest = append(got, candidate), after
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %+v, want %+v", name, got, c.want)
			}
		}
	}
}

// FuzzNextCandidate holds that a look at a message ends, and finds a type from the
// list.
func FuzzNextCandidate(f *testing.F) {
	f.Add([]byte(`candidate:1 1 udp 1 192.0.2.1 9 typ host" candidate:`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for rest := text; ; {
			c, after, ok := nextCandidate(rest)
			if !ok {
				return
			}
			if len(after) >= len(rest) || c.Type == "" {
				t.Fatalf("nextCandidate(%q) = %+v, %q", rest, c, after)
			}
			rest = after
		}
	})
}
