//go:build netns

package ebpf

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
)

// TestMain is also the child of TestRights: it opens a plane with the rights that
// it was given, and says what came of it.
func TestMain(m *testing.M) {
	try := flag.Bool("try", false, "open a plane and print its error")
	flag.Parse()
	if !*try {
		m.Run()
		return
	}
	p, err := Open(dataplane.Options{Bitrate: -1, MaxChannels: 10, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = p.Close()
	}
	fmt.Fprintln(os.Stdout, "opened:", err)
}

// TestRights opens planes as nobody, with and without the two capabilities.
func TestRights(t *testing.T) {
	w := newWires(t)
	for _, c := range []struct {
		name string
		caps []uintptr
		want string
	}{
		{"with what it takes", []uintptr{unix.CAP_BPF, unix.CAP_NET_ADMIN}, "opened: <nil>"},
		{"with nothing", nil, "AmbientCapabilities=CAP_BPF CAP_NET_ADMIN"},
		{"with CAP_BPF alone", []uintptr{unix.CAP_BPF}, "AmbientCapabilities=CAP_BPF CAP_NET_ADMIN"},
		{"with CAP_NET_ADMIN alone", []uintptr{unix.CAP_NET_ADMIN}, "AmbientCapabilities=CAP_BPF CAP_NET_ADMIN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			self, err := os.Open("/proc/self/exe") // nobody may not enter the folder of the tests
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = self.Close() }()
			var said []byte
			w.server.must(t, func() error {
				cmd := exec.CommandContext(t.Context(), "/proc/self/fd/3", "-try")
				cmd.ExtraFiles = []*os.File{self}
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: c.caps}
				said, err = cmd.CombinedOutput()
				return err
			})
			if !strings.Contains(string(said), c.want) {
				t.Errorf("it says %q, want %q", said, c.want)
			}
		})
	}
}
