//go:build browser

package e2e

import (
	"context"
	_ "embed"
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
	mostCommands = 3
	mostValues   = 1
)

// TestANewUserServes has nothing but the README, a name, and a machine on the
// internet with a folder that holds what git has. He does what the section says,
// and two people behind symmetric NATs chat. Let's Encrypt is pebble, and is
// found where the program looks for it: nobody tells it of another one.
func TestANewUserServes(t *testing.T) {
	commands := readCommands(t, "On a server of your own")
	values := valuesOf(commands)
	if len(commands) > mostCommands || len(values) > mostValues {
		t.Errorf("the README wants %d commands of a newcomer, and %d values: %q and %q; want at most %d and %d",
			len(commands), len(values), commands, values, mostCommands, mostValues)
	}
	w := newLand(t, natlab.Symmetric, natlab.Symmetric)
	if err := w.lab.SetName(domain, netip.MustParseAddr("51.51.51.10")); err != nil {
		t.Fatal(err)
	}
	w.site = "https://" + domain + "/"
	le := w.letsEncrypt()
	w.trusts = inFile(t, string(le.issued))
	n := newNewcomer(w, le.roots)

	began := time.Now()
	took := n.follow(commands)
	w.people(chromium, chromium)
	w.chats("relay-udp")
	t.Logf("from the folder to the end of the chat: %d commands, %d values, %.1f s\n%s",
		len(commands), len(values), time.Since(began).Seconds(), strings.Join(took, "\n"))
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
	fenced := false
	for line := range strings.Lines(section) {
		command, indented := strings.CutPrefix(line, "    ")
		fence := strings.HasPrefix(line, "```")
		switch {
		case fence:
			fenced = !fenced
		case indented || fenced:
			commands = append(commands, strings.TrimSpace(command))
			continue
		}
		if len(commands) > 0 {
			return commands
		}
	}
	t.Fatalf("the section %q of the README has no commands", heading)
	return nil
}

// value is what a newcomer has to put into a command: a variable, or what stands
// behind a flag.
var value = regexp.MustCompile(`\b[A-Z][A-Z0-9_]*=\S+|--[a-z-]+[ =][^\s-]\S*`)

// valuesOf lists them, each once.
func valuesOf(commands []string) []string {
	list := value.FindAllString(strings.Join(commands, "\n"), -1)
	slices.Sort(list)
	return slices.Compact(list)
}

// newcomer sits at the machine of the server. What root writes there is in
// folders of the test.
type newcomer struct {
	w    *world
	home string // his folder
	root string // folders that stand in for those of the machine
	path string // where shells look for programs
}

// newNewcomer gives him a checkout: a folder with what git has of the project, and
// of the changes in it. The machine knows the roots in a file.
func newNewcomer(w *world, roots string) *newcomer {
	t := w.t
	t.Helper()
	n := &newcomer{w: w, home: t.TempDir(), root: t.TempDir()}
	goroot, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	n.path = n.programs() + ":" + filepath.Join(strings.TrimSpace(string(goroot)), "bin") + ":" + environ("PATH")
	const script = `git ls-files -coz --exclude-standard | xargs -0 cp --parents -t "$1"
mkdir "$2/lib" "$2/bin"
cp -a /etc "$2/etc" # with the names of the laboratory
rm "$2/etc/ssl/certs/ca-certificates.crt"
cp "$3" "$2/etc/ssl/certs/ca-certificates.crt"
cd "$2/etc"
chmod -f a+r hosts nsswitch.conf resolv.conf ssl/certs/ca-certificates.crt`
	cmd := w.lab.Server().Command(t.Context(), "sh", "-ec", script, "sh", n.home, n.root, roots)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("furnish the machine: %v: %s", err, out)
	}
	return n
}

// systemctl stands in for systemd, which the machine of the laboratory has not.
//
//go:embed testdata/systemctl.sh
var systemctl string

// programs is a folder with a sudo that has nothing to do, because root runs the
// tests, and with systemd.
func (n *newcomer) programs() (dir string) {
	n.w.t.Helper()
	dir = n.w.t.TempDir()
	for name, text := range map[string]string{"sudo": "#!/bin/sh\nexec \"$@\"\n", "systemctl": systemctl} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			n.w.t.Fatal(err)
		}
	}
	return dir
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

// buildTime bounds what a command may take: one of them builds everything.
const buildTime = 5 * time.Minute

// follow types the commands. The last one starts the server, which runs until the
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
		out, err := n.types(ctx, command).CombinedOutput()
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
func (n *newcomer) types(ctx context.Context, command string) *exec.Cmd {
	const script = `mount --bind "$1/etc" /etc
mount --bind "$1/lib" /var/lib
mount --bind "$1/bin" /usr/local/bin
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
cd "$2"
eval "$3"`
	cmd := n.w.lab.Server().Command(ctx, "sh", "-ec", script, "sh", n.root, n.home, command)
	for _, name := range []string{"HOME", "GOCACHE", "GOMODCACHE", "GOFLAGS", "XDG_CACHE_HOME", "GOTOOLCHAIN"} {
		if value := environ(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Env = append(cmd.Env, "PATH="+n.path)
	return cmd
}

// runs starts the server, and waits until its page comes with a certificate.
func (n *newcomer) runs(command string) {
	t := n.w.t
	t.Helper()
	life, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := n.types(life, command)
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
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what the command has left behind
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
