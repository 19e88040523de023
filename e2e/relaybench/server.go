//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/bench/process"
)

const (
	turnPort     = 3478
	startTimeout = 5 * time.Second
	stopTimeout  = time.Second / 2
	tailBytes    = 16 << 10 // of what a server says, for the case that it fails
)

// The servers that can be compared. The planes are ours.
const (
	planePion  = "pion"
	planeBatch = "batch"
	planeEBPF  = "ebpf"
	coturn     = "coturn"
	forwarders = "forwarder"
	plain      = "routing" // no server: the kernel forwards
)

// server is one of them in a fresh process; of plain there is none.
type server struct {
	name    string
	pid     int // 0: none
	carrier carrier
	cmd     *exec.Cmd
	said    *tail
	files   string // a folder that goes with it
}

// tail keeps the end of what was written to it.
type tail struct {
	mu   sync.Mutex // guards text
	text []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - tailBytes; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.text))
}

// start starts a server in its namespace and waits until it relays.
func (r *rig) start(ctx context.Context, name string) (*server, error) {
	if name == plain {
		return &server{name: name, carrier: routing{}}, nil
	}
	files, err := os.MkdirTemp("", "relaybench")
	if err != nil {
		return nil, err
	}
	s := &server{name: name, said: new(tail), files: files}
	switch name {
	case coturn:
		s.cmd = r.coturn(ctx, files)
	case forwarders:
		err = r.forwarder(ctx, s)
	case planePion, planeBatch, planeEBPF:
		s.cmd = r.ours(ctx, files, name)
	default:
		err = fmt.Errorf("no server %q", name)
	}
	if err == nil {
		if s.carrier == nil {
			s.carrier, s.cmd.Stdout = newTURN(), s.said
		}
		s.cmd.Stderr = s.said
		err = process.Start(&r.at.server, s.cmd)
	}
	if err != nil {
		_ = os.RemoveAll(files)
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	s.pid = s.cmd.Process.Pid
	if err := errors.Join(r.awaitRelay(s), s.carriesItself()); err != nil {
		s.stop()
		return nil, fmt.Errorf("start %s: %w; it said: %s", name, err, s.said)
	}
	return s, nil
}

// ours is the program with a data plane.
func (r *rig) ours(ctx context.Context, files, plane string) *exec.Cmd {
	cmd := r.path.Server().Command(ctx, r.bin, "serve")
	cmd.Env = os.Environ()
	settings := []string{
		"ADDR=127.0.0.1:0", "ADMIN_ADDR=" + adminAddr, "STATE_DIR=" + filepath.Join(files, "data"), "LOG_FORMAT=json",
		"PUBLIC_IPS=" + r.peer.server.String(),
		"TURN_SECRETS=" + turnSecret, "TURN_REALM=" + turnRealm, "TURN_PEERS=any", "TURN_MAX_BITRATE=off",
		"TURN_MAX_ALLOCATIONS=12000", "TURN_MAX_ALLOCATIONS_PER_USER=12000", "TURN_MAX_ALLOCATIONS_PER_IP=12000",
	}
	if r.planes {
		settings = append(settings, "TURN_DATAPLANE="+plane)
	}
	for _, setting := range settings {
		cmd.Env = append(cmd.Env, "WASMP2PCHAT_"+setting)
	}
	return cmd
}

// adminAddr is inside the server's namespace.
const adminAddr = "127.0.0.1:9090"

// coturn is Debian's, with nothing that costs: no log, no database, no console,
// no TLS. It has a relay thread for every core that it may use; with more of
// them on one core they only take turns.
func (r *rig) coturn(ctx context.Context, files string) *exec.Cmd {
	return r.path.Server().Command(ctx, "turnserver", "-n",
		"--listening-ip="+r.client.server.String(), "--listening-ip="+r.peer.server.String(),
		"--listening-port="+strconv.Itoa(turnPort), "--relay-ip="+r.peer.server.String(),
		"--relay-threads="+strconv.Itoa(r.at.server.Count()),
		"--use-auth-secret", "--static-auth-secret="+turnSecret, "--realm="+turnRealm,
		"--no-tls", "--no-dtls", "--no-cli", "--no-rfc5780", "--no-software-attribute",
		"--no-stdout-log", "--log-file=/dev/null", "--simple-log",
		"--pidfile="+filepath.Join(files, "pid"), "--userdb="+filepath.Join(files, "db"))
}

// forwarder is this program.
func (r *rig) forwarder(ctx context.Context, s *server) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	s.cmd = r.path.Server().Command(ctx, self, "-forward", r.peer.server.String())
	orders, err := s.cmd.StdinPipe()
	if err != nil {
		return err
	}
	answers, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	s.carrier = &forwarding{orders: orders, answers: bufio.NewScanner(io.LimitReader(answers, 1<<20)), clients: map[int]netip.AddrPort{}}
	return nil
}

// awaitRelay asks the server for a relay until it gives one.
func (r *rig) awaitRelay(s *server) error {
	var last error
	for until := monotonic() + startTimeout; monotonic() < until && s.alive(); {
		last = r.tryRelay(s.carrier)
		if last == nil {
			return nil
		}
		waitUntil(monotonic() + 10*time.Millisecond)
	}
	return errors.Join(errors.New("it gives no relay"), last)
}

func (r *rig) tryRelay(c carrier) error {
	fds, err := r.client.sockets(unix.SOCK_DGRAM, 1)
	if err != nil {
		return err
	}
	defer closeAll(fds)
	if _, err := c.open(fds[0], r.client, false); err != nil {
		return err
	}
	c.leave(fds)
	return nil
}

// carriesItself tells whether our server still has the data plane that it was
// asked for: it says when it goes on with another one.
func (s *server) carriesItself() error {
	if s.said == nil {
		return nil
	}
	for _, event := range []string{"turn data plane does not work", "turn data plane failed"} {
		if strings.Contains(s.said.String(), event) {
			return fmt.Errorf("it goes on without the data plane %s", s.name)
		}
	}
	return nil
}

// alive tells whether the process has not ended.
func (s *server) alive() bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.pid))
	_, state, _ := strings.Cut(string(text), ") ")
	return err == nil && !strings.HasPrefix(state, "Z")
}

// stop ends the process; how it ends does not matter. It gets a moment in which
// to take back what it has told the kernel.
func (s *server) stop() {
	if s.pid == 0 {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	stubborn := time.AfterFunc(stopTimeout, func() { _ = s.cmd.Process.Kill() })
	defer stubborn.Stop()
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.files)
}
