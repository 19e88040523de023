package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// process is a whole server in a process of its own.
type process struct {
	*server
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // how it ended, when exited is closed
}

// startProcess runs the server as a process, with the settings of serverEnviron,
// until it is ready. It ends with the test.
func startProcess(t *testing.T, settings ...string) *process {
	t.Helper()
	p := newProcess(t, settings...)
	p.cmd.Stderr = &liner{to: p.log}
	p.start(t)
	return p
}

// newProcess is one that is not started yet, and says nothing.
func newProcess(t *testing.T, settings ...string) *process {
	t.Helper()
	p := &process{server: &server{log: newJournal()}, exited: make(chan struct{})}
	p.cmd = exec.CommandContext(t.Context(), "wasmp2pchat", "serve")
	p.cmd.Env = append(append(p.cmd.Environ(), serverEnviron(t, settings...)...), hasty)
	return p
}

// start starts it, and waits until it is ready.
func (p *process) start(t *testing.T) {
	t.Helper()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(p.kill)
	for {
		more := p.log.more()
		if text := p.log.line(`"msg":"serving"`); text != "" {
			var line struct{ URL, Admin string }
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
			p.url, p.admin = line.URL, line.Admin
			p.ready(t)
			return
		}
		select {
		case <-more:
		case <-p.exited:
			t.Fatalf("the server did not start: %v\n%s", p.err, strings.Join(p.log.with(""), "\n"))
		}
	}
}

// liner passes on whole lines, one for each Write.
type liner struct {
	to   io.Writer
	rest []byte
}

func (l *liner) Write(text []byte) (int, error) {
	l.rest = append(l.rest, text...)
	for {
		at := bytes.IndexByte(l.rest, '\n')
		if at < 0 {
			return len(text), nil
		}
		if _, err := l.to.Write(l.rest[:at+1]); err != nil {
			return 0, err
		}
		l.rest = l.rest[at+1:]
	}
}

// terminate asks the process to end, and returns how it did.
func (p *process) terminate() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	<-p.exited
	return p.err
}

// kill ends it at once.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.exited
}

// stacks are those of all goroutines of the process.
func (p *process) stacks(t *testing.T) string {
	t.Helper()
	status, text := get(t, p.admin+"/debug/pprof/goroutine?debug=2")
	if status != http.StatusOK {
		t.Fatalf("the process does not tell its goroutines: %d", status)
	}
	return text
}
