package certs

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/durable"
)

const (
	// firstPause is waited for after the first failure; each further one
	// doubles it, up to longestPause.
	firstPause   = time.Minute
	longestPause = time.Hour

	// maxRetryAfter is how long an ACME server may make us wait: Let's Encrypt
	// gives one of five certificates for a name back after 34 hours.
	maxRetryAfter = 48 * time.Hour
)

// backOff is the pause after so many failures in a row. Up to a quarter of it
// is left out by chance, so that servers that failed together come back apart.
func backOff(failures int) time.Duration {
	pause := longestPause
	if doublings := failures - 1; doublings < 6 {
		pause = min(firstPause<<max(doublings, 0), longestPause)
	}
	less, err := rand.Int(rand.Reader, big.NewInt(int64(pause/4)))
	if err != nil {
		return pause
	}
	return pause - time.Duration(less.Int64())
}

// memory is what a restart must not forget of the orders that were placed. It
// is written before an order too, so that a crash in the middle of one counts.
type memory struct {
	Failures int       `json:"failures"` // in a row
	Last     time.Time `json:"last"`     // when the last order was placed
	Next     time.Time `json:"next"`     // not before
	Reason   string    `json:"reason"`   // of the last failure
	Obtained time.Time `json:"obtained"` // when an order last succeeded
	Worked   string    `json:"worked"`   // the challenge that did it
}

// recall reads a memory.
func recall(path string) (m memory, err error) {
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return memory{}, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return memory{}, fmt.Errorf("recall earlier orders: %w: mend or remove %s", err, path)
	}
	return m, nil
}

// keep writes a memory.
func (m memory) keep(path string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := durable.Write(path, append(text, '\n')); err != nil {
		return fmt.Errorf("remember the order: %w", err)
	}
	return nil
}

// failed counts one more failure at a time, after which the server wants to
// be left alone for retryAfter.
func (m memory) failed(now time.Time, reason string, retryAfter time.Duration) memory {
	m.Failures++
	m.Last, m.Reason = now, reason
	m.Next = now.Add(max(backOff(m.Failures), min(retryAfter, maxRetryAfter)))
	return m
}

// wait is how long no order may be placed. A clock that was set back does not
// make it longer than it can be.
func (m memory) wait(now time.Time) time.Duration {
	return min(m.Next.Sub(now), maxRetryAfter)
}
