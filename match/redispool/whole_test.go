//go:build redis

package redispool

import "testing"

// TestSearchWhole is TestSearch with more faults: some ten million worlds.
func TestSearchWhole(t *testing.T) {
	two, late := sole(), sole()
	two.any, two.lose, two.lease = 2, 2, 2
	late.slow = 1
	all := sole()
	all.leavers, all.busy = visitors, 1
	for _, c := range []struct {
		name   string
		laws   laws
		faults faults
	}{
		{"two faults", laws{}, two},
		{"one fault and an early timer", laws{}, late},
		{"one fault and all may leave", laws{}, all},
		{"one fault and two tabs of one user", laws{oneUser: true}, sole()},
		{"two early timers", laws{}, faults{leavers: 1, slow: 2}},
		{"three early timers and nobody leaves", laws{}, faults{slow: 3}},
	} {
		t.Run(c.name, func(t *testing.T) { holds(t, newSearch(c.laws, c.faults, 2e7)) })
	}
}
