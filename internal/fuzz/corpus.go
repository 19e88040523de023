package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// maxKept bounds the inputs of a corpus that come from the cache, maxInput their
	// size in bytes: all of testdata/fuzz shall stay below a megabyte.
	maxKept  = 25
	maxInput = 2 << 10
)

// keepAll keeps what is worth it of each target.
func keepAll(ctx context.Context, targets []target, out io.Writer) error {
	cache, err := exec.CommandContext(ctx, "go", "env", "GOCACHE").Output()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fuzz")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // in the system's folder for it
	built := ""
	c := chooser{program: filepath.Join(dir, "test"), profile: filepath.Join(dir, "profile")}
	for _, t := range targets {
		if built != t.pkg {
			build := exec.CommandContext(ctx, "go", "test", "-c", "-cover", "-o", c.program, t.pkg)
			if said, err := build.CombinedOutput(); err != nil {
				return fmt.Errorf("build %s: %w: %s", t.pkg, err, said)
			}
			built = t.pkg
		}
		kept, of, err := c.keep(ctx, t, filepath.Join(strings.TrimSpace(string(cache)), "fuzz", t.pkg, t.name))
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%v: %d of %d kept\n", t, kept, of)
	}
	return nil
}

// chooser runs a package's tests and sees what they cover.
type chooser struct{ program, profile string }

// keep copies the inputs from a folder that cover what none before them does, the
// short ones first.
func (c *chooser) keep(ctx context.Context, t target, from string) (kept, of int, err error) {
	files, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	covered, err := c.covers(ctx, t, "")
	if err != nil {
		return 0, 0, fmt.Errorf("%v fails with what it has: %w", t, err)
	}
	inputs := map[string][]byte{}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(from, f.Name()))
		if err == nil && len(text) <= maxInput {
			inputs[f.Name()] = text
		}
	}
	to := filepath.Join(t.dir, "testdata", "fuzz", t.name)
	for _, name := range byLength(inputs) {
		if kept == maxKept {
			break
		}
		more, err := c.tries(ctx, t, to, name, inputs[name], covered)
		if err != nil {
			return kept, len(files), err
		}
		if more {
			kept++
		}
	}
	_ = os.Remove(to) // if it is empty
	return kept, len(files), nil
}

func byLength(inputs map[string][]byte) []string {
	names := make([]string, 0, len(inputs))
	for name := range inputs {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := len(inputs[a]) - len(inputs[b]); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return names
}

// tries puts an input into the corpus, and leaves it there if it covers more.
func (c *chooser) tries(ctx context.Context, t target, dir, name string, text []byte, covered map[string]bool) (more bool, err error) {
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err == nil {
		return false, nil // it is there
	}
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(path, text, 0o644)); err != nil {
		return false, err
	}
	blocks, err := c.covers(ctx, t, "/^"+name+"$")
	if ctx.Err() != nil {
		_ = os.Remove(path)
		return false, ctx.Err()
	}
	if err != nil && strings.Contains(err.Error(), "mismatched types in corpus entry") { // of a target that has changed since
		return false, os.Remove(path)
	}
	if err != nil {
		return false, fmt.Errorf("%v fails with %s: %w", t, path, err) // and it stays, to be looked at
	}
	for block := range blocks {
		more = more || !covered[block]
		covered[block] = true
	}
	if !more {
		err = os.Remove(path)
	}
	return more, err
}

// covers runs a target with its corpus, or one input of it, and returns the blocks
// that were run.
func (c *chooser) covers(ctx context.Context, t target, input string) (map[string]bool, error) {
	cmd := exec.CommandContext(ctx, c.program, "-test.run", "^"+t.name+"$"+input, "-test.coverprofile", c.profile)
	cmd.Dir = t.dir
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, said)
	}
	text, err := os.ReadFile(c.profile)
	if err != nil {
		return nil, err
	}
	blocks := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if block, count, _ := strings.Cut(strings.TrimSpace(line), " "); !strings.HasSuffix(count, " 0") {
			blocks[block] = true
		}
	}
	return blocks, nil
}
