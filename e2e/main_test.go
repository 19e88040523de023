//go:build browser || proxies || systemd || deployments || soak

package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// patience is how long anything may take that a test waits for. Most takes well
// under a second; a busy machine and a relay over TCP are slower.
const patience = 30 * time.Second

// domain is the name of the server, where it needs one.
const domain = "chat.example.org"

// TestMain builds the server once, for all tests.
func TestMain(m *testing.M) {
	binary := flag.String("server", "", "the wasmp2pchat to test; empty means to build ./cmd/wasmp2pchat")
	flag.String("sdk", "", "ayame.mjs of the npm package @open-ayame/ayame-web-sdk; empty means none")
	flag.String("axe", "", "axe.min.js of the npm package axe-core; empty means none")
	flag.Int("connects", 0, "how often to measure how soon two people talk; 0 means not at all")
	flag.String("screenshots", "", "folder for pictures of the page; empty means none")
	flag.Bool("recovery", false, "hold how soon a chat is back, one disaster after the other")
	flag.Bool("everyround", false, "let Firefox meet as often as Chromium in TestTwoStrangersTalk")
	flag.String("plane", "", "the TURN_DATAPLANE of the servers whose test wants none; empty means auto")
	flag.String("logs", "", "folder for all that programs said whose test failed; empty means none")
	flag.Int("chats", 20, "how many chats TestKilledUnderLoad and TestUpgradeUnderLoad have; 100 and 200 are what is promised")
	flag.Duration("down", 2*time.Second, "how long TestKilledUnderLoad leaves the server dead")
	flag.Int("kills", 1, "how often TestFleetSurvives lets each fault befall a fleet")
	flag.Duration("soak", 3*time.Minute, "how long TestSoak lasts, of what befalls the server")
	flag.Uint64("seed", 0, "of what befalls the server of TestSoak, and who comes when; 0: a new one, which is printed")
	flag.String("faults", "", "regular expression of the faults of TestSoak; empty means all")
	flag.Int("coldstarts", 0, "how often TestColdStart starts each page; 0 means not at all")
	flag.Parse()
	if *binary == "" {
		dir, err := os.MkdirTemp("", "e2e")
		if err == nil {
			defer func() { _ = os.RemoveAll(dir) }()
			*binary, err = build(dir)
		}
		if err != nil {
			_, _ = fmt.Fprintln(os.Stderr, "build the server:", err)
		}
	}
	m.Run()
}

// build returns the server of this module. The page must have been built
// before, because the server embeds it.
func build(dir string) (binary string, err error) {
	const page = "../wasm/dist/index.html"
	if _, err := os.Stat(page); err != nil {
		return "", fmt.Errorf("%w: run make client first", err)
	}
	binary = filepath.Join(dir, "wasmp2pchat")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-o", binary, "../cmd/wasmp2pchat")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return binary, nil
}

// serverBinary is the server to test.
func serverBinary(t *testing.T) string {
	t.Helper()
	path := flag.Lookup("server").Value.String()
	if path == "" {
		t.Fatal("the server was not built: the first line of this output says why")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// missing says what would help where a program is missing.
func missing(err error, program, pkg string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("no %s in PATH: install it (Debian: apt-get install %s)", program, pkg)
}

// need skips the test where something is missing, unless that is a fault: the
// CI has everything.
func need(t *testing.T, missing error) {
	t.Helper()
	switch {
	case missing == nil:
	case slices.Contains(os.Environ(), "CI=true"):
		t.Fatal(missing)
	default:
		t.Skip(missing)
	}
}

// eventually polls until something is so.
func eventually(t *testing.T, what string, isSo func() bool) {
	t.Helper()
	eventuallyWithin(t, patience, what, isSo)
}

// eventuallyWithin is eventually for what takes longer.
func eventuallyWithin(t *testing.T, patience time.Duration, what string, isSo func() bool) {
	t.Helper()
	enough := time.NewTimer(patience)
	defer enough.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !isSo() {
		select {
		case <-again.C:
		case <-enough.C:
			t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}
