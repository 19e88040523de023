package lab

import (
	"errors"
	"time"
)

// The bounds of a run.
const (
	DefaultRounds   = 3
	MaxRounds       = 100
	DefaultMessages = 20
	MaxParallel     = 16
)

// Config says what to run.
type Config struct {
	Pairs    []Pair
	Rounds   int    // chats of each pair, 1 to MaxRounds
	Messages int    // each way in each chat, 1 to MaxMessages
	Parallel int    // pairs at a time, 1 to MaxParallel
	Browser  bool   // two Chromium in place of native peers
	Program  string // file of wasmp2pchat: it serves, and is the visitors

	OnResult func(r Result, done, of int) // told of each pair when it is through, one at a time; may be nil
}

func (c *Config) check() error {
	switch {
	case c.Rounds < 1 || c.Rounds > MaxRounds:
		return errors.New("want 1 to 100 rounds")
	case c.Messages < 1 || c.Messages > MaxMessages:
		return errors.New("want 1 to 60 messages")
	case c.Parallel < 1 || c.Parallel > MaxParallel:
		return errors.New("want 1 to 16 pairs at a time")
	}
	return nil
}

// roundTimeout bounds one chat, to its end.
const roundTimeout = meetTimeout + talkTimeout + 10*time.Second
