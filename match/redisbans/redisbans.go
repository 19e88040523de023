// Package redisbans keeps the bans of a fleet in Redis, so that a node which was
// down learns those that hold, and those that were lifted.
//
// It promises that what a node saves is what others load, and bounds how much that
// is. It knows nothing of what it keeps: neither addresses nor devices are in it,
// only hashes of them. What they mean, and which of two counts, is match's business;
// so is Redis that loses everything: each node has all bans, and saves them again.
package redisbans

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/rueidis"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
)

const (
	// key is a hash of all records, by their marks.
	key = redisdb.Prefix + "bans"
	// maxKept is how many records are kept: as many as a node remembers. It may be
	// exceeded by what all nodes save at one moment.
	maxKept = 1 << 13
	// life is how long they are kept without a change: the longest ban, and a day.
	life = 31 * 24 * time.Hour
)

// ErrFull means that no more is kept.
var ErrFull = errors.New("redis keeps as many bans as it may")

// Store is a match.BanStore. It is safe for concurrent use.
type Store struct {
	db *redisdb.DB
}

// New returns the store of a Redis.
func New(db *redisdb.DB) *Store { return &Store{db} }

// Watch implements match.BanStore: Redis may have come back empty, or with what
// others have saved. It is called before the DB is served.
func (s *Store) Watch(back func()) {
	s.db.Watch(func(up bool) {
		if up {
			back()
		}
	})
}

// Load implements match.BanStore.
func (s *Store) Load(ctx context.Context) (map[string][]byte, error) {
	c := s.db.Client()
	texts, err := c.Do(ctx, c.B().Hgetall().Key(key).Build()).AsStrMap()
	if err != nil {
		return nil, fmt.Errorf("load the bans: %w", err)
	}
	kept := make(map[string][]byte, len(texts))
	for mark, text := range texts {
		kept[mark] = []byte(text)
	}
	return kept, nil
}

// Save implements match.BanStore. It is ErrFull if there is no room for put.
func (s *Store) Save(ctx context.Context, put map[string][]byte, drop []string) error {
	c := s.db.Client()
	if len(drop) > 0 {
		if err := c.Do(ctx, c.B().Hdel().Key(key).Field(drop...).Build()).Error(); err != nil {
			return fmt.Errorf("drop bans: %w", err)
		}
	}
	if len(put) == 0 {
		return nil
	}
	n, err := c.Do(ctx, c.B().Hlen().Key(key).Build()).AsInt64()
	switch {
	case err != nil:
		return fmt.Errorf("count the bans: %w", err)
	case n+int64(len(put)) > maxKept: // some may only replace others: then it is worth no look
		return ErrFull
	}
	set := c.B().Hset().Key(key).FieldValue()
	for mark, text := range put {
		set = set.FieldValue(mark, rueidis.BinaryString(text))
	}
	keep := c.B().Pexpire().Key(key).Milliseconds(life.Milliseconds()).Build()
	for _, done := range c.DoMulti(ctx, set.Build(), keep) {
		if err := done.Error(); err != nil {
			return fmt.Errorf("save bans: %w", err)
		}
	}
	return nil
}
