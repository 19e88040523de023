package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// target is one fuzz test.
type target struct {
	pkg  string // import path
	dir  string
	name string
}

func (t target) String() string { return t.pkg + " " + t.name }

// fuzzTest finds fuzz tests in a file that gofmt has seen.
var fuzzTest = regexp.MustCompile(`(?m)^func (Fuzz\w*)\(\w+ \*testing\.F\) {$`)

// list finds the targets of packages that are built on this machine.
func list(ctx context.Context, packages []string) (targets []target, err error) {
	args := append([]string{"list", "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles"}, packages...)
	text, err := exec.CommandContext(ctx, "go", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("list the packages: %w", err)
	}
	for in := json.NewDecoder(bytes.NewReader(text)); ; {
		var p struct {
			ImportPath, Dir           string
			TestGoFiles, XTestGoFiles []string
		}
		if err := in.Decode(&p); errors.Is(err, io.EOF) {
			return targets, nil
		} else if err != nil {
			return nil, err
		}
		for _, file := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
			text, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				return nil, err
			}
			for _, found := range fuzzTest.FindAllSubmatch(text, -1) {
				targets = append(targets, target{pkg: p.ImportPath, dir: p.Dir, name: string(found[1])})
			}
		}
	}
}

// result is what came of a target.
type result struct {
	executions, fresh, inputs int
	failed                    bool
}

var (
	executions  = regexp.MustCompile(`execs: (\d+)`)
	interesting = regexp.MustCompile(`new interesting: (\d+) \(total: (\d+)\)`)
)

// fuzz runs a target. What it says when it fails is passed on. An input that leads to
// new code is made smaller for a second at most: Go's minute would be all the time
// of a target that does not do the same thing each time.
func (t target) fuzz(ctx context.Context, j job, out io.Writer) (r result, err error) {
	args := []string{"test", "-run", "^$", "-fuzz", "^" + t.name + "$", "-fuzztime", j.each.String(), "-fuzzminimizetime", "1s"}
	if j.workers > 0 {
		args = append(args, "-parallel", strconv.Itoa(j.workers))
	}
	cmd := exec.CommandContext(ctx, "go", append(args, t.pkg)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return r, fmt.Errorf("fuzz %v: %w", t, err)
	}
	if r.failed = err != nil; r.failed {
		_, err = out.Write(said)
	}
	return r.read(said), err
}

// read takes the figures from what go test says: those of the last line count.
func (r result) read(said []byte) result {
	last := func(of *regexp.Regexp, to ...*int) {
		all := of.FindAllSubmatch(said, -1)
		if len(all) == 0 {
			return
		}
		for i, n := range to {
			*n, _ = strconv.Atoi(string(all[len(all)-1][i+1])) // digits, says the pattern
		}
	}
	last(executions, &r.executions)
	last(interesting, &r.fresh, &r.inputs)
	return r
}

// diary is what was done.
type diary map[string]result

func readDiary(path string) (diary, error) {
	d := diary{}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	for line := range strings.Lines(string(text)) {
		var r result
		var pkg, name string
		if _, err := fmt.Sscan(line, &r.executions, &r.fresh, &r.inputs, &r.failed, &pkg, &name); err != nil {
			return nil, fmt.Errorf("%s: %w: mend or remove it", path, err)
		}
		d[pkg+" "+name] = r
	}
	return d, err
}

func (d diary) write(path string) error {
	var text strings.Builder
	for t, r := range d {
		fmt.Fprintln(&text, r.executions, r.fresh, r.inputs, r.failed, t)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text.String()), 0o644)
}
