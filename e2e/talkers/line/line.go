// Package line is what the command talkers is told and what it tells, an object of
// JSON a line. What it means is in the command's own words.
package line

import "time"

// The orders.
const (
	Talk   = "talk"   // look for the friend, and talk with him
	Hush   = "hush"   // say nothing more, and go on hearing
	Deaf   = "deaf"   // take nothing from the chat for a while
	Report = "report" // complain about the friend
	Leave  = "leave"  // for good
)

// Order is what somebody shall do.
type Order struct {
	Do    string   `json:"do"`
	ID    string   `json:"id"`
	URL   string   `json:"url,omitempty"`   // Talk: of the server
	Tag   string   `json:"tag,omitempty"`   // Talk: the friend has the same, and nobody else
	Relay bool     `json:"relay,omitempty"` // Talk: he hides his address
	Mark  string   `json:"mark,omitempty"`  // Talk: a part of all that he says
	Every Duration `json:"every,omitempty"` // Talk: between two things that he says
	For   Duration `json:"for,omitempty"`   // Deaf
}

// What happens.
const (
	Asks        = "asks"      // for the friend
	Met         = "met"       // the chat has begun; Path
	Said        = "said"      // message N
	Heard       = "heard"     // message N of From
	Delivered   = "delivered" // message N, to the friend
	Path        = "path"      // is Path now
	Interrupted = "interrupted"
	Restored    = "restored"
	Left        = "left"     // the friend has
	Lost        = "lost"     // the chat has ended by itself
	Hushed      = "hushed"   // N messages were said in all
	Reported    = "reported" // Why: it was not taken
	Failed      = "failed"   // to find the friend, or to say something: Why
	Parted      = "parted"   // he is gone; the last of him
)

// News is what has happened to somebody.
type News struct {
	ID   string `json:"id"`
	What string `json:"what"`
	From string `json:"from,omitempty"`
	N    int    `json:"n,omitempty"`
	Path string `json:"path,omitempty"`
	Why  string `json:"why,omitempty"`
	At   int64  `json:"at"` // nanoseconds since 1970
}

// Duration is written as Go writes it, such as 500ms.
type Duration time.Duration

// UnmarshalText reads it.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// MarshalText writes it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }
