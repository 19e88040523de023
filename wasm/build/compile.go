package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// compile builds the Go program in folder for the browser.
//
// -w leaves out what only debuggers read, -trimpath and -buildvcs=false the
// builder's paths and the commit, so that the file and its name change only when
// the code does. The names of functions are left in: takeNames takes them out.
func compile(ctx context.Context, with toolchain, folder string, stderr io.Writer) ([]byte, error) {
	tmp, err := os.MkdirTemp("", "wasm-build-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the client: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // in the system's folder for such leftovers anyway

	cmd := with.run(ctx, "build", "-trimpath", "-buildvcs=false", "-ldflags=-w", "-o", filepath.Join(tmp, "app.wasm"), folder)
	cmd.Stdout, cmd.Stderr = stderr, stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("compile %s: %w", folder, err)
	}
	client, err := fs.ReadFile(os.DirFS(tmp), "app.wasm")
	if err != nil {
		return nil, fmt.Errorf("read the client: %w", err)
	}
	return client, nil
}

// wasmExec reads the script that every Go program in a browser needs. It comes
// with the compiler and must be of the same version.
func wasmExec(ctx context.Context) ([]byte, error) {
	root, err := goroot(ctx)
	if err != nil {
		return nil, err
	}
	script, err := os.ReadFile(filepath.Join(root, "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		return nil, fmt.Errorf("read the go runtime's script: %w", err)
	}
	return script, nil
}
