//go:build browser

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// What the README may ask of somebody who has a machine and a name.
const (
	mostCommands  = 3
	mostVariables = 1
)

// TestANewUserServes has nothing but the README, a name, and a machine on the
// internet with a folder that holds what git has. He does what the section says,
// and two people behind symmetric NATs chat. Let's Encrypt is pebble, and is
// found where the program looks for it: nobody tells it of another one.
func TestANewUserServes(t *testing.T) {
	commands := readCommands(t, "On a server of your own")
	if variables := variablesOf(commands); len(commands) > mostCommands || len(variables) > mostVariables {
		t.Errorf("the README wants %d commands and %d variables of a newcomer, want at most %d and %d: %q",
			len(commands), len(variables), mostCommands, mostVariables, commands)
	}
	w := newLand(t, natlab.Symmetric, natlab.Symmetric)
	if err := w.lab.SetName(domain, netip.MustParseAddr("51.51.51.10")); err != nil {
		t.Fatal(err)
	}
	w.site = "https://" + domain + "/"
	le := w.letsEncrypt()
	w.trusts = inFile(t, string(le.issued))

	began := time.Now()
	home := &newcomer{w: w, home: checkout(t), roots: le.roots, path: sudoless(t)}
	took := home.follow(commands)
	w.people(chromium, chromium)
	w.chats("relay-udp")
	t.Logf("from the folder to the chat: %d commands, %d variables, %v\n%s",
		len(commands), len(variablesOf(commands)), time.Since(began).Round(100*time.Millisecond), strings.Join(took, "\n"))
}

// readCommands reads the first block of code of a section of the README.
func readCommands(t *testing.T, heading string) (commands []string) {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("the README has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		command, isCode := strings.CutPrefix(line, "    ")
		switch {
		case isCode:
			commands = append(commands, strings.TrimSpace(command))
		case len(commands) > 0:
			return commands
		}
	}
	t.Fatalf("the section %q of the README has no commands", heading)
	return nil
}

// variable is a variable that a command sets.
var variable = regexp.MustCompile(`\b[A-Z][A-Z0-9_]*=`)

// variablesOf lists what a newcomer has to set: each name once.
func variablesOf(commands []string) []string {
	list := variable.FindAllString(strings.Join(commands, "\n"), -1)
	slices.Sort(list)
	return slices.Compact(list)
}

// checkout is a folder with what git has of the project, and of the changes in it.
func checkout(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", `git ls-files -coz --exclude-standard | xargs -0 cp --parents -t "$1"`, "sh", dir)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("copy the project: %v: %s", err, out)
	}
	return dir
}

// sudoless is a PATH on which sudo is there, and has nothing to do: root runs the
// tests.
func sudoless(t *testing.T) (path string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sudo"), []byte("#!/bin/sh\nexec \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir + ":" + environ("PATH")
}

// environ is a variable of the environment of the test.
func environ(name string) string {
	for _, variable := range os.Environ() {
		if value, found := strings.CutPrefix(variable, name+"="); found {
			return value
		}
	}
	return ""
}

// newcomer sits at the machine of the server.
type newcomer struct {
	w     *world
	home  string // his folder
	roots string // file: the roots that the system knows
	path  string // where his shell looks for programs
}

// buildTime bounds what a command may take: one of them builds everything.
const buildTime = 5 * time.Minute

// follow types the commands. The last one is the server, which runs until the
// test ends; follow returns when the page is there. What each took is returned as
// lines.
func (n *newcomer) follow(commands []string) (took []string) {
	n.w.t.Helper()
	step := func(what string, began time.Time) {
		took = append(took, fmt.Sprintf("  %5.1f s  %s", time.Since(began).Seconds(), what))
	}
	for _, command := range commands[:len(commands)-1] {
		began := time.Now()
		ctx, cancel := context.WithTimeout(n.w.t.Context(), buildTime)
		out, err := n.types(ctx, "sh", "-ec", command).CombinedOutput()
		cancel()
		if err != nil {
			n.w.t.Fatalf("%s: %v: %s", command, err, out)
		}
		step(command, began)
	}
	began, last := time.Now(), commands[len(commands)-1]
	n.runs(last)
	step(last, began)
	return took
}

// types is what a shell on the machine of the server does.
func (n *newcomer) types(ctx context.Context, shell ...string) *exec.Cmd {
	const script = `mount --bind "$1" /etc/ssl/certs/ca-certificates.crt
cd "$2"
shift 2
exec "$@"`
	cmd := n.w.lab.Server().Command(ctx, "sh", append([]string{"-ec", script, "sh", n.roots, n.home}, shell...)...)
	for _, name := range []string{"HOME", "GOCACHE", "GOMODCACHE", "GOFLAGS", "XDG_CACHE_HOME", "GOTOOLCHAIN"} {
		if value := environ(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Env = append(cmd.Env, "PATH="+n.path)
	return cmd
}

// as is a shell for a command: he is not root, unless he says sudo. What he
// builds is his, and the files of /etc are for everybody, as they are elsewhere.
func as(command string) (shell []string) {
	if strings.HasPrefix(command, "sudo ") {
		return []string{"sh", "-ec", command}
	}
	const script = `chown nobody .
for file in hosts nsswitch.conf resolv.conf ssl/certs/ca-certificates.crt; do
	test ! -e /etc/$file || chmod a+r /etc/$file
done
exec setpriv --reuid=nobody --regid=nogroup --clear-groups sh -ec "$1"`
	return []string{"sh", "-ec", script, "sh", command}
}

// runs starts the server, and waits until its page comes with a certificate.
func (n *newcomer) runs(command string) {
	t := n.w.t
	t.Helper()
	life, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := n.types(life, as(command)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the shell, and what it runs
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	n.w.server = &server{log: &record{}, stop: stop}
	cmd.Stdout, cmd.Stderr = n.w.server.log, n.w.server.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // the log says why
	}()
	t.Cleanup(func() {
		stop()
		<-exited
		if t.Failed() {
			t.Logf("log of the server:\n%s", n.w.server.log)
		}
	})
	client := n.w.browses()
	eventually(t, "the page is there, with a certificate", func() bool {
		select {
		case <-exited:
			t.Fatal("the server ended")
		default:
		}
		return answersOK(t.Context(), client, n.w.site)
	})
}
