package redisdb

import (
	"context"
	"crypto/rand"
	"errors"
	"math/big"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// How a connection is kept.
const (
	askEvery     = time.Second
	askTimeout   = 1500 * time.Millisecond // longer than writeTimeout, which ends it: with askEvery, silence is noticed within 2 s, and within 3 s if a dial is under way
	firstPause   = 50 * time.Millisecond   // before a second try; it doubles up to
	longestPause = 2 * time.Second
	memory       = time.Minute // how long the server keeps the mark by which we see that it forgot
)

// Why there is no line.
var (
	errForgot = errors.New("the server forgot what was written: it was restarted, or a replica took over")
	errSilent = errors.New("it says nothing when it is spoken to in TLS: look at the port, or write redis:// instead of rediss://")
	errEnds   = errors.New("it ends each connection: look at the port, and write rediss:// if it wants TLS there")
)

// keep connects, over and over, until ctx ends.
func (db *DB) keep(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		db.tries.Add(1)
		line, err := db.greet(ctx)
		if err == nil {
			pause = firstPause
			err = db.stay(ctx, line)
		}
		if ctx.Err() != nil {
			break
		}
		db.down(err, line == nil || !ended(err))
		if line != nil {
			line.close()
		}
		wait := time.NewTimer(jitter(pause))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
		}
		pause = min(2*pause, longestPause)
	}
	was := db.now.Load()
	db.set(absent(errors.New("this node ends")))
	if was.why == nil {
		was.line.close()
	}
}

// jitter is between a half of d and d: nodes that lost Redis together do not come
// back together.
func jitter(d time.Duration) time.Duration {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(d/2)))
	if err != nil {
		return d
	}
	return d/2 + time.Duration(n.Int64())
}

// greet connects, and finds out whether the server is one that we can use.
func (db *DB) greet(ctx context.Context) (*line, error) {
	line, err := connect(ctx, db.target)
	if err == nil {
		if err = examine(ctx, line.client); err != nil {
			line.close()
		}
	}
	switch {
	case err == nil:
		return line, nil
	case ended(err):
		return nil, errEnds
	}
	return nil, err
}

// stay has the line used, and returns why it ended.
func (db *DB) stay(ctx context.Context, l *line) error {
	mark := mark{key: Prefix + "{alive}:" + rand.Text()}
	if err := mark.ask(ctx, l.client); err != nil {
		return err
	}
	db.up(l)
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			mark.wipe(ctx, l.client)
			return ctx.Err()
		case <-l.broken:
		case <-ticker.C:
		}
		err := mark.ask(ctx, l.client)
		if ended(err) {
			err = mark.ask(ctx, l.client) // one socket did, which is not yet the server
		}
		if err != nil {
			return err
		}
	}
}

// mark is what we write each second, and look for the next time.
type mark struct {
	key string
	n   int64 // what was written last
}

// ask writes the next number, and fails unless the last one is there.
func (m *mark) ask(ctx context.Context, c rueidis.Client) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	last, err := c.Do(ctx, c.B().Set().Key(m.key).Value(strconv.FormatInt(m.n+1, 10)).Get().Px(memory).Build()).AsInt64()
	switch {
	case rueidis.IsRedisNil(err):
		last = 0
	case err != nil:
		return err
	}
	if last < m.n {
		return errForgot
	}
	m.n++
	return nil
}

// wipe takes the mark away; it goes by itself otherwise.
func (m *mark) wipe(ctx context.Context, c rueidis.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	_ = c.Do(ctx, c.B().Del().Key(m.key).Build()).Error()
}

// up has everybody use the line.
func (db *DB) up(l *line) {
	db.set(&present{client: l.client, line: l})
	if db.voice.up(time.Now()) {
		db.log.Info("redis connected", "where", db.Where(), "kind", string(l.client.Mode()))
	}
}

// down has everybody know that there is none. The line in the log is one for each
// reason: a server that stays away is not news. If say is false the next try will
// know more: a connection that ended is what each fault begins with.
func (db *DB) down(err error, say bool) {
	err = explain(err)
	if was := db.now.Load().why; was == nil || was.Error() != (&downError{err}).Error() {
		db.set(absent(err))
	}
	if say && db.voice.down(err.Error(), time.Now()) {
		db.log.Warn("redis is down", "where", db.Where(), "why", err.Error())
	}
}
