package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
	"github.com/wasmp2pchat/wasmp2pchat/internal/durable"
)

const (
	// keySkew is how far apart the clocks may be of who mints and who verifies: an
	// old secret verifies this much longer than the credentials that it has signed.
	keySkew = time.Minute
	// maxOldKeys bounds how many old secrets verify at once: every TURN request is
	// tried with each.
	maxOldKeys = 3
	// keyRetry is how long it takes until a file that cannot be read is tried again.
	keyRetry = time.Minute
)

// turnKey is a TURN secret that lives in STATE_DIR.
//
//	turn-secret = the newest secret
//	              an older one, and until when it verifies (RFC 3339)
//	              …
type turnKey struct {
	secret string
	until  time.Time // zero: for good
}

// turnKeys rotates the TURN secrets, if they live in STATE_DIR. The file is what
// counts: whoever changes it holds mu.
type turnKeys struct {
	path  string // empty: they are given by settings
	ttl   time.Duration
	apply func(secrets []string) error // newest first
	log   *slog.Logger

	mu      sync.Mutex
	rotated chan struct{} // has a value when the next one to go may be another one
}

func newTurnKeys(cfg *config, apply func([]string) error, log *slog.Logger) *turnKeys {
	k := &turnKeys{ttl: cfg.TURN.CredentialTTL, apply: apply, log: log, rotated: make(chan struct{}, 1)}
	if len(cfg.TURN.Secrets) == 0 {
		k.path = turnKeyFile(cfg.StateDir)
	}
	return k
}

func turnKeyFile(dir string) string { return filepath.Join(dir, "turn-secret") }

// readTurnKeys reads those that verify at a time; none if there is no file.
func readTurnKeys(path string, now time.Time) (keys []turnKey, err error) {
	text, err := durable.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read a generated secret: %w", err)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		key := turnKey{secret: strings.TrimSpace(line)}
		if i > 0 {
			secret, until, _ := strings.Cut(key.secret, " ")
			key.secret = secret
			key.until, err = time.Parse(time.RFC3339, until)
		}
		if err != nil || len(key.secret) < minSecretBytes {
			return nil, fmt.Errorf("%s: line %d holds no secret", path, i+1)
		}
		if i == 0 || now.Before(key.until) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

func writeTurnKeys(path string, keys []turnKey) error {
	var text strings.Builder
	for _, key := range keys {
		text.WriteString(key.secret)
		if !key.until.IsZero() {
			text.WriteString(" " + key.until.UTC().Format(time.RFC3339))
		}
		text.WriteString("\n")
	}
	return durable.Write(path, []byte(text.String()))
}

func secretsOf(keys []turnKey) []string {
	list := make([]string, len(keys))
	for i, key := range keys {
		list[i] = key.secret
	}
	return list
}

// rotate makes a new secret that signs from now on. The one before verifies until
// the last credential that it has signed is over.
func (k *turnKeys) rotate() error {
	if k.path == "" {
		return admin.Refuse(http.StatusConflict, "the TURN secrets are given by "+prefix+"TURN_SECRETS: put a new one first in the file of "+
			prefix+"TURN_SECRETS_FILE, leave the old one after it for "+durationText(k.ttl)+", and send SIGHUP")
	}
	now := time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	old, err := readTurnKeys(k.path, now)
	switch {
	case err != nil:
		return err
	case len(old) == 0:
		return admin.Refuse(http.StatusConflict, k.path+" has gone: restart the server, which makes a new one")
	case len(old) > maxOldKeys:
		return admin.Refuse(http.StatusConflict, fmt.Sprintf("%d old secrets still verify: wait until %s", maxOldKeys, old[maxOldKeys].until.UTC().Format(time.RFC3339)))
	}
	old[0].until = now.Add(k.ttl + keySkew)
	keys := append([]turnKey{{secret: newSecret()}}, old...)
	if err := writeTurnKeys(k.path, keys); err != nil { // before anybody has a credential of it
		return fmt.Errorf("write the new secret: %w", err)
	}
	k.wake()
	return k.apply(secretsOf(keys))
}

// wake has serve look again which secret is the next one to go.
func (k *turnKeys) wake() {
	select {
	case k.rotated <- struct{}{}:
	default: // that is known already
	}
}

// refresh applies the file once more, after whoever has read it before a rotation and
// applied it after, and when another process of this server has rotated.
func (k *turnKeys) refresh() {
	if k.path == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	keys, err := readTurnKeys(k.path, time.Now())
	if err == nil && len(keys) > 0 {
		err = k.apply(secretsOf(keys))
	}
	if err != nil {
		k.log.Error("turn secrets are not read again", "err", err.Error())
	}
	k.wake()
}

// list tells of the secrets, without saying them: when each was used last, the
// newest first.
func (k *turnKeys) list(used []time.Time) []admin.Secret {
	list := make([]admin.Secret, len(used))
	for i, at := range used {
		list[i] = admin.Secret{Index: i, LastUsed: at.UTC()}
	}
	if k.path == "" {
		return list
	}
	keys, err := readTurnKeys(k.path, time.Now())
	if err != nil {
		return list // serve has logged it
	}
	for i := range min(len(keys), len(list)) {
		list[i].Until = keys[i].until
	}
	return list
}

// serve lets old secrets go when their time is over, until ctx ends.
func (k *turnKeys) serve(ctx context.Context) error {
	for {
		var due <-chan time.Time
		if wait, some := k.expire(time.Now()); some {
			due = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-k.rotated:
		case <-due:
		}
	}
}

// expire drops the secrets whose time is over, and says when to come again, if
// there are others.
func (k *turnKeys) expire(now time.Time) (wait time.Duration, some bool) {
	if k.path == "" {
		return 0, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	all, err := readTurnKeys(k.path, time.Time{})
	if err != nil {
		k.log.Error("old turn secrets are not dropped", "err", err.Error())
		return keyRetry, true
	}
	var keys []turnKey
	for _, key := range all {
		if !key.until.IsZero() && !now.Before(key.until) {
			continue
		}
		keys = append(keys, key)
		if left := key.until.Sub(now); !key.until.IsZero() && (!some || left < wait) {
			wait, some = left, true
		}
	}
	if len(keys) == len(all) {
		return wait, some
	}
	err = errors.Join(writeTurnKeys(k.path, keys), k.apply(secretsOf(keys)))
	if err != nil {
		k.log.Error("old turn secrets are not dropped", "err", err.Error())
		return keyRetry, true
	}
	k.log.Info("old turn secret dropped", "left", len(keys))
	return wait, some
}
