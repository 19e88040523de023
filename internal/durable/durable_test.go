package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	for _, text := range []string{"one, and longer", "two"} {
		if err := Write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("the file holds %q, %v, want %q", got, err, text)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("beside it lie %v, %v; want nothing", entries, err)
	}
}

// TestAFileThatCannotBeWrittenKeepsWhatItWas holds the promise of the package.
func TestAFileThatCannotBeWrittenKeepsWhatItWas(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := Write(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".new", 0o700); err != nil { // in the way
		t.Fatal(err)
	}
	if err := Write(path, []byte("new")); err == nil {
		t.Error("Write = nil, want an error")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "old" {
		t.Errorf("the file holds %q, %v, want what it was", got, err)
	}
}

// TestRead follows links, as those of certificates and container secrets are, and
// stops at what is too long for a small file.
func TestRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "file"), filepath.Join(t.TempDir(), "link")
	if err := Write(path, []byte("text")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if text, err := Read(link); err != nil || string(text) != "text" {
		t.Errorf("Read = %q, %v, want what is in the file", text, err)
	}
	if _, err := Read(filepath.Join(dir, "another")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of no file = %v, want ErrNotExist", err)
	}
	if err := os.Truncate(path, MaxBytes+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil {
		t.Error("Read of a file that is too long = nil, want an error")
	}
}
