package main

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCutFits makes the cut of the pion/webrtc that go.mod names: whoever
// raises it learns here that there is a cut to look after.
func TestCutFits(t *testing.T) {
	t.Parallel()
	sources, err := webrtcSources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	into := t.TempDir()
	if err := copyCut(sources, into); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(into, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if why, ok := leftOut()[filepath.Base(file)]; ok {
			t.Errorf("%s is in the copy, but should be left out: %s", file, why)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for path := range instead() {
			if strings.Contains(string(text), "\t\""+path+"\"") {
				t.Errorf("%s still imports %s", file, path)
			}
		}
	}
	for _, want := range []string{"peerconnection_js.go", "datachannel_js.go", "cut.go"} {
		if !slices.Contains(files, filepath.Join(into, want)) {
			t.Errorf("the copy has no %s, only %q", want, files)
		}
	}
}

// TestCutNeedsEveryEntry: an entry that has become useless is an error, so the
// tables say nothing that is not so.
func TestCutNeedsEveryEntry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	imports := "package webrtc\n\nimport (\n"
	for path := range instead() {
		imports += "\t_ \"" + path + "\"\n"
	}
	all := map[string]string{"peerconnection_js.go": imports + ")\n", "go.mod": "module x\n"}
	for name := range leftOut() {
		all[name] = "package webrtc\n"
	}
	tests := []struct {
		name, without, want string
	}{
		{"whole", "", ""},
		{"a file that is gone", "stats.go", "there is no stats.go to leave out"},
		{"an import that is gone", "peerconnection_js.go", "nothing imports"},
	}
	for name, text := range all {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := goPackage{ImportPath: cutModule, Dir: dir}
			for _, name := range slices.Sorted(maps.Keys(all)) {
				if name != tt.without && name != "go.mod" {
					p.GoFiles = append(p.GoFiles, name)
				}
			}
			err := copyCut([]goPackage{p}, t.TempDir())
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("copyCut() = %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestDivert(t *testing.T) {
	t.Parallel()
	const source = `// Package webrtc has "fmt" in a comment.
package webrtc

import (
	"errors"
	"fmt"

	"github.com/pion/ice/v4"
)

var _ = fmt.Sprintf("fmt")
`
	changed := map[string]bool{}
	got, err := divert("a.go", source, changed)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("\t\"fmt\"\n", "\t\""+standins+"fmt\"\n", "github.com/pion/ice/v4", standins+"ice").Replace(source)
	if got != want {
		t.Errorf("divert() =\n%s\nwant\n%s", got, want)
	}
	if len(changed) != 2 || !changed["fmt"] || !changed["github.com/pion/ice/v4"] {
		t.Errorf("divert() noted %v, want both", changed)
	}
	if _, err := divert("a.go", "package", changed); err == nil {
		t.Error("divert() of what is no Go reports nothing")
	}
}

// TestStandinsRefuse holds the stand-ins to be types and refusals: whatever a
// function of theirs returns comes from one expression.
func TestStandinsRefuse(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../standin/*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stand-ins: %v", err)
	}
	function := regexp.MustCompile(`(?m)^(.*)\n^func (?:\([^)]*\) )?([A-Za-z]+)\(.*$`)
	refusal := regexp.MustCompile(`\{ ?\s*return (nil, ErrCut|ErrCut|ErrCut\.Error\(\)|errCut\.Error\(\)|0|"", false)\s*\}$`)
	overlays := slices.Collect(maps.Values(overlaid()))
	for _, file := range files {
		if slices.Contains(overlays, path.Join("wasm/build", filepath.ToSlash(file))) {
			continue // the standard library calls it
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range function.FindAllStringSubmatch(string(text), -1) {
			if strings.HasSuffix(filepath.Dir(file), "fmt") && m[2] != "Sprintf" {
				continue // what mayRun lists
			}
			whole := string(text[strings.Index(string(text), m[0]):])
			body := whole[len(m[1])+1:]
			body = body[:strings.Index(body, "}\n")+1]
			if m[1] != "//go:noinline" {
				t.Errorf("%s: %s may be inlined, so nobody would see that it is linked", file, m[2])
			}
			if !refusal.MatchString(body) {
				t.Errorf("%s: %s does more than refuse: %s", file, m[2], body)
			}
		}
	}
}
