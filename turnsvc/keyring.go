package turnsvc

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxRetired bounds how many secrets that were taken away still serve live
// allocations: each costs every request an HMAC.
const maxRetired = 4

// keyring is the secrets of a server. One that is taken away opens nothing new, but
// a browser goes on signing for its live allocation with the credential that it was
// made with: for as long as that is allowed to one that has expired.
type keyring struct {
	mu  sync.Mutex // held while they are changed
	now atomic.Pointer[secrets]
}

// secrets never change.
type secrets struct {
	list    []string // newest first, then those that were taken away
	live    int      // how many verify anything
	retired []time.Time
	used    []*atomic.Int64 // when one has signed last, by the clock of credentials: Unix time, 0: never
}

// set makes these the secrets, newest first.
func (k *keyring) set(list []string, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	before := k.now.Load()
	next := &secrets{list: slices.Clone(list), live: len(list), used: make([]*atomic.Int64, len(list))}
	for i, secret := range list {
		next.used[i] = before.usedBy(secret)
	}
	if before != nil {
		for i, secret := range before.list {
			at := now
			if i >= before.live {
				at = before.retired[i-before.live]
			}
			if slices.Contains(list, secret) || now.Sub(at) >= maxOverstay || len(next.retired) == maxRetired {
				continue
			}
			next.list, next.retired, next.used = append(next.list, secret), append(next.retired, at), append(next.used, before.used[i])
		}
	}
	k.now.Store(next)
}

// usedBy is when a secret has signed last, if it was known before.
func (s *secrets) usedBy(secret string) *atomic.Int64 {
	if s != nil {
		if i := slices.Index(s.list, secret); i >= 0 {
			return s.used[i]
		}
	}
	return new(atomic.Int64)
}

// retiredAt reports whether the i-th secret was taken away by then, and whether it
// still serves live allocations.
func (s *secrets) retiredAt(i int, now time.Time) (retired, serves bool) {
	if i < s.live {
		return false, true
	}
	return true, now.Sub(s.retired[i-s.live]) < maxOverstay
}

// SetSecrets changes the secrets while the server serves, newest first: credentials
// of those that stay go on being good. Those of one that is taken away open nothing
// any more, but serve the allocations that live. It is an error to have none.
func (s *Server) SetSecrets(secrets []string) error {
	if len(secrets) == 0 || slices.Contains(secrets, "") {
		return errNoSecret
	}
	s.secrets.set(secrets, s.cfg.now())
	return nil
}

// SecretsUsed is when each of the secrets has signed a request last, the newest
// secret first; zero: never.
func (s *Server) SecretsUsed() []time.Time {
	now := s.secrets.now.Load()
	list := make([]time.Time, now.live)
	for i := range list {
		if at := now.used[i].Load(); at != 0 {
			list[i] = time.Unix(at, 0)
		}
	}
	return list
}

var errNoSecret = errors.New("no secret, or an empty one")
