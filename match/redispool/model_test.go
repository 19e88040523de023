package redispool

import (
	"slices"
	"strings"
	"testing"
)

// The search steps the table of commit.go through every order in which things can
// happen to three visitors at two nodes, and every fault at every moment. What is
// bounded is how many faults there are: each case says so.
//
// The promises that it holds are these. Nobody is told of a second match while the
// first holds, or of himself, or of somebody who had left or had a partner before
// he was asked; who has waited is told only of a room that the one who came was
// told of; and no node says yes for somebody who has left, as a look at his
// connection shows. And nobody is lost: once the faults are over, all ways from any world
// end with everybody told for whom there is somebody, and with nobody alone in a room.
// And there are few ghosts, as we call who is told of a room to which the other one
// does not come: on no way are there more than faults, early timers and visitors who
// have left. Messages arrive in any order, which is more than Redis streams do.

// sole is a world in which one of all faults may happen. Nobody leaves, but with
// his node.
func sole() faults {
	return faults{any: 1, comeback: 1, lose: 1, lease: 1, crash: 1, empty: 1, failover: 1, unreached: 1}
}

// Why somebody can be in a room to which the other one does not come, until the
// timer of the room ends it.
const (
	leftA    = "A has left"
	leftB    = "B has left"
	withdrew = "A had to take it back"
	crashedA = "A was on a node that crashed"
	crashedB = "B was on a node that crashed"
)

func TestSearch(t *testing.T) {
	t.Parallel()
	leave := []string{leftA, leftB}
	for _, c := range []struct {
		name   string
		laws   laws
		faults faults
		ghosts []string // these and no others
	}{
		{"nothing fails and all may leave", laws{}, faults{leavers: visitors}, leave},
		{"two tabs of one user", laws{oneUser: true}, faults{leavers: visitors}, leave},
		{"somebody is heard at the wrong moment", laws{}, faults{leavers: 1, busy: 1}, leave},
		{"two who wait look around", laws{}, faults{leavers: 1, looks: 2}, leave},
		{"one steps back", laws{}, faults{back: 1}, nil},
		{"nobody leaves and Redis loses its last write", laws{}, faults{any: 1, failover: 1}, nil},
		{"nobody leaves and a timer runs out early", laws{}, faults{slow: 1}, []string{withdrew}},
		{"one fault", laws{}, sole(), []string{withdrew, crashedA, crashedB}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSearch(c.laws, c.faults, 1e6)
			holds(t, s)
			for why := range s.ghosts {
				if !slices.Contains(c.ghosts, why) {
					t.Errorf("there are ghosts because %s, want only because of %q", why, c.ghosts)
				}
			}
		})
	}
}

// holds runs a search that must find no broken promise, and nobody lost.
func holds(t *testing.T, s *search) {
	t.Helper()
	if found, trace := s.verdict(t); found != "" {
		t.Fatalf("%s:\n%s", found, strings.Join(trace, "\n"))
	}
	t.Logf("%s: 0 violations in %v", t.Name(), s)
}

// verdict is what the search has found, and the way there.
func (s *search) verdict(t *testing.T) (found string, trace []string) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
	if s.broken != "" {
		return s.broken, s.trace(s.at, s.last)
	}
	if id, why, lost := s.lost(); lost {
		return why, s.trace(id, maxHow)
	}
	if most := s.mostGhosts(); int(most) > s.root.left.causes() {
		return tooManyGhosts, nil
	}
	return "", nil
}

// TestPlanted leaves a part of the protocol out: the search must see what it was
// there for.
func TestPlanted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		laws   laws
		faults faults
		want   string
	}{
		{"without the commit", laws{noCommit: true}, faults{leavers: 1}, toldOfNobody},
		{"without the commit, when Redis loses its last write", laws{noCommit: true}, faults{any: 1, failover: 1}, toldOfNobody},
		{"without generations", laws{noGenerations: true}, faults{slow: 2}, toldOfNobody},
		{"without epochs, when a node crashes", laws{noEpoch: true}, faults{leavers: 1, any: 1, crash: 1, comeback: 1}, toldOfNobody},
		{"without a look at the connection", laws{noLook: true}, faults{leavers: 1}, unseen},
		{"with a C that counts when it is late", laws{lateCommit: true}, faults{slow: 1}, toldTwice},
		{"without the timer of a room", laws{noRoomTimer: true}, faults{leavers: 1}, forsaken},
		{"without a look for who is lacking, when an answer is lost", laws{noLacking: true}, faults{any: 1, lose: 1}, stuck},
		{"without a look for who is lacking, when Redis loses its last write", laws{noLacking: true}, faults{any: 1, failover: 1}, stuck},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSearch(c.laws, c.faults, 1e6)
			found, trace := s.verdict(t)
			if found != c.want {
				t.Errorf("the search found %q, want %q", found, c.want)
			}
			t.Logf("%s: found after %d states: %s. The shortest way there has %d steps:\n  %s",
				c.name, len(s.from), found, len(trace), strings.Join(trace, "\n  "))
		})
	}
}
