package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestOverlay has Go list what package time needs, which without the stand-in
// is internal/bisect too: also with a Go that was downloaded as a module, whose
// files may not be overlaid where they are.
func TestOverlay(t *testing.T) {
	root, err := goroot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join("..", ".."))
	tests := []struct {
		name string
		set  func(t *testing.T)
	}{
		{"a Go that was installed", func(*testing.T) {}},
		{"a Go among the modules", func(t *testing.T) {
			modules := t.TempDir()
			among := filepath.Join(modules, "toolchain")
			if err := os.Symlink(root, among); err != nil {
				t.Fatal(err)
			}
			t.Setenv("GOROOT", among)
			t.Setenv("GOMODCACHE", modules)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.set(t)
			with, err := overlay(t.Context(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			deps, err := golist(t.Context(), with, "-deps", "time")
			if err != nil {
				t.Fatal(err)
			}
			has := func(path string) bool {
				return slices.ContainsFunc(deps, func(p goPackage) bool { return p.ImportPath == path })
			}
			if !has("internal/godebug") || has("internal/bisect") {
				t.Errorf("time needs %v: want internal/godebug, and no internal/bisect", deps)
			}
		})
	}
}
