//go:build soak && amd64

package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"testing"
	"time"
)

// TestSoakStepsTheClock sets the wall clock of a server and looks at the Date that it
// writes into its answers.
func TestSoakStepsTheClock(t *testing.T) {
	site, admin := freeAddress(t), freeAddress(t)
	p := startLocal(t, site, admin)
	c, err := openClock(p.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []time.Duration{0, clockStep, -clockStep, clockStep, 0} {
		if err := c.step(by); err != nil {
			t.Fatalf("step(%v) = %v", by, err)
		}
		if got := clockOf(t, "http://"+site+"/"); got < by-5*time.Second || got > by+5*time.Second {
			t.Errorf("after step(%v) the clock of the server is %v from ours", by, got)
		}
	}
	p.kill()
	if err := c.step(clockStep); err == nil {
		t.Error("the clock of a process that is no more was set")
	}
}

// clockOf is how far a server's clock is from ours.
func clockOf(t *testing.T, url string) time.Duration {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close() // only its header is wanted
	date, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		t.Fatal(err)
	}
	return time.Until(date)
}

// freeAddress is one of this computer that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // nobody has connected
	return fmt.Sprint(l.Addr())
}

// startLocal starts a server that shows the page, and waits until it does.
func startLocal(t *testing.T, site, admin string) *process {
	t.Helper()
	state := t.TempDir()
	p := newProcess(t, "server", func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, serverBinary(t), "serve")
		cmd.Env = []string{"WASMP2PCHAT_ADDR=" + site, "WASMP2PCHAT_ADMIN_ADDR=" + admin, "WASMP2PCHAT_STATE_DIR=" + state, "WASMP2PCHAT_TURN_UDP_ADDR=127.0.0.1:0", "WASMP2PCHAT_TURN_TCP_ADDR=off", "WASMP2PCHAT_PUBLIC_IPS=127.0.0.1"}
		return cmd
	})
	p.start()
	eventually(t, "the server is ready", func() bool { return answersOK(t.Context(), http.DefaultClient, "http://"+admin+"/readyz") })
	return p
}
