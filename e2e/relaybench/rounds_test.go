//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestRoundsEndInTime holds that a run ends at its deadline, however long a server
// takes, with what there is by then, and that it says so.
func TestRoundsEndInTime(t *testing.T) {
	t.Parallel()
	const limit = 10 * time.Minute
	errLost := errors.New("a packet with another byte")
	for name, c := range map[string]struct {
		takes func(played int) time.Duration
		fails func(played int) error
		want  int // bouts that were played to the end
		took  time.Duration
		says  string
		err   error
	}{
		"enough time": {
			takes: func(int) time.Duration { return 90 * time.Second }, want: 6, took: 9 * time.Minute,
		},
		"no time for the last round": {
			takes: func(int) time.Duration { return 2 * time.Minute }, want: 4, took: 8 * time.Minute,
			says: "2 of 3 rounds: there was no time for more\n",
		},
		"the last round takes longer than those before it": {
			takes: func(played int) time.Duration { return time.Duration(1+played/4*7) * time.Minute }, want: 4, took: limit,
			says: "CUT after 10m0s in round 3 of 3, at coturn: there was no time for more\n",
		},
		"the first round takes too long": {
			takes: func(int) time.Duration { return time.Hour }, took: limit,
			says: "CUT after 10m0s in round 1 of 3, at coturn: there was no time for more\n",
		},
		"a fault": {
			takes: func(int) time.Duration { return time.Minute }, fails: func(played int) error {
				if played == 2 {
					return errLost
				}
				return nil
			}, want: 2, took: 3 * time.Minute, err: errLost,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				began, played := time.Now(), []string{}
				notice, err := plan{rounds: 3, servers: []string{coturn, planeBatch}}.play(ctx, func(ctx context.Context, round int, server string) error {
					select {
					case <-ctx.Done():
						return fmt.Errorf("receive: %w", ctx.Err())
					case <-time.After(c.takes(len(played))):
					}
					if c.fails != nil && c.fails(len(played)) != nil {
						return c.fails(len(played))
					}
					played = append(played, fmt.Sprint(round, server))
					return nil
				}, io.Discard)
				if !errors.Is(err, c.err) || notice != c.says {
					t.Errorf("play() = %q, %v, want %q, %v", notice, err, c.says, c.err)
				}
				if took := time.Since(began); took != c.took {
					t.Errorf("it took %v, want %v", took, c.took)
				}
				if want := []string{"0coturn", "0batch", "1coturn", "1batch", "2coturn", "2batch"}[:c.want]; !slices.Equal(played, want) {
					t.Errorf("played %v, want %v", played, want)
				}
			})
		})
	}
}
