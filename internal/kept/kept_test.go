package kept

import (
	"fmt"
	"maps"
	"testing"
	"time"
)

func start() time.Time { return time.Unix(1_800_000_000, 0) }

// TestWhatIsOverMakesRoomFirst holds that what lives long is not forgotten for the sake
// of many that come and go.
func TestWhatIsOverMakesRoomFirst(t *testing.T) {
	t.Parallel()
	m, now := New[int](100), start()
	m.Keep("long", 1, now, now.Add(time.Hour))
	for i := range 10000 {
		now = now.Add(time.Second)
		key := fmt.Sprint(i)
		m.Keep(key, i, now, now.Add(time.Minute))
		if i%2 == 0 {
			m.Drop(key)
		}
		if now.Before(start().Add(time.Hour)) {
			if _, found := m.Find("long", now); !found {
				t.Fatalf("after %d others what lives is forgotten", i+1)
			}
		}
		if m.Len() > 100 || len(m.order) > 200 {
			t.Fatalf("%d entries and an order of %d, want at most 100 and 200", m.Len(), len(m.order))
		}
	}
	if _, found := m.Find("long", now); found {
		t.Error("what is over is found")
	}
}

// TestOfTooManyTheOldestGo holds that the latest are there however many there are.
func TestOfTooManyTheOldestGo(t *testing.T) {
	t.Parallel()
	m, now := New[int](100), start()
	for i := range 1000 {
		m.Keep(fmt.Sprint(i), i, now, now.Add(time.Hour))
		if i >= 50 {
			if got, found := m.Find(fmt.Sprint(i-50), now); !found || got != i-50 {
				t.Fatalf("of %d entries one of the latest is forgotten", i+1)
			}
		}
	}
	if m.Len() > 100 {
		t.Errorf("%d entries, want at most 100", m.Len())
	}
}

func TestKeepGivesMoreTime(t *testing.T) {
	t.Parallel()
	m, now := New[string](2), start()
	m.Keep("a", "one", now, now.Add(time.Second))
	m.Keep("a", "two", now, now.Add(time.Minute))
	m.Keep("b", "b", now, now.Add(time.Second))
	if got, found := m.Find("a", now.Add(30*time.Second)); !found || got != "two" {
		t.Errorf("Find = %q, %v; want the value that was kept last", got, found)
	}
	if got := maps.Collect(m.All(now.Add(30 * time.Second))); len(got) != 1 || got["a"] != "two" {
		t.Errorf("All = %v, want what is not over", got)
	}
	m.Drop("a")
	if _, found := m.Find("a", now); found {
		t.Error("what was dropped is found")
	}
}

func BenchmarkKeepWhenFull(b *testing.B) {
	m, now := New[int](1<<16), start()
	for i := 0; b.Loop(); i++ {
		m.Keep(fmt.Sprint(i), i, now, now.Add(time.Hour))
	}
}
