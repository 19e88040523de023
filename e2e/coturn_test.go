//go:build interop

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The tools of the Debian package coturn; their manual is turnutils(1).
const (
	uclient    = "turnutils_uclient"
	stunclient = "turnutils_stunclient"
	echo       = "turnutils_peer"
)

const (
	// runTimeout bounds one run of a tool.
	runTimeout = 30 * time.Second
	// maxTries bounds how often a run is repeated for better channel numbers.
	maxTries = 300
)

// needTool skips the test where a tool is missing, unless that is a fault: the
// CI has everything.
func needTool(t *testing.T, missing error) {
	t.Helper()
	switch {
	case missing == nil:
	case slices.Contains(os.Environ(), "CI=true"):
		t.Fatal(missing)
	default:
		t.Skipf("%v: install the package coturn", missing)
	}
}

// A run is what one run of turnutils_uclient came to.
type run struct {
	sent, received int
	tries          int
	took           time.Duration
	err            error // nil: the tool was content
	output         string
}

// tail is the end of what the tool said.
func (r run) tail() string {
	lines := strings.Split(strings.TrimSpace(r.output), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

// play runs turnutils_uclient with flags. It knows channel numbers as RFC 5766
// had them, up to 0x7FFF, and draws them by lot, several a run; since RFC 8656
// §12 they end at 0x4FFF, and the answer to others is 400. So a run that ends for
// that reason is repeated until it was lucky.
func (r *relay) play(t *testing.T, flags string, place int) run {
	t.Helper()
	begin := time.Now()
	for tries := 1; ; tries++ {
		// Addresses of its own keep the limits per address out of the picture.
		from := fmt.Sprintf("127.%d.%d.%d", 1+place, tries/200, 1+tries%200)
		got := r.once(t, flags, from)
		got.tries, got.took = tries, time.Since(begin)
		unlucky := got.err != nil && strings.Contains(got.output, "channel bind: error 400")
		if !unlucky || tries == maxTries {
			return got
		}
	}
}

func (r *relay) once(t *testing.T, flags, from string) run {
	t.Helper()
	port := r.plain
	if slices.Contains(strings.Fields(flags), "-S") {
		port = r.secure
	}
	flags = strings.NewReplacer(
		"%peer6", "::1 -r "+r.peer,
		"%peer", "127.0.0.1 -r "+r.peer,
	).Replace(flags)
	args := []string{"-u", "ann", "-W", relaySecret, "-L", from, "-p", port, "-n", "20", "-z", "5"}
	args = append(append(args, strings.Fields(flags)...), "127.0.0.1")
	ctx, cancel := context.WithTimeout(t.Context(), runTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, uclient, args...).CombinedOutput()
	if ctx.Err() != nil {
		err = errors.Join(err, ctx.Err())
	}
	got := run{err: err, output: string(out)}
	got.sent, got.received = totals(out)
	return got
}

// totals are the last that the tool said of how many messages it sent and
// received.
func totals(output []byte) (sent, received int) {
	all := regexp.MustCompile(`tot_send_msgs=(\d+), tot_recv_msgs=(\d+)`).FindAllSubmatch(output, -1)
	if all == nil {
		return 0, 0
	}
	last := all[len(all)-1]
	sent, _ = strconv.Atoi(string(last[1])) // digits, says the pattern
	received, _ = strconv.Atoi(string(last[2]))
	return sent, received
}

// answersSTUN asks the server with turnutils_stunclient.
func (r *relay) answersSTUN(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, stunclient, "-p", r.plain, "127.0.0.1").CombinedOutput()
	if err == nil && !bytes.Contains(out, []byte("UDP reflexive addr: 127.0.0.1:")) {
		err = errors.New("not our address")
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", stunclient, err, out)
	}
	return nil
}

// startEcho starts turnutils_peer, on a port and the next, as RTP and RTCP have
// it, of both families.
func startEcho(t *testing.T) (port string) {
	t.Helper()
	port = pairOfPorts(t)
	life, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(life, echo, "-L", "127.0.0.1", "-L", "::1", "-p", port)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was killed
	})
	return port
}

// pairOfPorts is a UDP port that nobody uses now, nor the next.
func pairOfPorts(t *testing.T) string {
	t.Helper()
	for range 50 {
		first, err := net.ListenUDP("udp", &net.UDPAddr{})
		if err != nil {
			t.Fatal(err)
		}
		port := first.LocalAddr().(*net.UDPAddr).Port
		second, err := net.ListenUDP("udp", &net.UDPAddr{Port: port + 1})
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		if err == nil {
			_ = second.Close()
			return strconv.Itoa(port)
		}
	}
	t.Fatal("no two UDP ports that follow each other are free")
	return ""
}
