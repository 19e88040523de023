// Package redistest starts real servers of Redis for tests: each on ports of its
// own, in a folder of its own, saving nothing, and gone with the test. Where
// redis-server is missing the test skips, or fails with CI=true.
package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/freeport"
)

// patience is how long a server may take to start, stop or answer.
const patience = 10 * time.Second

// tries is how often a port is chosen that somebody else may take meanwhile.
const tries = 5

// A Server is one process of redis-server.
type Server struct {
	URL  string // redis://127.0.0.1:port
	Addr string // 127.0.0.1:port
	Port int

	program  string
	args     []string
	sentinel bool // which has a file of its own for its settings
	dir      string
	cmd      *exec.Cmd
	exited   chan struct{}

	guardian *exec.Cmd // kills the process when it reads the end of
	guard    io.Closer
}

// Start starts a server, with further settings as redis-server takes them on its
// command line: "--requirepass", "secret". It ends with the test.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, find(t, "redis-server"), func(*Server) []string { return args })
}

// Programs are the servers that this machine has, by name: redis-server, and
// valkey-server where there is one.
func Programs(t testing.TB) map[string]func(t testing.TB, args ...string) *Server {
	t.Helper()
	programs := map[string]func(t testing.TB, args ...string) *Server{"redis-server": Start}
	if path, err := exec.LookPath("valkey-server"); err == nil {
		programs["valkey-server"] = func(t testing.TB, args ...string) *Server {
			t.Helper()
			return start(t, path, func(*Server) []string { return args })
		}
	}
	return programs
}

// find is where a program is. Where it is missing the test skips, or fails with CI=true.
func find(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if ci, _ := strconv.ParseBool(os.Getenv("CI")); ci { //nolint:forbidigo // CI=true makes a skip a failure, for every test
			t.Fatalf("%s is missing, which CI needs: make system/redis", program)
		}
		t.Skipf("%s is missing: make system/redis", program)
	}
	return path
}

// start starts a program on a port that is free, with the settings that the server
// is given when it has one.
func start(t testing.TB, program string, settings func(*Server) []string) *Server {
	t.Helper()
	s := &Server{program: program, dir: t.TempDir()}
	var err error
	for range tries {
		if s.Port, err = freeport.Find(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port))
		s.URL = "redis://" + s.Addr
		s.args = settings(s)
		if err = s.run(); err == nil {
			t.Cleanup(s.Kill)
			return s
		}
	}
	t.Fatal(err)
	return nil
}

// run starts the process, and returns when it takes connections.
func (s *Server) run() error {
	args := append([]string{
		"--port", strconv.Itoa(s.Port), "--bind", "127.0.0.1", "--dir", s.dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "notice", "--logfile", "",
	}, s.args...)
	if s.sentinel {
		args = s.args
	}
	s.cmd = exec.Command(s.program, args...) //nolint:noctx // Kill ends it
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.exited = make(chan struct{})
	ready := make(chan error, 1)
	go func() { // it ends with the process, whose end is s.exited
		defer close(s.exited)
		var last string
		for lines := bufio.NewScanner(out); lines.Scan(); {
			last = lines.Text()
			if strings.Contains(last, "eady to accept connections") || strings.Contains(last, "Sentinel ID is") {
				select {
				case ready <- nil:
				default:
				}
			}
		}
		err := s.cmd.Wait()
		select {
		case ready <- fmt.Errorf("%s ended: %v: %s", s.program, err, last): //nolint:errorlint // for a person
		default:
		}
	}()
	if err := s.watch(); err != nil {
		s.Kill()
		return err
	}
	select {
	case err = <-ready:
	case <-time.After(patience):
		err = fmt.Errorf("%s is not ready within %v", s.program, patience)
	}
	if err != nil {
		s.Kill()
	}
	return err
}

// watch has the process killed when this one ends, however that happens.
func (s *Server) watch() error {
	guard := exec.Command("sh", "-c", `read end; kill -9 "$0"`, strconv.Itoa(s.cmd.Process.Pid)) //nolint:noctx // Kill ends it
	in, err := guard.StdinPipe()
	if err != nil {
		return err
	}
	s.guard = in
	s.guardian = guard
	return guard.Start()
}

// Kill ends the process at once, as a machine does that loses its power. What is
// in it is lost. It does nothing if it ended before.
func (s *Server) Kill() {
	if s.guardian != nil && s.guardian.Process != nil {
		_ = s.guardian.Process.Kill() // before the number of the process is free for another one
		_ = s.guardian.Wait()
		s.guardian = nil
	}
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// Stop has the server end in an orderly way: it closes its connections.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.exited:
	case <-time.After(patience):
		t.Fatalf("%s does not end", s.program)
	}
	s.Kill()
}

// Restart starts it again, empty, on the same port, after Kill or Stop; if it runs
// still it is killed first.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Kill()
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

// Pause stops the process where it is (SIGSTOP): its sockets stay, and nothing answers.
func (s *Server) Pause(t testing.TB) { s.signal(t, syscall.SIGSTOP) }

// Resume lets it go on.
func (s *Server) Resume(t testing.TB) { s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// CPU is the processor time that the server has used, as itself counts it.
func (s *Server) CPU(t testing.TB) time.Duration {
	t.Helper()
	var used time.Duration
	for line := range strings.Lines(s.Do(t, "INFO", "cpu")) {
		for _, name := range []string{"used_cpu_user:", "used_cpu_sys:"} {
			if text, found := strings.CutPrefix(strings.TrimSpace(line), name); found {
				seconds, err := strconv.ParseFloat(text, 64)
				if err != nil {
					t.Fatalf("INFO cpu: %q", line)
				}
				used += time.Duration(seconds * float64(time.Second))
			}
		}
	}
	return used
}
