//go:build !js

package peer

import (
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

func TestIsPrivate(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"10.1.0.2":     true,
		"192.168.1.2":  true,
		"169.254.3.4":  true,
		"100.64.0.1":   true,
		"100.128.0.1":  false,
		"fd00::1":      true,
		"fe80::1":      true,
		"2a0a:5151::1": false,
		"51.51.1.2":    false,
		"127.0.0.1":    false, // then the partner is here
		"8f6e1f0c-2d0d-4c53-a2a2-1d3d0a8b9c01.local": false,
		"": false,
	} {
		if got := isPrivate("candidate:1 1 udp 2113937151 " + address + " 5000 typ host generation 0"); got != want {
			t.Errorf("isPrivate(host %s) = %v, want %v", address, got, want)
		}
		if isPrivate("candidate:1 1 udp 1677729535 " + address + " 5000 typ relay raddr 0.0.0.0 rport 0") {
			t.Errorf("isPrivate(relay %s) = true, want false", address)
		}
	}
}

// TestUnlikelyCandidatesComeLast holds when a private address of the partner's is
// checked: at once in one network, after what is likelier between two, soon if
// nobody knows.
func TestUnlikelyCandidatesComeLast(t *testing.T) {
	const (
		host  = "candidate:1 1 udp 2113937151 192.168.1.2 5000 typ host"
		relay = "candidate:3 1 udp 50340351 51.51.51.10 5000 typ relay raddr 0.0.0.0 rport 0"
	)
	outer := func(ip string) string {
		return "candidate:2 1 udp 1677729535 " + ip + " 5000 typ srflx raddr 0.0.0.0 rport 0"
	}
	for _, c := range []struct {
		name         string
		ours, theirs string
		after        time.Duration
	}{
		{"behind one NAT", "51.51.51.101", "51.51.51.101", 0},
		{"behind two", "51.51.51.101", "51.51.51.102", spareDelay},
		{"we know nothing of us", "", "51.51.51.102", graceDelay},
		{"we know nothing of him", "51.51.51.101", "", graceDelay},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := newConnection(local(), Search{}, nil, openBoth, false, make(chan struct{}, 1))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.close()
			if c.ours != "" {
				conn.found(wire.ICECandidate{Candidate: outer(c.ours)})
			}
			start := time.Now()
			conn.give(wire.ICECandidate{Candidate: host}, start)
			for _, candidate := range []string{relay, outer(c.theirs)} {
				if candidate != outer("") {
					conn.give(wire.ICECandidate{Candidate: candidate}, start.Add(time.Millisecond))
				}
			}
			if got := conn.asideUntil(); !got.Equal(start.Add(c.after)) {
				t.Errorf("it is put aside for %v, want %v", got.Sub(start), c.after)
			}
			conn.giveAside(start.Add(c.after - 1))
			if len(conn.aside.private) != 1 {
				t.Errorf("%d are put aside before their time, want 1", len(conn.aside.private))
			}
			conn.giveAside(start.Add(c.after))
			if until := conn.asideUntil(); !until.IsZero() {
				t.Errorf("something is put aside until %v, want nothing", until)
			}
		})
	}
}

// TestAsideIsBounded holds that a partner with very many private addresses has
// us keep no more than maxCandidates.
func TestAsideIsBounded(t *testing.T) {
	conn, err := newConnection(local(), Search{}, nil, openBoth, false, make(chan struct{}, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.close()
	for range 2 * maxCandidates {
		conn.give(wire.ICECandidate{Candidate: "candidate:1 1 udp 2113937151 10.1.0.2 5000 typ host"}, time.Now())
	}
	if n := len(conn.aside.private); n != maxCandidates {
		t.Errorf("%d are put aside, want %d", n, maxCandidates)
	}
}

// TestARelayIsCheckedWhenItMayLetUsIn holds that a relayed address waits until
// its owner can have given us permission, and nothing else does.
func TestARelayIsCheckedWhenItMayLetUsIn(t *testing.T) {
	conn, err := newConnection(local(), Search{}, nil, openBoth, false, make(chan struct{}, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.close()
	start := time.Now()
	conn.aside.admitted = start.Add(100 * time.Millisecond)
	for _, candidate := range []string{
		"candidate:3 1 udp 50340351 51.51.51.10 5000 typ relay raddr 0.0.0.0 rport 0",
		"candidate:2 1 udp 1677729535 51.51.51.101 5000 typ srflx raddr 0.0.0.0 rport 0",
		"candidate:1 1 udp 2113937151 51.51.1.2 5000 typ host",
	} {
		conn.give(wire.ICECandidate{Candidate: candidate}, start)
	}
	if n := len(conn.aside.relays); n != 1 || len(conn.aside.private) != 0 || !conn.asideUntil().Equal(conn.aside.admitted) {
		t.Errorf("%d relayed and %d private addresses are put aside until %v, want 1 and 0 until %v",
			n, len(conn.aside.private), conn.asideUntil(), conn.aside.admitted)
	}
	conn.give(wire.ICECandidate{Candidate: "candidate:1 1 udp 2113937151 10.1.0.2 5000 typ host"}, start)
	conn.giveAside(start.Add(graceDelay))
	if len(conn.aside.relays) != 1 || len(conn.aside.private) != 0 {
		t.Errorf("%d relayed and %d private addresses are put aside, want 1 and 0", len(conn.aside.relays), len(conn.aside.private))
	}
	conn.giveAside(conn.aside.admitted)
	if until := conn.asideUntil(); !until.IsZero() {
		t.Errorf("something is put aside until %v, want nothing", until)
	}
}

func TestBiased(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ candidate, offers, answers string }{ // the priorities; empty: as it is
		{"candidate:3 1 udp 50340351 51.51.51.10 5000 typ relay raddr 0.0.0.0 rport 0", "50344447", "50336255"},
		{"candidate:3 1 udp 67108863 51.51.51.10 5000 typ relay raddr 0.0.0.0 rport 0", "", "67104767"}, // more would look like another type
		{"candidate:3 1 udp 50331648 51.51.51.10 5000 typ relay raddr 0.0.0.0 rport 0", "50335744", ""},
		{"candidate:2 1 udp 1677729535 51.51.51.101 5000 typ srflx", "", ""},
		{"candidate:1 1 udp 2113937151 10.1.0.2 5000 typ host", "", ""},
		{"", "", ""},
	} {
		for of, priority := range map[role]string{roleOffer: c.offers, roleAnswer: c.answers, "": ""} {
			want := c.candidate
			if priority != "" {
				want = strings.Replace(want, strings.Fields(want)[3], priority, 1)
			}
			if got := biased(c.candidate, of); got != want {
				t.Errorf("biased(%q, %q) = %q, want %q", c.candidate, of, got, want)
			}
		}
	}
}
