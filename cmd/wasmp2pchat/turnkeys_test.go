package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
)

// keyring is what a relay would be told of the secrets.
type keyring struct {
	mu   sync.Mutex
	told [][]string
}

func (k *keyring) apply(list []string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.told = append(k.told, slices.Clone(list))
	return nil
}

func (k *keyring) now() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.told[len(k.told)-1]
}

// openKeys are keys whose first secret is in STATE_DIR, as a server makes it.
func openKeys(t *testing.T, dir string) (*turnKeys, *keyring) {
	t.Helper()
	cfg, _, err := loadConfig([]string{prefix + "STATE_DIR=" + dir})
	must(t, err)
	secrets, err := loadSecrets(cfg)
	must(t, err)
	ring := &keyring{told: [][]string{secrets.turn}}
	return newTurnKeys(cfg, ring.apply, slog.New(slog.DiscardHandler)), ring
}

// TestASecretIsRotated makes two, lets the old ones go when their time is over, and
// holds that another process reads the same.
func TestASecretIsRotated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		keys, ring := openKeys(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- keys.serve(ctx) }()
		first := ring.now()[0]
		must(t, keys.rotate())
		second := ring.now()[0]
		<-time.After(5 * time.Minute)
		must(t, keys.rotate())
		third := ring.now()[0]
		if want := []string{third, second, first}; !slices.Equal(ring.now(), want) || first == second || second == third {
			t.Fatalf("secrets = %q, want three, the newest first", ring.now())
		}
		info, err := os.Stat(filepath.Join(dir, "turn-secret"))
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("the file has mode %v, want 0600", info.Mode())
		}
		if _, again := openKeys(t, dir); !slices.Equal(again.now(), ring.now()) {
			t.Errorf("another process reads %q, want %q", again.now(), ring.now())
		}
		<-time.After(10*time.Minute + keySkew - 5*time.Minute - time.Second)
		synctest.Wait()
		if len(ring.now()) != 3 {
			t.Errorf("before its time is over the first has gone: %q", ring.now())
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		if !slices.Equal(ring.now(), []string{third, second}) {
			t.Errorf("after its time the secrets are %q, want the two newest", ring.now())
		}
		<-time.After(5 * time.Minute)
		synctest.Wait()
		if _, again := openKeys(t, dir); !slices.Equal(ring.now(), []string{third}) || !slices.Equal(again.now(), ring.now()) {
			t.Errorf("in the end the secrets are %q, and another process reads %q; want the newest", ring.now(), again.now())
		}
		list := keys.list([]time.Time{{}})
		if len(list) != 1 || !list[0].Until.IsZero() || !list[0].LastUsed.IsZero() {
			t.Errorf("list = %+v", list)
		}
		cancel()
		must(t, <-done)
	})
}

// TestSecretsThatHaveGoneAreNotRead starts a server after the time of an old secret.
func TestSecretsThatHaveGoneAreNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		keys, ring := openKeys(t, dir)
		must(t, keys.rotate())
		<-time.After(time.Hour)
		if _, again := openKeys(t, dir); !slices.Equal(again.now(), ring.now()[:1]) {
			t.Errorf("a server that starts an hour later takes %d secrets, want the newest", len(again.now()))
		}
	})
}

// TestASlowReloadLosesNoSecret rotates between the moment at which a reload has read
// the file and that at which it applies what it has read.
func TestASlowReloadLosesNoSecret(t *testing.T) {
	t.Parallel()
	keys, ring := openKeys(t, t.TempDir())
	read := ring.now()
	must(t, keys.rotate())
	rotated := ring.now()
	must(t, ring.apply(read))
	keys.refresh()
	if !slices.Equal(ring.now(), rotated) {
		t.Errorf("then the secrets are %d, want the two of the rotation", len(ring.now()))
	}
}

func TestRotationIsRefused(t *testing.T) {
	t.Parallel()
	conflict := func(err error, what string) {
		t.Helper()
		if problem, ok := errors.AsType[*admin.ProblemError](err); !ok || problem.Status != http.StatusConflict || !strings.Contains(problem.Detail, what) {
			t.Errorf("rotate = %v, want a conflict that says %q", err, what)
		}
	}
	keys, ring := openKeys(t, t.TempDir())
	for range maxOldKeys {
		must(t, keys.rotate())
	}
	before := ring.now()
	conflict(keys.rotate(), "3 old secrets still verify: wait until 2")
	if !slices.Equal(ring.now(), before) {
		t.Error("a rotation that was refused has changed something")
	}
	must(t, os.Remove(keys.path))
	conflict(keys.rotate(), "restart the server")

	cfg, _, err := loadConfig([]string{prefix + "TURN_SECRETS=the newest secret,the secret before it", prefix + "STATE_DIR=" + t.TempDir()})
	must(t, err)
	given := newTurnKeys(cfg, ring.apply, slog.New(slog.DiscardHandler))
	conflict(given.rotate(), "TURN_SECRETS_FILE")
	if list := given.list(make([]time.Time, 2)); len(list) != 2 || !list[1].Until.IsZero() {
		t.Errorf("list = %+v, want two that stay", list)
	}
	if _, some := given.expire(time.Now()); some {
		t.Error("secrets of the settings expire")
	}
}

// TestADamagedSecretFileStopsTheStart, but not for what is written after it.
func TestADamagedSecretFileStopsTheStart(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"short\n": "line 1 holds no secret",
		"":        "line 1 holds no secret",
		"a secret that is long enough\nanother one that is as long\n": "line 2 holds no secret",
		"a secret that is long enough\nshort 2026-01-01T00:00:00Z\n":  "line 2 holds no secret",
	} {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "turn-secret"), []byte(text), 0o600))
		cfg, _, err := loadConfig([]string{prefix + "STATE_DIR=" + dir})
		must(t, err)
		if _, err := loadSecrets(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
