package relays

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// movers are nodes that keep some rooms, whose members are sent fresh ICE servers.
type movers struct {
	mu    sync.Mutex
	keeps map[string][]string // rooms, by node
	moved map[string][]string // to which relay, by room: of side A
}

// on has a node send the members of its rooms elsewhere.
func (m *movers) on(f *Fleet) {
	f.OnMove(func(which func(string) bool) (sent int) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, room := range m.keeps[f.cfg.Node] {
			if which(room) {
				relay, _ := f.Place(Seat{Room: room, Home: true})
				m.moved[room] = append(m.moved[room], relay.ID)
				sent++
			}
		}
		return sent
	})
}

// keep has a node keep rooms.
func (m *movers) keep(node string, rooms ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keeps[node] = rooms
}

// was is where the members of a room were sent to since it was asked last.
func (m *movers) was(room string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer delete(m.moved, room)
	return m.moved[room]
}

// moving is three nodes whose rooms are moved.
func moving(t *testing.T) (b *bus, m *movers, f []*Fleet) {
	t.Helper()
	b, m = newBus(), &movers{keeps: map[string][]string{}, moved: map[string][]string{}}
	for _, id := range []string{"n1", "n2", "n3"} {
		fleet := b.node(t, id, "", newMemo(id))
		m.on(fleet)
		f = append(f, fleet)
	}
	pass(2 * tickEvery)
	return b, m, f
}

// TestMembersAreSentElsewhereWhenTheirRelayGoes holds that those of rooms whose relay
// drains or dies are sent to another one, at once and once, and nobody else is.
func TestMembersAreSentElsewhereWhenTheirRelayGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, m, f := moving(t)
		m.keep("n1", "away", "own")
		f[0].Place(Seat{Room: "away", Home: true, Relay: "n2", Partner: "n2"})
		f[0].Place(Seat{Room: "own", Home: true, Relay: "n1", Partner: "n2"})
		pass(2 * tickEvery)
		if got := append(m.was("away"), m.was("own")...); len(got) != 0 {
			t.Fatalf("while all is well members are sent to %q", got)
		}
		b.drain(f[1])
		pass(3 * tickEvery)
		if got := m.was("away"); len(got) == 0 || slices.Contains(got, "n2") || len(got) > 2 {
			t.Errorf("after n2 drains the members of its room are sent to %q, want once or twice to another one", got)
		}
		if got := m.was("own"); len(got) != 0 {
			t.Errorf("those of a room that n1 relays for are sent to %q", got)
		}
		pass(5 * tickEvery)
		if got := m.was("away"); len(got) != 0 {
			t.Errorf("later the members are sent to %q again", got)
		}
		b.drain(f[0])
		pass(3 * tickEvery)
		if got := m.was("own"); !slices.Contains(got, "n3") {
			t.Errorf("after n1 drains the members of its room are sent to %q, want n3", got)
		}
		f[0].EndRoom("own")
		f[0].EndRoom("away")
		if n := f[0].given.Len(); n != 0 {
			t.Errorf("%d rooms are known that have ended", n)
		}
	})
}

// TestARoomThatMovesTakesBothAlong has n1, which keeps and relays a room, die: when one
// of the two has come back to n2, where the other one's lobby was, the other one is sent
// to the same relay as he.
func TestARoomThatMovesTakesBothAlong(t *testing.T) {
	t.Parallel()
	for name, known := range map[string]bool{"to where one was met": true, "to a third node": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, m, f := moving(t)
				f[0].Place(Seat{Room: "room", Home: true, Relay: "n1", Partner: "n2"})
				if known {
					f[1].Place(Seat{Room: "room", Relay: "n1", Partner: "n1"})
				}
				b.set(func() { delete(b.nodes, "n1") })
				pass(2 * tickEvery)
				relay, _ := f[1].Place(Seat{Room: "room", Home: true}) // one comes back
				m.keep("n2", "room")
				pass(2 * tickEvery)
				if got := m.was("room"); relay.ID != "n2" || len(got) == 0 || got[0] != "n2" {
					t.Errorf("one is sent to %q, both then to %q; want n2", relay.ID, got)
				}
				pass(5 * tickEvery)
				if got := m.was("room"); len(got) != 0 {
					t.Errorf("later they are sent to %q again", got)
				}
			})
		})
	}
}
