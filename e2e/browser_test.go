//go:build browser

package e2e

import (
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// brand is a kind of browser.
type brand string

// The brands that everything must work with.
const (
	chromium brand = "Chromium"
	firefox  brand = "Firefox"
)

// browser is a running browser with a profile of its own.
type browser interface {
	open(t *testing.T) driver // a new page, empty
}

// driver does with one open page what people do, and looks at it.
type driver interface {
	visit(ctx context.Context, url string) error
	click(ctx context.Context, id string) error       // with the mouse
	write(ctx context.Context, id, text string) error // with the keyboard
	keys(ctx context.Context, keys string) error      // on the keyboard, wherever the focus is
	close(ctx context.Context) error                  // as the x of the tab does

	// evaluate runs JavaScript that promises a string.
	evaluate(ctx context.Context, script string) (string, error)
	// picture is a PNG of what is seen; errors.ErrUnsupported if this browser
	// cannot look so.
	picture(ctx context.Context, look look) ([]byte, error)
	console() string
}

// Keys that are no letters, in what drivers are told to press.
const (
	tabKey    = "\t"
	backKey   = "\u21e4" // Shift and Tab
	enterKey  = "\r"
	escapeKey = "\u001b"
	spaceKey  = " "
)

// look is how a page is looked at.
type look struct {
	screen screen
	dark   bool // prefers-color-scheme
}

// screen is what a page is shown on. It must look well on each.
type screen string

// The screens. The narrow one is the narrowest that WCAG 2.2 §1.4.10 asks for.
const (
	desktop screen = "desktop"
	phone   screen = "phone"
	narrow  screen = "narrow"
)

// size is what a screen measures in CSS pixels. A phone is touched, and has
// phoneScale real ones for each.
func (s screen) size() (width, height int64, isPhone bool) {
	switch s {
	case phone:
		return 390, 844, true
	case narrow:
		return 320, 568, true
	default:
		return 1200, 800, false
	}
}

const phoneScale = 2

// habits are what browsers do only if they are told so.
type habits struct {
	tellsAddresses bool   // mDNS, which hides them, does not pass routers
	trusts         string // file of a CA, PEM; empty for none
}

// launch starts a browser that ends with the test. It asks the network for
// nothing but what pages ask for.
func (b brand) launch(t *testing.T, on machine, h habits) browser {
	t.Helper()
	if b == firefox {
		return launchFirefox(t, on, h)
	}
	return launchChromium(t, on, h)
}

// witnessJS runs in every page before the page's own scripts.
//
//go:embed testdata/witness.js
var witnessJS string

// settled is JavaScript that waits until transitions have ended and a frame was
// drawn. It fails where the page is wider than the screen.
const settled = `Promise.allSettled(document.getAnimations().filter((a) => a.effect.getTiming().iterations !== Infinity).map((a) => a.finished))
	.then(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve()))))
	.then(() => {
		const { scrollWidth } = document.documentElement;
		if (scrollWidth > innerWidth) throw new Error("the page is " + scrollWidth + " pixels wide, the screen " + innerWidth);
		return "";
	})`

// move makes the command of a browser one that runs on a machine, and whose
// children end with it. It has no Pdeathsig: that would come when the thread ends
// that started it, and a laboratory ends threads. If the test is killed, Chromium
// notices that its pipe is closed, and the next laboratory sweeps the last one.
func move(cmd *exec.Cmd, to machine) {
	moved := to.Command(context.Background(), cmd.Path, cmd.Args[1:]...)
	cmd.Path, cmd.Args = moved.Path, moved.Args
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// trust makes a certificate database, as both browsers have one, in which a CA
// may vouch for servers.
func trust(t *testing.T, ca, database string) {
	t.Helper()
	certutil, err := exec.LookPath("certutil")
	need(t, missing(err, "certutil", "libnss3-tools"))
	if err := os.MkdirAll(database, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"-N", "--empty-password"},
		{"-A", "-n", "the CA of the test", "-t", "C,,", "-i", ca},
	} {
		cmd := exec.CommandContext(t.Context(), certutil, append([]string{"-d", "sql:" + database}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", cmd.Args, err, out)
		}
	}
}

// home is a home directory for a browser, with a database of certificates where
// Chromium looks for one.
func home(t *testing.T, h habits) string {
	t.Helper()
	dir := t.TempDir()
	if h.trusts != "" {
		trust(t, h.trusts, filepath.Join(dir, ".pki", "nssdb"))
	}
	return dir
}
