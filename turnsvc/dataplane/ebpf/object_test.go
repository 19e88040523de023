package ebpf

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const regenerate = "run go generate ./turnsvc/dataplane/ebpf, which takes clang-19 and llvm-19 (Debian 12 and 13 have both)"

// TestObjectIsRecorded fails when a source, or an object, was changed alone. It
// takes no compiler.
func TestObjectIsRecorded(t *testing.T) {
	t.Parallel()
	record, err := os.ReadFile("relay.sha256")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, name := range []string{"kernel.h", "relay.h", "rewrite.h", "relay.c", "relay_bpfeb.go", "relay_bpfeb.o", "relay_bpfel.go", "relay_bpfel.o"} {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&want, "%x  %s\n", sha256.Sum256(file), name)
	}
	if string(record) != want.String() {
		t.Errorf("relay.sha256 is\n%swant\n%s%s", record, want.String(), regenerate)
	}
}

// TestObjectIsOfTheSource compiles the program anew: the bytes are the same.
func TestObjectIsOfTheSource(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("clang-19"); err != nil {
		if slices.Contains(os.Environ(), "CI=true") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	source, err := os.ReadFile("generate.go")
	if err != nil {
		t.Fatal(err)
	}
	_, line, ok := bytes.Cut(source, []byte("\n//go:generate go "))
	if !ok {
		t.Fatal("generate.go does not say how the program is compiled")
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	dir := t.TempDir()
	args := strings.Fields(strings.Replace(string(line), " -cc ", " -output-dir "+dir+" -cc ", 1))
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Env = append(os.Environ(), "GOPACKAGE=ebpf")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	for _, name := range []string{"relay_bpfeb.go", "relay_bpfeb.o", "relay_bpfel.go", "relay_bpfel.o"} {
		made, err := os.ReadFile(filepath.Join(dir, name))
		is, err2 := os.ReadFile(name)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(formatted(name, made), formatted(name, is)) {
			t.Errorf("%s is not what relay.c is compiled to: %s", name, regenerate)
		}
	}
}

// formatted is a file of Go as the project has it.
func formatted(name string, file []byte) []byte {
	if filepath.Ext(name) == ".go" {
		if f, err := format.Source(file); err == nil {
			return f
		}
	}
	return file
}
