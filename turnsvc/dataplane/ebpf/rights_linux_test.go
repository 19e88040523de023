//go:build netns

package ebpf

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRights opens planes as nobody, with and without the two capabilities.
func TestRights(t *testing.T) {
	w := newWires(t)
	for _, c := range []struct {
		name string
		caps []uintptr
		want string
	}{
		{"with what it takes", []uintptr{unix.CAP_BPF, unix.CAP_NET_ADMIN}, "opened: <nil>"},
		{"with CAP_SYS_ADMIN, which is both", []uintptr{unix.CAP_SYS_ADMIN}, "opened: <nil>"},
		{"with nothing", nil, "lacks CAP_BPF and CAP_NET_ADMIN: AmbientCapabilities=CAP_BPF CAP_NET_ADMIN"},
		{"with CAP_BPF alone", []uintptr{unix.CAP_BPF}, "lacks CAP_NET_ADMIN:"},
		{"with CAP_NET_ADMIN alone", []uintptr{unix.CAP_NET_ADMIN}, "lacks CAP_BPF:"},
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
