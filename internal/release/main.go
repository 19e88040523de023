// Command release builds what is published: a static binary for each platform
// with its bill of materials, and the checksums of all.
//
//	go run ./internal/release -o dist
//
// It promises that the same commit and the same Go make the same bytes, in any
// folder and on any machine. The browser client must have been built before
// (make client), which promises the same of itself. The version is the one that Go
// takes from git: a tag such as v1.2.3, or else the commit.
package main

import (
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// run builds into an empty folder and lists what is in it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("release", flag.ContinueOnError)
	fs.SetOutput(stderr)
	out := fs.String("o", "dist", "folder to write to; what is in it is removed")
	pkg := fs.String("package", "./cmd/wasmp2pchat", "the program")
	dirty := fs.Bool("dirty", false, "allow changes that are not committed")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(*out), os.MkdirAll(*out, 0o755)); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	var sums strings.Builder
	for _, arch := range []string{"amd64", "arm64"} {
		files, err := release(ctx, *out, *pkg, arch, *dirty, stderr)
		if err != nil {
			return err
		}
		for _, f := range files {
			fmt.Fprintf(&sums, "%s  %s\n", f.sum, filepath.Base(f.path))
		}
	}
	if err := publish(filepath.Join(*out, "SHA256SUMS"), []byte(sums.String()), 0o644); err != nil {
		return err
	}
	fmt.Fprint(stdout, sums.String())
	return nil
}

// file is one that is published.
type file struct{ path, sum string }

// release builds for one architecture of Linux.
func release(ctx context.Context, out, pkg, arch string, dirty bool, stderr io.Writer) ([]file, error) {
	built := filepath.Join(out, "building")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w", "-o", built, pkg)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=")
	cmd.Stdout, cmd.Stderr = stderr, stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go build for %s: %w", arch, err)
	}
	info, err := buildinfo.ReadFile(built)
	if err != nil {
		return nil, fmt.Errorf("read what was built: %w", err)
	}
	version := info.Main.Version
	switch {
	case version == "" || version == "(devel)":
		return nil, errors.New("no version: this is not a git repository")
	case strings.Contains(version, "+dirty") && !dirty:
		return nil, fmt.Errorf("%s: commit or remove what git status lists", version)
	}
	binary, err := os.ReadFile(built)
	if err != nil {
		return nil, fmt.Errorf("read what was built: %w", err)
	}
	name := filepath.Join(out, fmt.Sprintf("wasmp2pchat_%s_linux_%s", version, arch))
	if err := os.Rename(built, name); err != nil {
		return nil, fmt.Errorf("name what was built: %w", err)
	}
	sum := sumOf(binary)
	list, err := materials(info, sum)
	if err != nil {
		return nil, err
	}
	if err := publish(name+".cdx.json", list, 0o644); err != nil {
		return nil, err
	}
	return []file{{name, sum}, {name + ".cdx.json", sumOf(list)}}, nil
}

func sumOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func publish(path string, text []byte, mode os.FileMode) error {
	if err := os.WriteFile(path, text, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
