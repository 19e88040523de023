package lab

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// accounts are what two say who were connected directly.
func accounts() [2]Account {
	return [2]Account{
		{Opened: 120, Type: "host", Remote: "srflx", Family: 4},
		{Opened: 90.5, Type: "srflx", Remote: "prflx", Family: 4},
	}
}

// TestFault changes one thing in what the two say, and wants it to be found.
func TestFault(t *testing.T) {
	t.Parallel()
	direct, relayed := Best(Pair{A: PRCone, B: PRCone}), Best(Pair{A: PRCone, B: Symmetric})
	for _, c := range []struct {
		name   string
		best   Way
		change func(said *[2]Account)
		want   string
	}{
		{"nothing", direct, func(*[2]Account) {}, ""},
		{"A did not connect", direct, func(s *[2]Account) { s[0].Err = "no path" }, "A: no path"},
		{"both did not", direct, func(s *[2]Account) { s[0].Err, s[1].Err = "no path", "nobody" }, "A: no path, B: nobody"},
		{"a message is lost", direct, func(s *[2]Account) { s[0].Lost = 1 }, "1 messages lost, 0 doubled"},
		{"one came twice", direct, func(s *[2]Account) { s[1].Doubled = 1 }, "0 messages lost, 1 doubled"},
		{"a relay where none is needed", direct, func(s *[2]Account) { s[1].Type, s[1].Relay = "relay", "udp" }, "relay udp IPv4, where direct IPv4 is possible"},
		{"no relay where one is needed", relayed, func(*[2]Account) {}, ""},
		{"one relay where one is needed", relayed, func(s *[2]Account) { s[1].Type, s[1].Relay = "relay", "udp" }, ""},
		{"two where one is needed", relayed, func(s *[2]Account) {
			s[0].Type, s[0].Relay, s[1].Type, s[1].Relay = "relay", "udp", "relay", "udp"
		}, "2 relays udp IPv4, where relay udp IPv4 is possible"},
		{"by TCP where UDP works", relayed, func(s *[2]Account) { s[1].Type, s[1].Relay = "relay", "tcp" }, "relay udp–tcp IPv4, where relay udp IPv4 is possible"},
		{"over the wrong family", direct, func(s *[2]Account) { s[0].Family, s[1].Family = 6, 6 }, "direct IPv6, where direct IPv4 is possible"},
		{"over a family that is not known", direct, func(s *[2]Account) { s[0].Family = 0 }, ""},
	} {
		said := accounts()
		c.change(&said)
		if got := together(said, time.Second).Fault(c.best); got != c.want {
			t.Errorf("%s: fault %q, want %q", c.name, got, c.want)
		}
	}
}

// TestTogether is about who counts what: each the messages of the other one.
func TestTogether(t *testing.T) {
	t.Parallel()
	said := accounts()
	said[0].Lost, said[1].Doubled = 3, 2
	r := together(said, time.Second)
	if r.Opened != 120*time.Millisecond {
		t.Errorf("opened after %v, want the later of the two, 120ms", r.Opened)
	}
	if r.Lost != [2]int{0, 3} || r.Doubled != [2]int{2, 0} {
		t.Errorf("lost %v, doubled %v; A has not heard 3 of B, and B 2 of A twice", r.Lost, r.Doubled)
	}
}

// TestLuckIsNoTheory tells one round that was better than theory from all of them.
func TestLuckIsNoTheory(t *testing.T) {
	t.Parallel()
	said := accounts()
	lucky := together(said, time.Second)
	said[1].Type, said[1].Relay = "relay", "udp"
	usual := together(said, time.Second)
	for _, c := range []struct {
		rounds []Round
		want   bool // it is as it should be
	}{
		{[]Round{usual, lucky, usual}, true},
		{[]Round{lucky}, true},
		{[]Round{lucky, lucky, lucky}, false},
	} {
		p := Pair{A: PRCone, B: Symmetric}
		if r := (Result{Pair: p, Best: Best(p), Rounds: c.rounds}); r.OK() != c.want {
			t.Errorf("%d rounds that were better than theory, of %d: OK() = %t", r.Good(), len(c.rounds), r.OK())
		}
	}
}

// sample is a report with a pair that is as it should be, and one that is not.
func sample() *Report {
	good, bad := Pair{A: PRCone, B: PRCone}, Pair{A: Symmetric, B: Symmetric, Loss: 5}
	lost := accounts()
	lost[0].Err = "no path between the two networks"
	return &Report{Took: 90 * time.Second, Results: []Result{
		{Pair: good, Best: Best(good), Rounds: []Round{together(accounts(), time.Second), together(accounts(), time.Second)}},
		{Pair: bad, Best: Best(bad), Rounds: []Round{together(lost, time.Second)}},
	}}
}

func TestReport(t *testing.T) {
	t.Parallel()
	if got := sample().Faults(); got != 1 {
		t.Errorf("Faults() = %d, want 1", got)
	}
	var text bytes.Buffer
	if err := sample().WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"prcone-prcone              direct IPv4     direct IPv4  host–srflx  120 ms    0, 0  0, 0     2 of 2\n",
		"symmetric-symmetric/loss5  relay udp IPv4  none         –           –         0, 0  0, 0     0 of 1\n",
		"wrong: symmetric-symmetric/loss5, round 1: A: no path between the two networks\n",
		"2 pairs, 1 as they should be, 1m30s\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, text.String())
		}
	}
	text.Reset()
	if err := sample().WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Faults int
		Pairs  []struct {
			Pair string
			OK   bool
			P50  float64 `json:"open_p50_ms"`
		}
	}
	if err := json.Unmarshal(text.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	if read.Faults != 1 || len(read.Pairs) != 2 || !read.Pairs[0].OK || read.Pairs[1].OK || read.Pairs[0].P50 != 120 {
		t.Errorf("JSON reads as %+v", read)
	}
}

// TestPutInto replaces a table, again and again.
func TestPutInto(t *testing.T) {
	t.Parallel()
	const document = "# A\n" + tableBegin + "old\n" + tableEnd + "the rest\n"
	once, err := sample().PutInto(document)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(once, "# A\n"+tableBegin+"| pair |") || !strings.HasSuffix(once, "|\n"+tableEnd+"the rest\n") || strings.Contains(once, "old") {
		t.Errorf("the document has become\n%s", once)
	}
	if twice, err := sample().PutInto(once); err != nil || twice != once {
		t.Errorf("the second time it has become\n%s, %v", twice, err)
	}
	if _, err := sample().PutInto("# A\n" + tableBegin); err == nil {
		t.Error("a document without the end of a table is taken")
	}
}

// TestTheDocumentHasEveryPair holds docs/lab.md to the matrix and to theory, and its
// last run to having been right.
func TestTheDocumentHasEveryPair(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/lab.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), tableBegin)
	table, _, found := strings.Cut(rest, tableEnd)
	lines := strings.Split(strings.TrimSpace(table), "\n")
	if !found || len(lines) < 2 {
		t.Fatal("docs/lab.md has no table: make lab")
	}
	var rows [][]string
	for _, line := range lines[2:] {
		rows = append(rows, strings.Split(strings.Trim(line, "| "), " | "))
	}
	pairs := Matrix()
	if len(rows) != len(pairs) {
		t.Fatalf("docs/lab.md has %d pairs, the matrix %d: make lab", len(rows), len(pairs))
	}
	for i, p := range pairs {
		row := rows[i]
		if len(row) != len(head()) || row[0] != p.Name() || row[1] != Best(p).String() {
			t.Errorf("docs/lab.md has %q, want %s, %v: make lab", row, p.Name(), Best(p))
			continue
		}
		if good := row[len(row)-1]; good != "3 of 3" {
			t.Errorf("%s was right %s, want 3 of 3", p.Name(), good)
		}
	}
}
