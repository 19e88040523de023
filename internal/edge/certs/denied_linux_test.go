package certs

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// nobody is a user without rights on every Linux.
const nobody = 65534

// asNobody runs f as a user without rights. Only its thread is, and that ends
// with it.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become nobody")
	}
	ended := make(chan error)
	go func() {
		defer close(ended)
		runtime.LockOSThread() // and never unlock it: the thread is of no more use
		for _, call := range []uintptr{unix.SYS_SETRESGID, unix.SYS_SETRESUID} {
			if _, _, errno := unix.RawSyscall(call, nobody, nobody, nobody); errno != 0 {
				ended <- errno
				return
			}
		}
		f()
	}()
	if err := <-ended; err != nil {
		t.Skipf("cannot become nobody: %v", err)
	}
}

func TestAKeyThatCannotBeReadIsToldWithTheCommandThatMendsIt(t *testing.T) {
	t.Parallel()
	pair := newMaker(t).issue(1, nil)
	for _, c := range []struct {
		name   string
		shut   string      // what is shut
		mode   os.FileMode // how
		group  int
		phrase string // of the error
		mend   string // its command, with the path of shut as %
	}{
		{"the file", "archive/key.pem", 0o600, 0, "may not read %", "sudo chgrp 65534 '%' && sudo chmod g+r '%'"},
		{"the file, with a group of its own", "archive/key.pem", 0o640, 4242, "may not read %", "sudo setfacl -m u:65534:r '%'"},
		{"the folder of the link", "live", 0o700, 0, "may not search %", "sudo chgrp 65534 '%' && sudo chmod g+x '%'"},
		{"the folder that the link points to", "archive", 0o700, 4242, "may not search %", "sudo setfacl -m u:65534:x '%'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := sharedDir(t)
			for _, folder := range []string{"live", "archive"} {
				if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			write(t, filepath.Join(dir, "cert.pem"), pair.chain)
			write(t, filepath.Join(dir, "archive", "key.pem"), pair.key)
			for _, file := range []string{"cert.pem", "archive/key.pem"} {
				if err := os.Chmod(filepath.Join(dir, file), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			key := filepath.Join(dir, "live", "key.pem")
			link(t, "../archive/key.pem", key) // as certbot does
			cfg := Config{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: key}
			var open, shut error
			shutPath := filepath.Join(dir, c.shut)
			asNobody(t, func() { _, open = New(cfg) })
			if err := os.Chown(shutPath, 0, c.group); err != nil {
				t.Skipf("cannot give a file away: %v", err)
			}
			if err := os.Chmod(shutPath, c.mode); err != nil {
				t.Fatal(err)
			}
			asNobody(t, func() { _, shut = New(cfg) })
			if open != nil {
				t.Fatalf("while all may read: New = %v", open)
			}
			if shut == nil {
				t.Fatal("New = nil, want an error")
			}
			for _, want := range []string{key, c.phrase, "(65534)", "owner root (0)", c.mend} {
				if want = strings.ReplaceAll(want, "%", shutPath); !strings.Contains(shut.Error(), want) {
					t.Errorf("New = %v\nwant %s in it", shut, want)
				}
			}
		})
	}
}

// sharedDir is a folder that everybody may enter.
func sharedDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
