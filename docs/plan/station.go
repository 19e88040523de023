package main

import (
	"math/rand/v2"
	"slices"
	"time"
)

// station is one server that does one thing after the other, as a core of Redis
// does: what comes meanwhile queues, and up to so many are served at once.
type station struct {
	rate    float64 // of what comes, a second; at random
	most    int     // that are served at once
	service func(r *rand.Rand, n int) float64
}

// sojourn lets many come, and says how long they are there in the mean, and 99 of
// 100 at most, and how many are served at once in the mean.
func (s station) sojourn(many int, seed uint64) (mean, at99 time.Duration, clump float64) {
	random := rand.New(rand.NewPCG(seed, uint64(many))) //nolint:gosec // a simulation, to be repeated
	comes := make([]float64, many)
	now := 0.0
	for i := range comes {
		now += random.ExpFloat64() / s.rate
		comes[i] = now
	}
	took := make([]float64, 0, many)
	free, sum, services := 0.0, 0.0, 0
	for i := 0; i < many; services++ {
		free = max(free, comes[i])
		n := 1
		for i+n < many && n < s.most && comes[i+n] <= free {
			n++
		}
		free += s.service(random, n)
		for range n {
			took = append(took, free-comes[i])
			sum += free - comes[i]
			i++
		}
	}
	slices.Sort(took)
	return duration(sum / float64(many)), duration(took[many*99/100]), float64(many) / float64(services)
}
