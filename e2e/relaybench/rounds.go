//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// play plays the rounds with every server in turns, as long as there is time: ctx
// has a deadline. A round that would take longer than what is left, going by those
// before it, does not begin; one that does all the same is cut. The notice, a line,
// says so; it is empty if everything was played.
func (p plan) play(ctx context.Context, play func(ctx context.Context, round int, server string) error, progress io.Writer) (notice string, err error) {
	began := time.Now()
	deadline, _ := ctx.Deadline()
	for round := range p.rounds {
		if spent := time.Since(began); round > 0 && spent/time.Duration(round) > time.Until(deadline) {
			return fmt.Sprintf("%d of %d rounds: there was no time for more\n", round, p.rounds), nil
		}
		for _, server := range p.servers {
			fmt.Fprintf(progress, "%s  round %d of %d: %s\n", time.Since(began).Round(time.Second), round+1, p.rounds, server)
			err := play(ctx, round, server)
			switch {
			case errors.Is(ctx.Err(), context.DeadlineExceeded): // whatever it says
				return fmt.Sprintf("CUT after %s in round %d of %d, at %s: there was no time for more\n",
					time.Since(began).Round(time.Second), round+1, p.rounds, server), nil
			case err != nil:
				return "", fmt.Errorf("%s: %w", server, err)
			}
		}
	}
	return "", nil
}
