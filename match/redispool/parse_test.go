package redispool

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
)

func someNames() (a, b name) {
	return name{Node: "one", Epoch: 1_700_000_000_000_000, Conn: 35, Generation: 0xfedcba98}, name{Node: "t-w_o", Epoch: 1, Conn: 1 << 63, Generation: 1}
}

func someLetters() []letter {
	a, b := someNames()
	g := guest{
		party: match.Party{User: "user", Device: "device", Addr: netip.MustParseAddr("2001:db8::1"), Hides: true},
		tags:  []string{"art", "go"}, prepared: true,
	}
	r := venue{name: "room", id: "admission", url: "https://one.example", relay: "two", at: time.UnixMilli(1_700_000_000_123), order: -5}
	return []letter{
		{kind: letterMatch, to: a, from: b, guest: g},
		{kind: letterMatch, to: a, from: b},
		{kind: letterYes, to: a, from: b, guest: g, room: r},
		{kind: letterNo, to: a, from: b},
		{kind: letterCommit, to: b, from: a},
		{kind: letterRefuse, to: a, from: b},
	}
}

func TestLettersComeAsTheyWent(t *testing.T) {
	t.Parallel()
	for _, l := range someLetters() {
		got, err := parseLetter(l.encode())
		if err != nil || !reflect.DeepEqual(got, l) {
			t.Errorf("parseLetter(encode(%+v)) = %+v, %v", l, got, err)
		}
	}
}

func TestWhatIsNoLetter(t *testing.T) {
	t.Parallel()
	a, b := someNames()
	good := (&letter{kind: letterNo, to: a, from: b}).encode()
	yes := (&letter{kind: letterYes, to: a, from: b, room: venue{name: strings.Repeat("x", maxTextBytes+1)}}).encode()
	for _, text := range []string{
		"", "N", good + "x", "X" + good[1:], strings.Replace(good, "\n", " ", 1), strings.Replace(good, "one", "", 1), strings.Replace(good, "one.", "one", 1),
		strings.ToUpper(good), yes, strings.Repeat("N", maxLetterBytes+1), "Y" + good[1:], "M" + good[1:],
	} {
		if l, err := parseLetter(text); err == nil {
			t.Errorf("parseLetter(%q) = %+v, want an error", text, l)
		}
	}
}

// FuzzLetter holds that what is read is written the same, and that no bytes do harm.
func FuzzLetter(f *testing.F) {
	for _, l := range someLetters() {
		f.Add(l.encode())
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parseLetter(text)
		if err != nil {
			return
		}
		again, err := parseLetter(l.encode())
		if err != nil || !reflect.DeepEqual(again, l) {
			t.Errorf("parseLetter(%q) = %+v, and encoded and parsed again %+v, %v", text, l, again, err)
		}
		if len(l.guest.tags) > 4 || len(l.room.name) > maxTextBytes || len(l.to.Node) > maxNameBytes {
			t.Errorf("parseLetter(%q) = %+v: more than there may be", text, l)
		}
	})
}

// FuzzName holds that a name is written in one way only.
func FuzzName(f *testing.F) {
	a, b := someNames()
	f.Add(a.String())
	f.Add(b.String())
	f.Add("a.0.0:00000000")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := parseName(text); err == nil && (n.String() != text || !strings.HasPrefix(text, n.owner()+".") || strings.HasSuffix(n.Node, ".")) {
			t.Errorf("parseName(%q) = %+v, which is %q", text, n, n)
		}
	})
}

// FuzzAnswer holds that an answer of the script is one of four, within bounds.
func FuzzAnswer(f *testing.F) {
	a, _ := someNames()
	for _, text := range []string{"w0", "c300000", "g", "p" + strings.Repeat("u", userBytes) + a.String(), "w-1", "w9223372036854775807"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		switch got, err := parseAnswer(text); {
		case err != nil:
		case got.again < 0 || got.again > maxAgain:
			t.Errorf("parseAnswer(%q): again in %v", text, got.again)
		case got.what == answerPaired && text != "p"+got.user+got.with.String():
			t.Errorf("parseAnswer(%q) = %+v", text, got)
		case !strings.ContainsRune("wcpg", rune(got.what)):
			t.Errorf("parseAnswer(%q) = %+v", text, got)
		}
	})
}

// FuzzLease holds that a lease call brings no numbers that cannot be, and only
// tickets that were in it.
func FuzzLease(f *testing.F) {
	f.Add("lost")
	f.Add("1700000000000000\ntwo.abc\n5\n\none.abc.1")
	f.Add("1\na\n-1\nb\n99999999999")
	f.Fuzz(func(t *testing.T, text string) {
		texts := strings.Split(text, "\n")
		reply, err := parseLease(texts)
		if err != nil {
			return
		}
		if reply.waiting < 0 || reply.waiting > len(reply.owners)*maxWaitingThere || 2*len(reply.owners)+len(reply.lacking)+1 > len(texts) {
			t.Errorf("parseLease(%q) = %+v", texts, reply)
		}
	})
}
