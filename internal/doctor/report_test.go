package doctor

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// sheetOf is one with checks.
func sheetOf(checks ...Check) *sheet {
	s := new(sheet)
	s.add(checks...)
	return s
}

func TestReportSaysWhatToDoFirst(t *testing.T) {
	t.Parallel()
	udp := Check{ID: "turn-udp", Status: Fail, Cause: UDPBlocked, Seen: "silence", Fix: "open udp"}
	name := Check{ID: "tls", Status: Fail, Cause: TLSName, Seen: "another name", Fix: "set DOMAIN"}
	small := Check{ID: "buffers", Status: Warn, Cause: BuffersSmall, Seen: "small", Fix: "sysctl"}
	for _, c := range []struct {
		name    string
		checks  []Check
		verdict Status
		want    string
	}{
		{"nothing is wrong", []Check{{ID: "tcp", Status: OK}, {ID: "dns", Status: Skip}}, OK, "from here everything works"},
		{"a warning", []Check{{ID: "tcp", Status: OK}, small}, Warn, "small buffers. What mends it: sysctl"},
		{"a fault before a warning", []Check{small, udp}, Fail, "UDP never arrives at the server. What mends it: open udp"},
		{"what others may follow from", []Check{udp, name}, Fail, "the certificate is for another name. What mends it: set DOMAIN (and one more thing, above)"},
		{"the same cause twice", []Check{udp, udp}, Fail, "UDP never arrives at the server. What mends it: open udp"},
		{"something without a cause", []Check{{ID: "credentials", Status: Fail, Seen: "nothing"}}, Fail, "credentials: nothing"},
	} {
		r := sheetOf(c.checks...).report("https://chat.example.org", "v1")
		if r.Verdict != c.verdict || !strings.Contains(r.Sentence, c.want) {
			t.Errorf("%s: %s, %q; want %s, %q", c.name, r.Verdict, r.Sentence, c.verdict, c.want)
		}
	}
}

func TestReportIsInTheOrderOfThings(t *testing.T) {
	t.Parallel()
	r := sheetOf(Check{ID: "buffers"}, Check{ID: "turn-udp", Subject: "b"}, Check{ID: "dns"}, Check{ID: "turn-udp", Subject: "a"}).report("", "")
	var got []string
	for _, c := range r.Checks {
		got = append(got, c.ID+c.Subject)
	}
	if want := []string{"dns", "turn-udpb", "turn-udpa", "buffers"}; !slices.Equal(got, want) {
		t.Errorf("the order is %q, want %q", got, want)
	}
}

func TestConsequencesAreNoCauses(t *testing.T) {
	t.Parallel()
	taken := Check{ID: "port", Status: Fail, Cause: PortTaken, Seen: "taken", Fix: "stop it"}
	closed := Check{ID: "tcp", Status: Fail, Cause: TCPBlocked, Seen: "refused", Fix: "nft"}
	name := Check{ID: "tls", Status: Fail, Cause: TLSName, Seen: "another", Fix: "DOMAIN"}
	s := sheetOf(taken, closed, name)
	s.explain(PortTaken, TCPBlocked)
	if s.checks[0] != taken || s.checks[2] != name {
		t.Errorf("the cause and what does not follow from it became %+v", s.checks)
	}
	if c := s.checks[1]; c.Status != Skip || c.Cause != "" || c.Fix != "" || !strings.Contains(c.Seen, "refused") {
		t.Errorf("what follows from it became %+v", c)
	}
	s = sheetOf(closed)
	s.explain(PortTaken, TCPBlocked)
	if s.checks[0] != closed {
		t.Errorf("without the cause it became %+v", s.checks[0])
	}
}

func TestTextForPeople(t *testing.T) {
	t.Parallel()
	r := sheetOf(
		Check{ID: "tcp", Subject: "192.0.2.1:443", Status: OK, Seen: "open"},
		Check{ID: "turn-udp", Subject: "turn:192.0.2.1:3478", Status: Fail, Cause: UDPBlocked, Seen: "silence\x1b[31m\nok everything", Fix: "open udp"},
	).report("https://chat.example.org", "v1\r")
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	want := `https://chat.example.org (wasmp2pchat v1?)
ok    tcp       192.0.2.1:443        open
fail  turn-udp  turn:192.0.2.1:3478  silence?[31m?ok everything
      fix: open udp
fail: UDP never arrives at the server. What mends it: open udp
`
	if b.String() != want {
		t.Errorf("the text is\n%s\nwant\n%s", b.String(), want)
	}
}

// TestJSONForPrograms holds the names that others read.
func TestJSONForPrograms(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(sheetOf(Check{ID: "tcp", Subject: "s", Status: Fail, Seen: "n", Cause: TCPBlocked, Fix: "f"}).report("t", "v"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"target":"t","version":"v","verdict":"fail","sentence":"a TCP port cannot be connected to. What mends it: f",` +
		`"checks":[{"id":"tcp","subject":"s","status":"fail","seen":"n","cause":"tcp-blocked","fix":"f"}]}`
	if string(text) != want {
		t.Errorf("the JSON is %s\nwant %s", text, want)
	}
}

// FuzzPrintable: what a server says cannot steer a terminal, nor fill it.
func FuzzPrintable(f *testing.F) {
	for _, seed := range []string{"", "nginx/1.26", "\x1b[2J", "a\nb", "\xff\xfe", strings.Repeat("é", 500), "\u202e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := printable(text)
		if n := len([]rune(got)); n > maxText+1 {
			t.Errorf("%d characters", n)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u202e' }) {
			t.Errorf("printable(%q) = %q", text, got)
		}
		if again := printable(got); again != got && len([]rune(got)) <= maxText {
			t.Errorf("printable(%q) = %q", got, again)
		}
	})
}
