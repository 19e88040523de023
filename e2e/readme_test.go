//go:build browser

package e2e

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// TestTheManualsCommands has nothing but a machine and this repository under the
// name that the manual gives it. It types what the manuals say: clone, make run,
// look at the page, ^C, and upgrade.
func TestTheManualsCommands(t *testing.T) {
	lab := newLand(t, natlab.NoNAT, natlab.NoNAT).lab
	r := &reader{t: t, on: lab.Server(), environ: cleanEnviron(t)}
	r.dir = t.TempDir()
	r.types(theLine(t, "docs/vps.md", "git clone "))
	r.dir = filepath.Join(r.dir, "wasmp2pchat")

	r.serves(theLine(t, "README.md", "make run"), "http://localhost:8080")
	if _, err := os.Stat(filepath.Join(r.dir, "bin/wasmp2pchat")); err != nil {
		t.Error(err)
	}
	upgrade := theLine(t, "docs/vps.md", "git pull && make")
	upgrade, again, _ := strings.Cut(upgrade, " && sudo ")
	r.types(upgrade)
	if want := theLine(t, "docs/vps.md", "sudo ./bin/wasmp2pchat init"); "sudo "+again != want {
		t.Errorf("an upgrade ends with %q, want %q", again, want)
	}
}

// theLine is the one command of a manual that begins so.
func theLine(t *testing.T, manual, start string) (command string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", manual))
	if err != nil {
		t.Fatal(err)
	}
	for _, mark := range []string{"\n    ", "`"} {
		if _, rest, found := strings.Cut(string(text), mark+start); found {
			rest, _, _ = strings.Cut(rest, mark[:1])
			rest, _, _ = strings.Cut(rest, " #")
			return strings.Join(strings.Fields(start+rest), " ")
		}
	}
	t.Fatalf("%s has no command %q", manual, start)
	return ""
}

// cleanEnviron is that of somebody who was never here. What others have compiled
// and downloaded he has too, because there is no internet, and to be quick.
func cleanEnviron(t *testing.T) []string {
	t.Helper()
	repository, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	environ := []string{
		"HOME=" + t.TempDir(), "PATH=" + environ("PATH"),
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url." + repository + ".insteadOf", "GIT_CONFIG_VALUE_0=https://github.com/wasmp2pchat/wasmp2pchat",
	}
	names := []string{"GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY", "GOTOOLCHAIN"}
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"env"}, names...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for i, value := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		environ = append(environ, names[i]+"="+value)
	}
	return environ
}

// reader sits at a machine, and types.
type reader struct {
	t       *testing.T
	on      *natlab.Host
	dir     string
	environ []string
}

// shell is a shell with a command, and all that it starts.
func (r *reader) shell(ctx context.Context, command string) *exec.Cmd {
	cmd := r.on.Command(ctx, "sh", "-ec", `cd "$1"; eval "$2"`, "sh", r.dir, command)
	cmd.Env = r.environ
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// types waits until a command has done what it does.
func (r *reader) types(command string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), buildTime)
	defer cancel()
	if out, err := r.shell(ctx, command).CombinedOutput(); err != nil {
		r.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// serves runs a server, gets its page, and ends it with ^C, which a terminal sends
// to make and to the server. Make tells of those that end with an error.
func (r *reader) serves(command, url string) {
	t := r.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), buildTime)
	defer cancel()
	said := &record{}
	cmd := r.shell(ctx, command)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // a shell ends as ^C ends it
	}()
	t.Cleanup(func() { cancel(); <-ended })
	client := &http.Client{Transport: &http.Transport{DialContext: r.on.Dial, DisableKeepAlives: true}}
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for !answersOK(ctx, client, url+"/") {
		select {
		case <-ended:
			t.Fatalf("%s has ended: %s", command, said)
		case <-ctx.Done():
			t.Fatalf("%s does not serve %s within %v: %s", command, url, buildTime, said)
		case <-again.C:
		}
	}
	for path, want := range map[string]string{"/": `id="start"`, "/version": `"client"`} {
		if body := r.gets(ctx, client, url+path); !strings.Contains(body, want) {
			t.Errorf("%s is %q, want %s in it", path, body, want)
		}
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	<-ended
	if log := said.String(); !strings.Contains(log, "stopped") || slices.ContainsFunc([]string{"***", "level=ERROR", "panic"}, func(bad string) bool { return strings.Contains(log, bad) }) {
		t.Errorf("%s was interrupted, and says\n%s", command, log)
	}
}

func (r *reader) gets(ctx context.Context, client *http.Client, url string) string {
	r.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		r.t.Errorf("GET %s = %d, %v", url, res.StatusCode, err)
	}
	return string(body)
}
