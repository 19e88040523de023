package lab

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// visitorJS runs in every page before the page's own scripts.
//
//go:embed visitor.js
var visitorJS string

// findChromium looks for the names that distributions use.
func findChromium() (path string, err error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium in PATH: install chromium (Debian: apt-get install chromium)")
}

// browser is a visitor with Chromium.
type browser struct {
	*devtools

	page   string // what he opens
	stop   context.CancelFunc
	exited chan struct{}
}

// newBrowser starts Chromium on a side, and opens the page.
func (r *run) newBrowser(ctx context.Context, t *town, side natlab.Side) (*browser, error) {
	path, err := findChromium()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(t.dir, "chromium-"+side.String())
	if err := os.Mkdir(home, 0o700); err != nil {
		return nil, err
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirIn.Close(), in.Close())
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx)) // close ends it
	cmd := t.lab.Client(side).Command(life, path, r.chromiumFlags(home)...)
	cmd.Env = []string{"HOME=" + home}
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // 3 and 4, as Chromium has it
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	b := &browser{devtools: newDevtools(in, out), stop: stop, exited: make(chan struct{}), page: site + "/"}
	if t.pair.RelayOnly {
		b.page += "?relay=1"
	}
	err = errors.Join(cmd.Start(), theirIn.Close(), theirOut.Close())
	if err != nil {
		stop()
		b.devtools.close()
		return nil, err
	}
	go func() { // waited for in close
		defer close(b.exited)
		_ = cmd.Wait() // it was killed
	}()
	limited, cancel := context.WithTimeout(ctx, meetTimeout)
	defer cancel()
	if err := errors.Join(b.open(limited, visitorJS), b.opens(limited)); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// chromiumFlags are those of a browser that asks nobody but our server, and tells
// the addresses of its network: between routed networks there is nothing else.
func (r *run) chromiumFlags(home string) []string {
	rules := []string{"MAP * ~NOTFOUND"}
	for _, ours := range []string{domain, domain + ".", "51.51.*", "*2a0a:*"} {
		rules = append(rules, "EXCLUDE "+ours)
	}
	return []string{
		"--headless", "--remote-debugging-pipe", "--user-data-dir=" + home,
		"--ignore-certificate-errors-spki-list=" + r.cred.pin,
		"--host-resolver-rules=" + strings.Join(rules, ", "),
		"--disable-features=WebRtcHideLocalIpsWithMdns,WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup,PreloadTopChromeWebUI",
		"--no-sandbox", // root may not have one
		"--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--disable-dev-shm-usage",
	}
}

// opens opens the page anew, until START can be pressed.
func (b *browser) opens(ctx context.Context) error {
	var ready bool
	if err := b.visit(ctx, b.page); err != nil {
		return err
	}
	return b.evaluate(ctx, "window.visitor.ready()", &ready)
}

// do carries out an order.
func (b *browser) do(ctx context.Context, order Order) (said Account, err error) {
	if order.Do == part {
		var left bool
		return said, errors.Join(b.evaluate(ctx, "window.visitor.part()", &left), b.opens(ctx))
	}
	err = b.evaluate(ctx, fmt.Sprintf("window.visitor.meet(%d, %d, %d)", order.Messages, meetTimeout.Milliseconds(), talkTimeout.Milliseconds()), &said)
	return said, err
}

// close ends the browser.
func (b *browser) close() {
	b.devtools.close()
	b.stop()
	<-b.exited
}
