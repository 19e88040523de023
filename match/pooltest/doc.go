// Package pooltest holds what every match.Pool promises: Checks, one for each
// promise, which run on any clock, and Story, which lets random visitors come
// and go on a fake clock and compares what the pool does with the rules as a
// plain list has them.
//
// It promises that a pool which passes keeps DESIGN.md §8: nobody is matched
// with somebody who has left, with himself, twice, or with the same partner
// again soon; nobody waits while a fitting partner waits; everybody is matched
// or told. How fast a pool is it leaves to benchmarks.
package pooltest
