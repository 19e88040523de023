package kinrooms

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeLine is a line whose other processes are the test.
type fakeLine struct {
	node  string
	on    map[string]func(from string, body []byte)
	watch func(kin []string)

	mu   sync.Mutex // guards the fields below
	kin  []string
	told []letter
}

// letter is something that was told.
type letter struct{ node, kind, body string }

func (l *fakeLine) Node() string { return l.node }

func (l *fakeLine) Kin() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.kin)
}

func (l *fakeLine) Watch(watch func([]string)) { l.watch = watch }

func (l *fakeLine) On(kind string, heard func(string, []byte)) { l.on[kind] = heard }

func (l *fakeLine) Tell(node, kind string, body []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, letter{node, kind, string(body)})
}

// live says who lives from now on, and tells it.
func (l *fakeLine) live(kin ...string) {
	l.mu.Lock()
	l.kin = kin
	l.mu.Unlock()
	l.watch(nil) // which is not looked at: of two that are told at once either may come last
}

// take is what was told since the last time.
func (l *fakeLine) take() []letter {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := l.told
	l.told = nil
	return told
}

// fakeRooms keep what they are said to keep.
type fakeRooms struct {
	kept   []string
	died   []string
	frames []string
}

func (r *fakeRooms) Receive(frame []byte) { r.frames = append(r.frames, string(frame)) }
func (r *fakeRooms) Retire() []string     { return r.kept }
func (r *fakeRooms) Died(node string)     { r.died = append(r.died, node) }

// open is process of a line.
func open(node string, kin ...string) (*Kin, *fakeLine, *fakeRooms) {
	l, r := &fakeLine{node: node, kin: kin, on: map[string]func(string, []byte){}}, &fakeRooms{}
	k := New(l)
	k.Join(r)
	return k, l, r
}

// must is the answer to Claim.
func must(t *testing.T, k *Kin, room, want string) {
	t.Helper()
	if got, err := k.Claim(t.Context(), room); got != want || err != nil {
		t.Errorf("Claim(%s) = %q, %v; want %q", room, got, err, want)
	}
}

// will is that of several processes.
func will(all map[string][]string) []byte { return appendWill(nil, all) }

// ask is a question of a process; the answer is what is told then.
func (l *fakeLine) ask(t *testing.T, from string, q question) answer {
	t.Helper()
	l.on[toldAsk](from, text(&q))
	told := l.take()
	var a answer
	if len(told) != 1 || told[0].node != from || told[0].kind != toldAnswer || json.Unmarshal([]byte(told[0].body), &a) != nil || a.Number != q.Number {
		t.Fatalf("the answer to %s is %v", from, told)
	}
	return a
}

func TestTheOneThatServesDecides(t *testing.T) {
	t.Parallel()
	k, l, r := open("3", "1", "2")
	if err := k.Inherit(will(map[string][]string{"1": {"a", "b"}, "2": {"c", "d"}})); err != nil {
		t.Fatal(err)
	}
	for room, home := range map[string]string{"a": "1", "b": "1", "c": "2", "d": "2", "new": "3"} {
		must(t, k, room, home)
	}
	if a := l.ask(t, "1", question{Number: 7, Room: "c"}); a.Node != "2" {
		t.Errorf("answer = %+v, want 2", a)
	}
	if a := l.ask(t, "1", question{Number: 8, Room: "a"}); a.Node != "3" {
		t.Errorf("answer = %+v to who does not keep the room any more, want 3", a)
	}
	must(t, k, "a", "3")
	if node, err := k.TakeOver(t.Context(), "c", "2"); node != "3" || err != nil {
		t.Errorf("TakeOver(c, 2) = %q, %v; want 3", node, err)
	}
	if node, err := k.TakeOver(t.Context(), "d", "1"); node != "2" || err != nil {
		t.Errorf("TakeOver(d, 1) = %q, %v; want 2, which does answer", node, err)
	}
	l.live("2")
	must(t, k, "b", "3")
	if k.Alone() || !slices.Equal(r.died, []string{"1"}) {
		t.Errorf("Alone() = %v, died %v; want 1 dead", k.Alone(), r.died)
	}
	l.live()
	if !k.Alone() || len(k.keepers) != 0 {
		t.Errorf("Alone() = %v with %d rooms of others, want true and none", k.Alone(), len(k.keepers))
	}
	if told := l.take(); len(told) != 0 {
		t.Errorf("%v was told: who serves asks nobody", told)
	}
}

// TestAWillIsHandedOn with the rooms of all who live.
func TestAWillIsHandedOn(t *testing.T) {
	t.Parallel()
	k, l, r := open("2", "1")
	if err := k.Inherit(will(map[string][]string{"1": {"a"}})); err != nil {
		t.Fatal(err)
	}
	r.kept = []string{"b"}
	k.Pause()
	all, err := parseWill(k.Will())
	if want := map[string][]string{"1": {"a"}, "2": {"b"}}; err != nil || !reflect.DeepEqual(all, want) {
		t.Errorf("the will says %v, %v; want %v", all, err, want)
	}
	l.on[toldAsk]("1", text(&question{Number: 1, Room: "x"}))
	if told := l.take(); len(told) != 0 {
		t.Errorf("%v was told while nobody decides", told)
	}
	l.live("1", "3")
	k.Retire()
	if told, want := l.take(), []letter{{"1", toldAnswer, `{"n":1,"ask":"3"}`}}; !slices.Equal(told, want) {
		t.Errorf("%v was told, want %v", told, want)
	}
}

// TestAnOldProcessAsks who decides, whoever that is by now.
func TestAnOldProcessAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, l, _ := open("1")
		k.Pause()
		if k.Alone() {
			t.Error("Alone() in a pause, want false: an heir is about to come")
		}
		l.live("2")
		k.Retire()
		claimed := make(chan string)
		claim := func(room string) {
			node, err := k.Claim(t.Context(), room)
			claimed <- fmt.Sprint(node, err)
		}
		go claim("a")
		synctest.Wait()
		mustAsk(t, l, "2", `{"n":1,"room":"a"}`)
		l.on[toldAnswer]("2", []byte(`{"n":1,"ask":"3"}`)) // of which nobody has heard here
		synctest.Wait()
		if told := l.take(); len(told) != 0 {
			t.Errorf("%v was told, want nothing before 3 is there", told)
		}
		l.live("2", "3")
		synctest.Wait()
		mustAsk(t, l, "3", `{"n":2,"room":"a"}`)
		l.on[toldAnswer]("3", []byte(`{"n":2,"node":"2"}`))
		if got := <-claimed; got != "2<nil>" {
			t.Errorf("Claim = %s, want 2", got)
		}

		go claim("b")
		synctest.Wait()
		mustAsk(t, l, "3", `{"n":3,"room":"b"}`)
		l.live("2", "4") // 3 has ended before it has answered
		synctest.Wait()
		mustAsk(t, l, "4", `{"n":4,"room":"b"}`)
		l.on[toldAnswer]("4", []byte(`{"n":3,"node":"2"}`)) // to a question that nobody asks any more
		l.on[toldAnswer]("4", []byte(`{"n":4,"node":"4"}`))
		l.on[toldAnswer]("4", []byte(`{"n":4,"node":"2"}`))
		if got := <-claimed; got != "4<nil>" {
			t.Errorf("Claim = %s, want 4", got)
		}

		start := time.Now()
		go claim("c")
		if got := <-claimed; !strings.Contains(got, errNobody.Error()) || time.Since(start) != askWithin {
			t.Errorf("Claim = %s after %v, want nobody's answer after %v", got, time.Since(start), askWithin)
		}
		if node, err := k.TakeOver(t.Context(), "c", "4"); err == nil {
			t.Errorf("TakeOver = %q from who decides, want an error", node)
		}
		l.live()
		must(t, k, "d", "1") // nobody else is left
		if len(k.asked) != 0 {
			t.Errorf("%d questions are left", len(k.asked))
		}
	})
}

func mustAsk(t *testing.T, l *fakeLine, node, body string) {
	t.Helper()
	if told, want := l.take(), []letter{{node, toldAsk, body}}; !slices.Equal(told, want) {
		t.Errorf("%v was told, want %v", told, want)
	}
}

// TestAPauseThatDoesNotEnd keeps nobody for ever.
func TestAPauseThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, l, _ := open("2", "1")
		k.Pause()
		start := time.Now()
		if node, err := k.Claim(t.Context(), "a"); err == nil || time.Since(start) != pausedFor {
			t.Errorf("Claim = %q after %v, want an error after %v", node, time.Since(start), pausedFor)
		}
		for range maxEarly + 1 {
			l.on[toldAsk]("1", []byte(`{"n":1,"room":"a"}`))
		}
		if len(k.early) != maxEarly {
			t.Errorf("%d questions wait, want %d", len(k.early), maxEarly)
		}
		k.Resume()
		must(t, k, "a", "2")
		if told := l.take(); len(told) != maxEarly {
			t.Errorf("%d were answered, want %d", len(told), maxEarly)
		}
	})
}

// TestAWillIsBounded: rooms that are too many are nobody's.
func TestAWillIsBounded(t *testing.T) {
	t.Parallel()
	k, _, r := open("1")
	for n := range maxKept + 1 {
		r.kept = append(r.kept, fmt.Sprint(n))
	}
	heir, _, _ := open("2", "1")
	all := k.Will()
	if err := heir.Inherit(all); err != nil || len(heir.keepers) != maxKept {
		t.Errorf("%d rooms are known, %v; want %d", len(heir.keepers), err, maxKept)
	}
	if err := heir.Inherit(will(map[string][]string{"3": {"one more"}})); err != nil || len(heir.keepers) != maxKept {
		t.Errorf("%d rooms are known, %v; want %d", len(heir.keepers), err, maxKept)
	}
}

func FuzzWill(f *testing.F) {
	f.Add(will(map[string][]string{"1": {"a", "b"}, "2": nil}))
	f.Add([]byte{willVersion})
	f.Add([]byte{2})
	f.Add([]byte{willVersion, 1, '1', 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, in []byte) {
		all, err := parseWill(in)
		rooms := 0
		for _, list := range all {
			rooms += len(list)
		}
		if 2*rooms > len(in) {
			t.Fatalf("%d rooms in %d bytes", rooms, len(in))
		}
		maps.DeleteFunc(all, func(_ string, list []string) bool { return len(list) == 0 })
		if again, errAgain := parseWill(appendWill(nil, all)); err == nil && (errAgain != nil || !reflect.DeepEqual(again, all)) {
			t.Fatalf("%v came back as %v, %v", all, again, errAgain)
		}
	})
}

func FuzzHear(f *testing.F) {
	f.Add(`{"n":1,"room":"a"}`)
	f.Add(`{"n":1,"node":"2"}`)
	f.Add(`{"n":-1,"ask":7}`)
	f.Fuzz(func(t *testing.T, in string) {
		k, l, _ := open("2", "1")
		l.on[toldAnswer]("1", []byte(in))
		l.on[toldAsk]("1", []byte(in))
		if told := l.take(); len(told) > 1 || len(told) == 1 && (told[0].node != "1" || told[0].kind != toldAnswer) {
			t.Fatalf("%q has led to %v", in, told)
		}
		if len(k.asked)+len(k.keepers)+len(k.early) != 0 {
			t.Fatalf("%q is remembered", in)
		}
	})
}
