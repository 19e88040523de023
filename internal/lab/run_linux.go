package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// Available says what is missing for a laboratory, and how to get it; nil if nothing
// is.
func Available(browser bool) error {
	if err := natlab.Available(); err != nil {
		return err
	}
	if browser {
		_, err := findChromium()
		return err
	}
	return nil
}

// run is a Run.
type run struct {
	Config

	dir  string // what this run writes
	cred credentials
}

// Run lets every pair meet as often as it shall, several pairs at a time, each in a
// laboratory of its own, and returns what was seen, in the order of the pairs. What
// goes wrong between two is in their result; an error is what keeps the laboratory
// itself from working. When Run returns, nothing is left.
func Run(ctx context.Context, cfg Config) (results []Result, err error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if _, err := Clean(ctx); err != nil {
		return nil, fmt.Errorf("remove what a killed run has left: %w", err)
	}
	dir, err := os.MkdirTemp("", fmt.Sprintf(folderName, os.Getpid()))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &run{Config: cfg, dir: dir}
	if r.cred, err = newCredentials(dir); err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	return r.all(ctx)
}

// all runs the pairs.
func (r *run) all(ctx context.Context) ([]Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	results := make([]Result, len(r.Pairs))
	var workers sync.WaitGroup
	var mu sync.Mutex // guards done, and calls of OnResult
	done := 0
	for range min(r.Parallel, len(r.Pairs)) {
		workers.Go(func() {
			for i := range next {
				result, err := r.pair(ctx, r.Pairs[i], filepath.Join(r.dir, fmt.Sprint(i)))
				if err != nil {
					cancel(fmt.Errorf("%s: %w", r.Pairs[i].Name(), err))
					continue
				}
				mu.Lock()
				results[i] = result
				if done++; r.OnResult != nil {
					r.OnResult(result, done, len(r.Pairs))
				}
				mu.Unlock()
			}
		})
	}
	for i := range r.Pairs {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()
	return results, context.Cause(ctx)
}

// pair lets two people meet as often as they shall.
func (r *run) pair(ctx context.Context, p Pair, dir string) (result Result, err error) {
	result = Result{Pair: p, Best: Best(p)}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return result, err
	}
	t, err := r.newTown(ctx, p, dir)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	people, err := r.people(ctx, t)
	if err != nil {
		return result, err
	}
	defer func() {
		for _, one := range people {
			one.close()
		}
	}()
	for range r.Rounds {
		round, err := r.round(ctx, p, people)
		if err != nil {
			return result, fmt.Errorf("%w; the server said: %s", err, t.said())
		}
		result.Rounds = append(result.Rounds, round)
	}
	return result, nil
}

// person is one of the two.
type person interface {
	// do carries out an order, and returns what came of it. An error is that he is
	// no more.
	do(ctx context.Context, order Order) (Account, error)
	close() // ends him
}

// people are somebody on each side.
func (r *run) people(ctx context.Context, t *town) (people [2]person, err error) {
	for side := range people {
		if r.Browser {
			people[side], err = r.newBrowser(ctx, t, natlab.Side(side))
		} else {
			people[side], err = r.newChild(ctx, t, natlab.Side(side))
		}
		if err != nil {
			if side > 0 {
				people[0].close()
			}
			return people, fmt.Errorf("visitor %v: %w", natlab.Side(side), err)
		}
	}
	return people, nil
}

// round lets the two press START at once, and leave when both have heard all.
func (r *run) round(ctx context.Context, p Pair, people [2]person) (Round, error) {
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	began := time.Now()
	both := func(order Order) (said [2]Account, err error) {
		var errs [2]error
		var all sync.WaitGroup
		for side, one := range people {
			all.Go(func() { said[side], errs[side] = one.do(ctx, order) })
		}
		all.Wait()
		return said, errors.Join(errs[:]...)
	}
	said, err := both(Order{Do: meet, RelayOnly: p.RelayOnly, Messages: r.Messages})
	if err == nil {
		_, err = both(Order{Do: part})
	}
	return together(said, time.Since(began)), err
}
