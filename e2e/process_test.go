//go:build browser || soak

package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a program that can be killed, frozen and started again. It
// ends with its test, which shows what it said if it fails.
type process struct {
	t    *testing.T
	name string
	said *record
	too  io.Writer // is told as well; nil: nobody
	make func(ctx context.Context) *exec.Cmd
	kin  func() []int // all its processes, oldest first, where one may follow the other; nil: it is always one

	cmd    *exec.Cmd     // nil: it does not run
	stop   func()        // of cmd
	exited chan struct{} // closed when cmd has ended
	code   int           // that the last one has ended with, by itself; -1: a signal has ended it
	starts int
}

// newProcess describes a program; command makes it, each time that it starts.
func newProcess(t *testing.T, name string, command func(ctx context.Context) *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, name: name, said: &record{}, make: command}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			p.tells()
		}
	})
	return p
}

// tells shows what the program said: its end, and all of it in a file if there is
// a folder for that.
func (p *process) tells() {
	const most = 20 << 10 // a crowd makes megabytes
	said := p.said.String()
	if dir := flag.Lookup("logs").Value.String(); dir != "" {
		name := filepath.Join(dir, filepath.Base(p.t.Name())+"-"+p.name+".log")
		if err := os.WriteFile(name, []byte(said), 0o600); err != nil {
			p.t.Log(err)
		}
	}
	p.t.Logf("the end of what %s said, of %d bytes:\n%s", p.name, len(said), said[max(0, len(said)-most):])
}

// start runs the program, which must not run.
func (p *process) start() {
	p.t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(p.t.Context()))
	cmd := p.make(ctx)
	cmd.Stdout = p.said
	if p.too != nil {
		cmd.Stdout = io.MultiWriter(p.said, p.too)
	}
	cmd.Stderr = cmd.Stdout
	if p.kin == nil { // else others write what it wrote
		cmd.WaitDelay = patience
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	exited := make(chan struct{})
	go func() { // ends with the program
		defer close(exited)
		_ = cmd.Wait() // what it said tells why
	}()
	p.cmd, p.stop, p.exited = cmd, stop, exited
	p.starts++
}

// runs tells whether the program has been started and has not ended.
func (p *process) runs() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// kill ends the program at once, frozen or not.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	if p.kin != nil {
		for _, pid := range p.kin() {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
	p.stop()
	<-p.exited
	p.cmd = nil
}

// pid is that of the program, which must run; of several processes the newest's.
func (p *process) pid() int {
	if p.kin != nil {
		if list := p.kin(); len(list) > 0 {
			return list[len(list)-1]
		}
	}
	return p.cmd.Process.Pid
}

// signal sends a signal to the program, which must run.
func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := syscall.Kill(p.pid(), s); err != nil {
		p.t.Fatalf("%v to %s: %v", s, p.name, err)
	}
}

// freeze stops the program as a machine does that is moved to another host; thaw
// lets it go on.
func (p *process) freeze() { p.t.Helper(); p.signal(syscall.SIGSTOP) }
func (p *process) thaw()   { p.t.Helper(); p.signal(syscall.SIGCONT) }

// ends waits until the program has ended by itself, for so long.
func (p *process) ends(within time.Duration) error {
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case <-p.exited:
		p.code = p.cmd.ProcessState.ExitCode()
		p.cmd = nil
		return nil
	case <-late.C:
		return errors.New(p.name + " has not ended after " + within.String())
	}
}

// nothing mends what mends by itself.
func nothing() {}

// askAdmin asks a server at its admin address; status 0: it has not answered.
func askAdmin(ctx context.Context, client *http.Client, url, token string) (status int, text string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close() // it was read
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(body)
}

// startOf is when a process was started, in ticks of the kernel's clock (proc(5)); 0 of
// one that has ended.
func startOf(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // none of one that has ended
	_, rest, _ := strings.Cut(string(text), ") ")             // after its name, which may be anything but that
	fields := strings.Fields(rest)
	const startTime = 19 // field 22, of which the third is the first here
	if len(fields) <= startTime {
		return 0
	}
	ticks, _ := strconv.Atoi(fields[startTime]) // the kernel writes numbers
	return ticks
}
