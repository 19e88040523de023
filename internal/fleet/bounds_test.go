package fleet

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
)

// alone is a fleet without Redis.
func alone(t *testing.T, id string) *Fleet {
	t.Helper()
	db, err := redisdb.Open("redis://127.0.0.1:1", redisdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(Config{DB: db, Node: id})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestTheQueueIsBounded holds what waits while Redis is away to its bounds, in
// messages, bytes and age: the oldest goes, and is counted.
func TestTheQueueIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := alone(t, "a")
		for i := range maxQueued + 10 {
			f.Tell("b", "test", fmt.Appendf(nil, "%d", i))
		}
		if s := f.Stats(); s.Queued != maxQueued || s.Dropped != 10 {
			t.Errorf("after %d messages: %+v", maxQueued+10, s)
		}
		if got := string(f.post.take(time.Now())[0].body); got != "10" {
			t.Errorf("the first is %s, want 10", got)
		}
		<-time.After(keep + time.Second)
		if letters := f.post.take(time.Now()); len(letters) != 0 || f.post.bytes != 0 {
			t.Errorf("after %v: %d messages, %d bytes", keep, len(letters), f.post.bytes)
		}
		for range 2 * maxQueuedB / MaxMessage {
			f.Tell("b", "test", make([]byte, MaxMessage))
		}
		if s := f.Stats(); s.Queued != maxQueuedB/MaxMessage || f.post.bytes != maxQueuedB {
			t.Errorf("after twice the bytes: %+v, %d bytes", s, f.post.bytes)
		}
	})
}

// TestWhatFailsComesBackInItsPlace: before what was told later.
func TestWhatFailsComesBackInItsPlace(t *testing.T) {
	t.Parallel()
	f := alone(t, "a")
	for i := range batch + 1 {
		f.Tell("b", "test", fmt.Appendf(nil, "%d", i))
	}
	letters := f.post.take(time.Now())
	f.post.back(letters[batch-2:])
	for i, l := range f.post.take(time.Now()) {
		if want := fmt.Sprint(batch - 2 + i); string(l.body) != want {
			t.Errorf("message %d is %s, want %s", i, l.body, want)
		}
	}
}

// TestWhatWasOvertakenIsNotSentAgain: its reader would take it for an old one.
func TestWhatWasOvertakenIsNotSentAgain(t *testing.T) {
	t.Parallel()
	f := alone(t, "a")
	letters := []letter{{to: "b", seq: 1}, {to: "c", seq: 2}, {to: "b", seq: 3}, {to: "b", seq: 4}, {to: "c", seq: 5}}
	lost := errors.New("the connection ended")
	rest := f.settleUp(letters, []error{lost, lost, nil, lost, lost})
	var seqs []uint64
	for _, l := range rest {
		seqs = append(seqs, l.seq)
	}
	if s := f.Stats(); fmt.Sprint(seqs) != "[2 4 5]" || s.Dropped != 1 || s.Sent != 1 {
		t.Errorf("tried again: %v, want [2 4 5]; %+v", seqs, s)
	}
}

func TestWhatTellRefuses(t *testing.T) {
	t.Parallel()
	f := alone(t, "a")
	f.Tell("b", "test", make([]byte, MaxMessage+1))
	f.Tell("b", strings.Repeat("k", maxKind+1), nil)
	f.Tell("b", "", nil)
	f.Tell("no}id", "test", nil)
	f.TellAll("test", nil) // there is nobody
	if s := f.Stats(); s.Refused != 4 || s.Queued != 0 {
		t.Errorf("stats: %+v", s)
	}
}

// TestAMessageComesOnce: one whose answer was lost is sent again, with its number.
func TestAMessageComesOnce(t *testing.T) {
	t.Parallel()
	f := alone(t, "a")
	var got []string
	f.On("test", func(from string, body []byte) { got = append(got, from+string(body)) })
	entry := func(from, n, body string) map[string]string {
		return map[string]string{"f": from, "n": n, "k": "test", "b": body}
	}
	for _, e := range []map[string]string{
		entry("b/E", "7", "1"), entry("b/E", "8", "2"), entry("b/E", "7", "1"), entry("b/E", "8", "2"), entry("b/E", "12", "3"),
		entry("c/E", "1", "4"), entry("b/F", "1", "5"), // another node; another start of it
	} {
		f.hand(e)
	}
	if want := "[b1 b2 b3 c4 b5]"; fmt.Sprint(got) != want {
		t.Errorf("heard %v, want %s", got, want)
	}
	f.hand(map[string]string{"k": "", "x": "y"})
	f.hand(map[string]string{"f": "b/E", "n": "13", "k": "of a later version", "b": ""})
	f.hand(map[string]string{"f": "b/E", "n": "-1", "k": "test"})
	f.hand(map[string]string{"f": "b E", "n": "1", "k": "test"})
	f.hand(map[string]string{"k": ""}) // how a stream begins
	if s := f.Stats(); s.Received != 5 || s.Unknown != 1 || s.Bad != 3 {
		t.Errorf("stats: %+v", s)
	}
}

// TestLeasesRunOutByThemselves: whom Redis tells nothing any more believes nobody
// to live whose lease is over, itself excepted.
func TestLeasesRunOutByThemselves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := alone(t, "b")
		now := time.Now()
		f.list.set([]living{
			{Node: Node{ID: "a"}, until: now.Add(2 * time.Second)},
			{Node: Node{ID: "c"}, until: now.Add(lease)},
		}, f.self(Announcement{}), now)
		for _, want := range []string{"abc", "bc", "bc", "b"} {
			var got string
			for _, n := range f.Nodes() {
				got += n.ID
			}
			if got != want {
				t.Errorf("after %v Nodes are %s, want %s", time.Since(now), got, want)
			}
			<-time.After(2 * time.Second)
		}
		if ids := f.list.others(); len(ids) != 2 {
			t.Errorf("TellAll tells %v, want those who may read on as well", ids)
		}
		f.list.set(nil, f.self(Announcement{}), now.Add(2*keep))
		if ids := f.list.others(); len(ids) != 0 {
			t.Errorf("after %v TellAll tells %v", 2*keep, ids)
		}
	})
}

// TestNodesCostsNothing while nothing changes: it is asked for each pair.
func TestNodesCostsNothing(t *testing.T) {
	f := alone(t, "a")
	f.list.set([]living{{Node: Node{ID: "b"}, until: time.Now().Add(time.Hour)}}, f.self(Announcement{}), time.Now())
	if n := testing.AllocsPerRun(100, func() { f.Nodes() }); n != 0 {
		t.Errorf("Nodes allocates %v times", n)
	}
}

// TestJoined: a node that is not let in waits no longer than a lease.
func TestJoined(t *testing.T) {
	t.Parallel()
	began := time.UnixMilli(0)
	a := attendance{began: began}
	if a.joined(began.Add(lease-1)) || !a.joined(began.Add(lease)) {
		t.Error("it waits for another time than a lease")
	}
	if !a.isNews(Announcement{}, began.Add(1)) || a.isNews(Announcement{Online: 1}, began.Add(2)) || !a.isNews(Announcement{Draining: true}, began.Add(3)) {
		t.Error("news are others than that it is there, and that it drains")
	}
	if a.joined(began.Add(2*every)) || !a.joined(began.Add(2*every+1)) {
		t.Error("it has joined at another time than when all have looked")
	}
}

func TestTheYoungestOfTwins(t *testing.T) {
	t.Parallel()
	f := alone(t, "z")
	at := time.UnixMilli
	nodes := f.settle([]living{
		{Node: Node{ID: "b", Epoch: "2", Since: at(2)}},
		{Node: Node{ID: "a", Epoch: "1", Since: at(1)}},
		{Node: Node{ID: "b", Epoch: "3", Since: at(3)}},
		{Node: Node{ID: "b", Epoch: "1", Since: at(1)}},
	}, &attendance{})
	if len(nodes) != 2 || nodes[0].ID != "a" || nodes[1].Epoch != "3" {
		t.Errorf("nodes: %+v", nodes)
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"a", "Node-1_x", strings.Repeat("a", maxID)} {
		if err := CheckID(id); err != nil {
			t.Errorf("CheckID(%q) = %v", id, err)
		}
	}
	for _, id := range []string{"", "a.b", "a/b", "a}b", "a b", "é", strings.Repeat("a", maxID+1)} {
		if CheckID(id) == nil {
			t.Errorf("CheckID(%q) is nil", id)
		}
	}
}

// TestOfALaterVersion: what it says more is passed over.
func TestOfALaterVersion(t *testing.T) {
	t.Parallel()
	n, err := decode("b/E", `{"v":1,"url":"https://b","new":{"x":[1]},"turn":["turn:b"],"allocations":3}`)
	if err != nil || n.URL != "https://b" || n.Allocations != 3 || len(n.TURN) != 1 {
		t.Errorf("decode: %+v, %v", n, err)
	}
	for _, text := range []string{
		``, `null`, `[]`, `{"v":2}`, `{}`, `{"v":1,"allocations":-1}`, `{"v":1,"url":"` + strings.Repeat("x", maxText+1) + `"}`,
		`{"v":1,"turn":[` + strings.Repeat(`"",`, maxList) + `""]}`, `{"v":1,"relays":["x"]}`,
		`{"v":1}` + strings.Repeat(" ", maxAnnounce),
	} {
		if n, err := decode("b/E", text); err == nil {
			t.Errorf("decode(%.40q) = %+v", text, n)
		}
	}
}

// full is an announcement that uses every field.
func full() Announcement {
	return Announcement{
		Version: "1.2", Roles: []string{"turn"}, TURN: []string{"turn:a"}, Relays: []netip.Addr{netip.MustParseAddr("2001:db8::1")},
		Allocations: 1, MaxAllocations: 2, OverBudget: true, TURNDraining: true, Draining: true, Online: 3, Waiting: 4,
		RoomSecrets: []string{Fingerprint([]byte("a"))}, TURNSecrets: []string{Fingerprint([]byte("b"))},
	}
}

// TestEverythingIsAnnounced holds full to the fields, and each to the way there
// and back.
func TestEverythingIsAnnounced(t *testing.T) {
	t.Parallel()
	v := reflect.ValueOf(full())
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not in full", v.Type().Field(i).Name)
		}
	}
	want := Node{ID: "a", Epoch: "E", URL: "https://a", Region: "eu", Announcement: full()}
	text, err := encode(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode("a/E", string(text))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("decode(%s) = %+v, %v", text, got, err)
	}
	want.TURN = make([]string, maxAnnounce)
	if _, err := encode(want); err == nil {
		t.Error("an announcement that nobody would read is written")
	}
}

// FuzzNode looks for a node that is read, written, and is another one then, or is
// out of its bounds.
func FuzzNode(f *testing.F) {
	text, err := encode(Node{URL: "https://a", Announcement: full()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a/E", string(text))
	f.Add("a/E", `{"v":1,"x":0}`)
	f.Fuzz(func(t *testing.T, field, text string) {
		n, err := decode(field, text)
		if err != nil {
			return
		}
		if CheckID(n.ID) != nil || n.ID+"/"+n.Epoch != field || len(n.TURN) > maxList || len(n.URL) > maxText || n.Allocations < 0 {
			t.Fatalf("decode(%q, %q) = %+v", field, text, n)
		}
		again, err := encode(n)
		if err != nil {
			return // what was short may be longer in our spelling
		}
		m, err := decode(field, string(again))
		if err != nil {
			t.Fatalf("decode(%q): %v", again, err)
		}
		if twice, err := encode(m); err != nil || string(twice) != string(again) {
			t.Fatalf("%q becomes %q", again, twice)
		}
	})
}

// FuzzMessage looks for a message that is taken and is not what was sent.
func FuzzMessage(f *testing.F) {
	f.Add("a/E", "1", "kind", "body")
	f.Add("", "-1", "", "\xff")
	f.Fuzz(func(t *testing.T, from, n, kind, body string) {
		m, err := parseMessage(map[string]string{"f": from, "n": n, "k": kind, "b": body})
		if err != nil {
			return
		}
		if m.from+"/"+m.epoch != from || CheckID(m.from) != nil || m.kind != kind || kind == "" || len(kind) > maxKind || string(m.body) != body || len(body) > MaxMessage {
			t.Fatalf("parseMessage(%q, %q, %q, %q) = %+v", from, n, kind, body, m)
		}
	})
}

// FuzzID looks for an id of a stream that is another one when it is written.
func FuzzID(f *testing.F) {
	f.Add("1-2")
	f.Add("18446744073709551615-0")
	f.Fuzz(func(t *testing.T, text string) {
		if i, err := parseID(text); err == nil && i.String() != text {
			t.Fatalf("parseID(%q) is %s", text, i)
		}
	})
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	node := func(id string, secrets ...string) Node {
		return Node{ID: id, Self: id == "me", Announcement: Announcement{RoomSecrets: secrets[:1], TURNSecrets: secrets}}
	}
	for name, c := range map[string]struct {
		nodes []Node
		want  []string
	}{
		"the same":               {[]Node{node("b", "1", "2"), node("me", "1", "2")}, nil},
		"another":                {[]Node{node("b", "1"), node("me", "2")}, []string{"node b has another ROOM_SECRET", "node b has another TURN_SECRET"}},
		"a turn in the middle":   {[]Node{{ID: "b", Announcement: Announcement{TURNSecrets: []string{"2", "1"}}}, {ID: "me", Self: true, Announcement: Announcement{TURNSecrets: []string{"1", "2"}}}}, nil},
		"we do not know theirs":  {[]Node{{ID: "b", Announcement: Announcement{TURNSecrets: []string{"2", "1"}}}, {ID: "me", Self: true, Announcement: Announcement{TURNSecrets: []string{"1"}}}}, []string{"node b uses a TURN_SECRET that this node does not know"}},
		"they do not know ours":  {[]Node{{ID: "b", Announcement: Announcement{TURNSecrets: []string{"1"}}}, {ID: "me", Self: true, Announcement: Announcement{TURNSecrets: []string{"2", "1"}}}}, []string{"this node uses a TURN_SECRET that node b does not know"}},
		"one has no such secret": {[]Node{{ID: "b"}, node("me", "1")}, nil},
	} {
		got := differences(c.nodes)
		if len(got) != len(c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(got[i], want) {
				t.Errorf("%s: %q, want one that begins with %q", name, got[i], want)
			}
		}
	}
	if a, b := Fingerprint([]byte("a")), Fingerprint([]byte("b")); a == b || len(a) != 16 {
		t.Errorf("fingerprints: %s, %s", a, b)
	}
}
