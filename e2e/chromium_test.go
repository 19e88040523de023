//go:build browser

package e2e

import (
	"context"
	"errors"
	"os/exec"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
)

// chromium is a browser process with a profile of its own.
type chromium struct {
	newTab func() context.Context // lives as long as the browser
}

// findChromium looks for the names that distributions use.
func findChromium() (path string, err error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium in PATH: install it (Debian: apt-get install chromium)")
}

// launch starts a browser that ends with the test. It is driven through a pipe,
// so it may be on a machine that the test cannot reach.
func launch(t *testing.T, on machine, more ...chromedp.ExecAllocatorOption) *chromium {
	t.Helper()
	path, err := findChromium()
	need(t, err)
	options := append([]chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) { move(cmd, on) }),
		chromedp.Flag("headless", true),
		chromedp.Flag("no-sandbox", true), // root may not have one
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("no-first-run", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), // containers have little of it
	}, more...)
	life, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	quiet := func(string, ...any) {} // a t.Logf may come after the test; faults come as errors too
	browser, closeBrowser := chromedp.NewContext(life, chromedp.WithErrorf(quiet))
	t.Cleanup(closeBrowser)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("launch %s: %v", path, err)
	}
	return &chromium{newTab: func() context.Context {
		tab, closeTab := chromedp.NewContext(browser)
		context.AfterFunc(browser, closeTab)
		return tab
	}}
}

// move makes the command of a browser one that runs on a machine, and whose
// children end with it.
func move(cmd *exec.Cmd, to machine) {
	moved := to.Command(context.Background(), cmd.Path, cmd.Args[1:]...)
	cmd.Path, cmd.Args = moved.Path, moved.Args
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
