//go:build redis && !race

package redispool

import "testing"

// TestSearchWhole is TestSearch with more faults: some millions of worlds.
func TestSearchWhole(t *testing.T) {
	two, late, leave, looks := sole(), sole(), sole(), sole()
	two.any, two.lose, two.lease, two.unreached = 2, 2, 2, 2
	late.slow = 1
	leave.leavers = 1
	looks.looks = 1
	for _, c := range []struct {
		name   string
		laws   laws
		faults faults
	}{
		{"two faults", laws{}, two},
		{"one fault and an early timer", laws{}, late},
		{"one fault and one may leave", laws{}, leave},
		{"one fault and a look around", laws{}, looks},
		{"one fault and two tabs of one user", laws{oneUser: true}, sole()},
		{"somebody steps back and one leaves", laws{}, faults{leavers: 1, back: 1, looks: 1}},
		{"an early timer and all may leave", laws{}, faults{leavers: visitors, slow: 1}},
		{"two early timers", laws{}, faults{leavers: 1, slow: 2}},
	} {
		t.Run(c.name, func(t *testing.T) { holds(t, newSearch(c.laws, c.faults, 2e7)) })
	}
}
