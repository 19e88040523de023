//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/bench/process"
)

// server is a server process on its own core.
type server struct {
	url   string
	pid   int
	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Scanner
	admin string // of the program; empty: a child, which is asked on its input
	ask   io.Writer

	profiles string // where children write profiles to: the beginning of their paths; empty: nowhere
	profiled int    // profiles so far
}

// startChild runs this program as a server.
func startChild(ctx context.Context, at cores, kind string, secure bool) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"-child", kind}
	if secure {
		args = append(args, "-tls")
	}
	cmd := exec.CommandContext(ctx, self, args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr, cmd.Env = os.Stderr, append(os.Environ(), "GOMAXPROCS=1")
	if err := process.Start(&at.server, cmd); err != nil {
		return nil, err
	}
	s := &server{pid: cmd.Process.Pid, cmd: cmd, stdin: stdin, ask: stdin, out: bufio.NewScanner(stdout)}
	if !s.out.Scan() {
		s.stop()
		return nil, errors.New("the child did not start")
	}
	s.url = s.out.Text()
	return s, nil
}

// startProgram runs the program itself.
func startProgram(ctx context.Context, at cores, bin string, more ...string) (*server, error) {
	state, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, bin, "serve")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	for _, setting := range append([]string{
		"ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "STATE_DIR=" + filepath.Join(state, "data"), "LOG_FORMAT=json",
		"TURN_UDP_ADDR=127.0.0.1:0", "TURN_TCP_ADDR=127.0.0.1:0", "PUBLIC_IPS=127.0.0.1", "WS_MAX_PER_IP=0", "WS_RATE_PER_IP=0",
	}, more...) {
		cmd.Env = append(cmd.Env, "WASMP2PCHAT_"+setting)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(&at.server, cmd); err != nil {
		return nil, err
	}
	s := &server{pid: cmd.Process.Pid, cmd: cmd, stdin: io.NopCloser(nil), out: bufio.NewScanner(stderr)}
	for s.out.Scan() {
		var line struct{ Msg, URL, Admin string }
		if json.Unmarshal(s.out.Bytes(), &line) == nil && line.Msg == "serving" {
			s.url, s.admin = line.URL, line.Admin
			go func() {
				for s.out.Scan() { // its log must not block it
				}
			}()
			return s, nil
		}
	}
	s.stop()
	return nil, errors.New("the program did not start")
}

// profile makes a child write what it spends its CPU time on to a file, until
// it is told "-".
func (s *server) profile(path string) error {
	if s.admin != "" {
		return errors.New("only a child writes profiles: -bin= measures one")
	}
	return s.order("profile " + path)
}

// order has a child do something.
func (s *server) order(what string) error {
	if _, err := io.WriteString(s.ask, what+"\n"); err != nil {
		return err
	}
	if !s.out.Scan() || s.out.Text() != "done" {
		return errors.New("the child did not do it: " + s.out.Text())
	}
	return nil
}

// collect makes the server collect its garbage.
func (s *server) collect(ctx context.Context) error {
	if s.admin == "" {
		return s.order("collect")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.admin+"/debug/pprof/heap?gc=1", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return errors.Join(err, answer.Body.Close())
}

// stop ends the process; how it ends does not matter.
func (s *server) stop() {
	_ = s.stdin.Close() // it is interrupted next
	_ = s.cmd.Process.Signal(os.Interrupt)
	stubborn := time.AfterFunc(3*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer stubborn.Stop()
	_ = s.cmd.Wait()
}

// describe says which server it is.
func describe(bin string) string {
	if bin == "" {
		return "wired as serve.go, in a process of its own"
	}
	return fmt.Sprintf("%s serve", strings.TrimPrefix(bin, "./"))
}
