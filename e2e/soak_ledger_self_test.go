//go:build soak

package e2e

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/talkers/line"
)

// tale makes what a ledger was told, second by second.
type tale struct{ *ledger }

func (s tale) tells(at float64, id, what string, n line.News) {
	n.ID, n.What = id, what
	n.At = s.born.Add(time.Duration(at * float64(time.Second))).UnixNano()
	s.hears(n)
}

// begins lets two ask in second 1 and talk from second 2.
func (s tale) begins(k kind) *dialogue {
	d := s.opens("1", k)
	for _, id := range []string{"1a", "1b"} {
		s.tells(1, id, line.Asks, line.News{})
		s.tells(2, id, line.Met, line.News{Path: string(k)})
	}
	return d
}

// says lets A say message n, which B hears later; 0: never.
func (s tale) says(n int, at, heard float64) {
	s.tells(at, "1a", line.Said, line.News{N: n})
	if heard > 0 {
		s.tells(heard, "1b", line.Heard, line.News{From: "1a", N: n})
		s.tells(heard, "1a", line.Delivered, line.News{N: n})
	}
}

// part lets A leave, and B be told.
func (s tale) part(d *dialogue, at, told int) {
	d.leaves, d.hushed = seconds(at), true
	s.tells(float64(at), "1a", line.Parted, line.News{})
	if told > 0 {
		s.tells(float64(told), "1b", line.Left, line.News{})
		s.tells(float64(told), "1b", line.Parted, line.News{})
	}
}

func (s tale) trouble(from, to int, where place) {
	s.befalls(s.born.Add(seconds(from)), s.born.Add(seconds(to)), where)
}

// The promises, as they are called.
const (
	ordered  = "messages arrive in order, and none is lost"
	once     = "messages arrive once"
	soon     = "messages arrive soon, and direct ones without the server"
	notCut   = "live chats are not cut"
	noGhosts = "ghosts are noticed"
	nobody   = "nobody waits while a fitting partner waits"
	noDouble = "nobody is matched with two, or with himself"
	noLie    = "nothing is reported delivered that is not"
)

// lies are histories of servers that break a promise, and of such that do not.
func lies() map[string]struct {
	happen func(s tale)
	broken string
} {
	return map[string]struct {
		happen func(s tale)
		broken string
	}{
		"two talk": {func(s tale) {
			d := s.begins(direct)
			s.says(1, 3, 3)
			s.says(2, 4, 4)
			s.part(d, 5, 6)
		}, ""},
		"a message twice": {func(s tale) {
			s.begins(direct)
			s.says(1, 3, 3)
			s.tells(4, "1b", line.Heard, line.News{From: "1a", N: 1})
		}, once},
		"a message is missed": {func(s tale) { s.begins(direct); s.says(1, 3, 0); s.says(2, 4, 4) }, ordered},
		"the last message is lost": {func(s tale) {
			d := s.begins(relayed)
			s.says(1, 89, 0)
			s.part(d, 90, 91)
		}, ordered},
		"a message is late": {func(s tale) { s.begins(relayed); s.says(1, 3, 7) }, soon},
		"a message is late while the server is away": {func(s tale) {
			s.begins(relayed)
			s.trouble(3, 10, atServer)
			s.says(1, 4, 20)
		}, ""},
		"a message is late after the server is back": {func(s tale) {
			s.begins(relayed)
			s.trouble(3, 10, atServer)
			s.says(1, 4, 26)
		}, soon},
		"a direct message is late while the server is away": {func(s tale) {
			s.begins(direct)
			s.trouble(3, 10, atServer)
			s.says(1, 4, 9)
		}, soon},
		"a direct message is late while the network is bad": {func(s tale) {
			s.begins(direct)
			s.trouble(3, 10, networkA)
			s.says(1, 4, 19)
		}, ""},
		"a direct message waits for one that was said by the relay": {func(s tale) {
			s.begins(direct)
			s.trouble(3, 10, atServer)
			s.tells(3, "1b", line.Path, line.News{Path: string(relayed)})
			s.tells(4, "1a", line.Said, line.News{N: 1})
			s.tells(5, "1b", line.Path, line.News{Path: string(direct)})
			s.tells(6, "1a", line.Said, line.News{N: 2})
			for n := 1; n <= 2; n++ {
				s.tells(11, "1b", line.Heard, line.News{From: "1a", N: n})
				s.tells(11, "1a", line.Delivered, line.News{N: n})
			}
			s.says(3, 12, 12)
		}, ""},
		"a message is late, and others are in trouble": {func(s tale) {
			s.begins(relayedTCP)
			s.trouble(3, 10, networkB|newcomers)
			s.says(1, 4, 9)
		}, soon},
		"a message never comes": {func(s tale) { s.begins(direct); s.says(1, 3, 0) }, soon},
		"a message is said not to have come, and has": {func(s tale) {
			s.begins(direct)
			s.tells(3, "1a", line.Said, line.News{N: 1})
			s.tells(3, "1a", line.Delivered, line.News{N: 1})
			s.tells(99, "1b", line.Met, line.News{})
		}, noLie},
		"who is deaf hears late": {func(s tale) {
			d := s.begins(direct)
			d.sides[1].deaf = []trouble{{seconds(3), seconds(8)}}
			s.says(1, 4, 8)
		}, ""},
		"a chat is cut":       {func(s tale) { s.begins(direct); s.tells(5, "1a", line.Lost, line.News{}) }, notCut},
		"one is sent away":    {func(s tale) { s.begins(relayed); s.tells(5, "1b", line.Left, line.News{}) }, notCut},
		"another one speaks":  {func(s tale) { s.begins(direct); s.tells(3, "1b", line.Heard, line.News{From: "2a", N: 1}) }, noDouble},
		"he hears himself":    {func(s tale) { s.begins(direct); s.tells(3, "1b", line.Heard, line.News{From: "1b", N: 1}) }, noDouble},
		"nobody says goodbye": {func(s tale) { s.part(s.begins(direct), 50, 0) }, noGhosts},
		"friends do not meet": {func(s tale) {
			s.opens("1", direct)
			s.tells(50, "1a", line.Asks, line.News{})
			s.tells(60, "1b", line.Asks, line.News{})
		}, nobody},
		"a friend does not come": {func(s tale) { s.opens("1", direct); s.tells(5, "1a", line.Asks, line.News{}) }, ""},
		"friends meet late, after trouble": {func(s tale) {
			s.opens("1", direct)
			s.tells(10, "1a", line.Asks, line.News{})
			s.tells(10, "1b", line.Asks, line.News{})
			s.trouble(5, 11, atServer)
			s.tells(50, "1a", line.Met, line.News{})
			s.tells(50, "1b", line.Met, line.News{})
		}, ""},
	}
}

// TestSoakLedger holds the ledger itself to histories whose faults are known.
func TestSoakLedger(t *testing.T) {
	for name, c := range lies() {
		t.Run(name, func(t *testing.T) {
			l := newLedger(time.Now().Add(-seconds(100)))
			c.happen(tale{l})
			v := l.judge()
			got := strings.Join(slices.Sorted(maps.Keys(v.Broken)), "; ")
			if !strings.Contains(got, c.broken) || c.broken == "" && got != "" {
				t.Errorf("%q is broken, want %q:\n%s", got, c.broken, v.why())
			}
		})
	}
}

// TestSoakSeesWhatIsNotFlat compares what servers used that leak, and one that does not.
func TestSoakSeesWhatIsNotFlat(t *testing.T) {
	before := resources{100, 100, 20 << 20, 50 << 20}
	for name, c := range map[string]struct {
		after resources
		grown string
	}{
		"nothing":     {resources{104, 104, 20.9 * (1 << 20), 52 << 20}, ""},
		"less":        {resources{50, 50, 10 << 20, 25 << 20}, ""},
		"goroutines":  {resources{106, 100, 20 << 20, 50 << 20}, "goroutines"},
		"descriptors": {resources{100, 106, 20 << 20, 50 << 20}, "descriptors"},
		"heap":        {resources{100, 100, 22 << 20, 50 << 20}, "heap"},
		"RSS":         {resources{100, 100, 20 << 20, 54 << 20}, "RSS"},
	} {
		got := flat(before, c.after)
		if c.grown == "" && len(got) > 0 || c.grown != "" && (len(got) != 1 || !strings.HasPrefix(got[0], c.grown)) {
			t.Errorf("%s: flat(%v, %v) = %q, want %q", name, before, c.after, got, c.grown)
		}
	}
}

// TestSoakReadsLogs looks for what no log may hold in lines that do and that do not.
func TestSoakReadsLogs(t *testing.T) {
	for said, bad := range map[string]bool{
		`level=DEBUG msg="websocket open" svc=match addr=51.51.51.30`: false,
		`level=DEBUG msg="x" text="1a 7 ` + soakMark + `"`:            true,
		`level=DEBUG msg="x" secret=` + soakTURNSecret:                true,
		`level=DEBUG msg="x" sdp="v=0\r\no=- 1 2 IN IP4 127.0.0.1"`:   true,
		`level=DEBUG msg="x" line="a=ice-pwd:abc"`:                    true,
		`panic: runtime error: invalid memory address`:                true,
		`WARNING: DATA RACE`:      true,
		`goroutine 12 [running]:`: true,
		`level=ERROR msg="something that nobody has to get up for"`:    true,
		`level=WARN msg="STATE_DIR is full" err="no space left on it"`: false,
	} {
		if got := forbidden.MatchString(said); got != bad {
			t.Errorf("%q is forbidden: %t, want %t", said, got, bad)
		}
	}
}

// TestSoakReadsMetrics adds up the samples of a metric, and of no other one.
func TestSoakReadsMetrics(t *testing.T) {
	const text = "# HELP a_total What a is.\na_total{x=\"1\"} 2\na_total{x=\"2\"} 3.5\na_total_more 7\nb 4e+06\n"
	for name, want := range map[string]float64{"a_total": 5.5, "b": 4e6, "c": 0} {
		if got := metricIn(text, name); got != want {
			t.Errorf("metricIn(%q) = %v, want %v", name, got, want)
		}
	}
}
