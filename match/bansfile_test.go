package match

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestBansSurviveARestart takes a lobby down and brings up another on the same
// file: bans and the reports before them are still there, and nothing in the
// file tells whose they are.
func TestBansSurviveARestart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bans.json")
	synctest.Test(t, func(t *testing.T) {
		cfg := BansConfig{File: file, Key: []byte("the key of this server")}
		s := openScene(t, mustOpenBans(t, cfg))
		for n := range reportsToBan - 1 {
			s.meets(fmt.Sprintf("198.51.100.%d", n), fmt.Sprint("victim-", n))
		}
		<-time.After(coolFor)
		if err := s.lobby.cfg.Bans.save(); err != nil { // mere reports are not saved for a minute now, but a ban is
			t.Fatal(err)
		}
		s.meets("198.51.100.99", "one more victim")
		banned := s.troll().mustBeRefused(wire.ErrorBanned, wire.ReasonBanned)
		<-time.After(2 * saveEvery)
		synctest.Wait()
		if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), banned.Ban) {
			t.Errorf("two seconds later the file holds %s (%v), want the ban %s", text, err, banned.Ban)
		}
		s.device = "his other phone"
		for n := range reportsToCool - 1 {
			s.meets(fmt.Sprintf("198.51.100.%d", n), fmt.Sprint("victim-", n))
		}
		s.stop()
		mustTellNobody(t, file)

		s = openScene(t, mustOpenBans(t, cfg))
		again := s.troll().mustBeRefused(wire.ErrorBanned, wire.ReasonBanned)
		if again.Ban != banned.Ban {
			t.Errorf("after a restart the ban is %q, want %q", again.Ban, banned.Ban)
		}
		s.device = "his other phone"
		s.meets("198.51.100.200", "one more victim")
		if wait := s.wait(); wait != 300 {
			t.Errorf("after one report more he waits %d s, want 300: those before the restart count", wait)
		}
		s.stop()

		<-time.After(longestBan + forgiveAfter)
		if b := mustOpenBans(t, cfg); !b.empty() {
			t.Errorf("months later %d and %d are remembered", len(b.suspects.entries), len(b.culprits.entries))
		}
	})
}

func mustOpenBans(t *testing.T, cfg BansConfig) *Bans {
	t.Helper()
	b, err := OpenBans(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// mustTellNobody holds a file to be for its owner only, and to name nobody.
func mustTellNobody(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"phone", "victim", "troll", "room-", "192.0.2", "198.51.100"} {
		if strings.Contains(string(text), word) {
			t.Errorf("the file holds %q: %s", word, text)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v (%v), want 0600", info.Mode(), err)
	}
}

func TestADamagedFileIsAnError(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bans.json")
	for _, text := range []string{
		``, `{}`, `{"format":2,"records":[]}`, `[]`, `{"format":1,"records":[{"mark":"short","at":"2026-11-21T10:00:00Z","kind":"device"}]}`,
		`{"format":1,"records":[{"mark":"0123456789abcdef0123456789abcdef","at":"2026-11-21T10:00:00Z","kind":"user"}]}`, `{"format":1,"reco`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenBans(BansConfig{File: file}); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("OpenBans of %q: %v, want an error that names the file", text, err)
		}
	}
}

// TestAFullDiskLosesNoBan makes the file impossible to write for a while.
func TestAFullDiskLosesNoBan(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bans.json")
	if err := os.Mkdir(file+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		bans := mustOpenBans(t, BansConfig{File: file, Key: []byte("k"), Log: slog.New(slog.NewTextHandler(&log, nil))})
		s := openScene(t, bans)
		for n := range reportsToBan {
			s.meets(fmt.Sprintf("198.51.100.%d", n), fmt.Sprint("victim-", n))
		}
		<-time.After(10 * saveReports)
		s.troll().mustBeRefused(wire.ErrorBanned, wire.ReasonBanned)
		if err := os.Remove(file + ".new"); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * saveReports)
		s.stop()
		if got := strings.Count(log.String(), "level=WARN"); got != 1 {
			t.Errorf("%d warnings, want 1: %s", got, log.String())
		}
		if list := mustOpenBans(t, BansConfig{File: file, Key: []byte("k")}).List(); len(list) != 1 {
			t.Errorf("in the end the file holds %+v, want the ban", list)
		}
	})
}

func TestALiftedBanIsGoneFromTheFileToo(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bans.json")
	synctest.Test(t, func(t *testing.T) {
		cfg := BansConfig{File: file, Key: []byte("k")}
		bans := mustOpenBans(t, cfg)
		s := openScene(t, bans)
		for n := range reportsToBan {
			s.meets(fmt.Sprintf("198.51.100.%d", n), fmt.Sprint("victim-", n))
		}
		name := bans.List()[0].Name
		<-time.After(2 * saveEvery)
		if found, err := bans.Lift("nobody"); found || err != nil {
			t.Errorf("Lift(nobody) = %v, %v", found, err)
		}
		if found, err := bans.Lift(name); !found || err != nil {
			t.Errorf("Lift(%s) = %v, %v", name, found, err)
		}
		if list := mustOpenBans(t, cfg).List(); len(list) != 0 {
			t.Errorf("the file still holds %+v", list)
		}
		if wait := s.wait(); wait != 0 {
			t.Errorf("after his ban was lifted he waits %d s", wait)
		}
		if found, err := bans.Lift(name); found || err != nil {
			t.Errorf("the second Lift = %v, %v", found, err)
		}
		s.stop()
	})
}
