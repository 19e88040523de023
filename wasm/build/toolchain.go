package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// What follows is the second half of the cut: files of the standard library in
// whose place the client is compiled with a stand-in.
//
// The linker keeps the initialisation of every package, and with it what hangs
// on it. An overlay (go help build) puts another file in the place of one; the Go
// that is installed stays as it is. When a later Go wants more of the package
// than the stand-in has, the compiler says so.

// overlaid are files of the standard library, and where their stand-ins are.
func overlaid() map[string]string {
	return map[string]string{
		"internal/godebug/godebug.go": "wasm/standin/godebug/godebug.go", // GODEBUG: a page has no environment
	}
}

// toolchain is the go command that compiles the client.
type toolchain struct {
	command string   // go, or where it is
	env     []string // beside the environment of this process
	args    []string // for go build and go list
}

// plain is the go command as everybody has it.
func plain() toolchain { return toolchain{command: "go"} }

// run makes a command for the browser: verb is build or list.
func (t toolchain) run(ctx context.Context, verb string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.command, verb)
	cmd.Args = append(append(cmd.Args, t.args...), args...)
	cmd.Env = append(append(cmd.Environ(), "GOOS=js", "GOARCH=wasm"), t.env...)
	return cmd
}

// overlay makes a toolchain that compiles the stand-ins, with what it needs in
// folder. It calls Go by a link there: a Go that was downloaded lies among the
// modules, and of what lies there nothing may be overlaid.
func overlay(ctx context.Context, folder string) (toolchain, error) {
	installed, err := goroot(ctx)
	if err != nil {
		return toolchain{}, err
	}
	here, err := filepath.Abs(folder)
	if err != nil {
		return toolchain{}, fmt.Errorf("find the cut: %w", err)
	}
	root := filepath.Join(here, "go")
	replace := map[string]string{}
	for file, standin := range overlaid() {
		original := filepath.Join(root, "src", filepath.FromSlash(file))
		if replace[original], err = filepath.Abs(filepath.FromSlash(standin)); err != nil {
			return toolchain{}, fmt.Errorf("find a stand-in: %w", err)
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return toolchain{}, fmt.Errorf("list the stand-ins: %w", err)
	}
	file := filepath.Join(here, "overlay.json")
	if err := errors.Join(os.Symlink(installed, root), os.WriteFile(file, list, 0o600)); err != nil {
		return toolchain{}, fmt.Errorf("overlay the standard library: %w", err)
	}
	for original := range replace {
		if _, err := os.Stat(original); err != nil {
			return toolchain{}, fmt.Errorf("nothing to overlay: %w\n%s", err, cutAdvice)
		}
	}
	return toolchain{
		command: filepath.Join(root, "bin", "go"),
		env:     []string{"GOROOT=" + root, "GOTOOLCHAIN=local"},
		args:    []string{"-overlay=" + file},
	}, nil
}

// goroot is where Go is.
func goroot(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("ask go for its root: %w", err)
	}
	return string(bytes.TrimSpace(root)), nil
}
