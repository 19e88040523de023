package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// TestTheSameCommitIsTheSameBytes releases a small module from two folders.
func TestTheSameCommitIsTheSameBytes(t *testing.T) {
	var first []string
	for range 2 {
		dir := repository(t)
		t.Chdir(dir)
		var sums strings.Builder
		if err := run(t.Context(), []string{"-package", "."}, &sums, os.Stderr); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(sums.String()), "\n")
		if len(lines) != 4 || !strings.HasSuffix(lines[0], "  wasmp2pchat_v1.2.3_linux_amd64") || !strings.HasSuffix(lines[3], "_linux_arm64.cdx.json") {
			t.Errorf("released %q, want two programs and two bills, of version v1.2.3", lines)
		}
		check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "SHA256SUMS")
		check.Dir = "dist"
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("sha256sum: %v\n%s", err, out)
		}
		if first == nil {
			first = lines
		}
		if !slices.Equal(first, lines) {
			t.Errorf("from another folder it is\n%q, want\n%q", lines, first)
		}
	}
	if err := os.WriteFile("main.go", []byte("package main\n\nfunc main() { println() }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"-package", "."}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "commit or remove what git status lists") {
		t.Errorf("a release of what is not committed: %v, want that it is not", err)
	}
}

// repository is a module with one commit, always the same, that has a tag.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.org/m\n\ngo 1.26\n", "main.go": "package main\n\nfunc main() {}\n", ".gitignore": "/dist/\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"init", "-q"},
		{"add", "."},
		{"-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "one"},
		{"tag", "v1.2.3"},
	} {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		cmd.Env = append(cmd.Environ(), "GIT_AUTHOR_DATE=2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2026-01-01T00:00:00Z", "GIT_CONFIG_GLOBAL=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	return dir
}

// TestMaterials holds the bill to what the program says of itself.
func TestMaterials(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{
		GoVersion: "go1.26.8", Main: debug.Module{Path: "github.com/wasmp2pchat/wasmp2pchat", Version: "v1.2.3"},
		Deps: []*debug.Module{
			{Path: "github.com/BurntSushi/toml", Version: "v1.0.0", Sum: "h1:abc="},
			{Path: "example.org/a", Version: "v1.0.0", Replace: &debug.Module{Path: "example.org/fork", Version: "v1.0.1+incompatible"}},
		},
		Settings: []debug.BuildSetting{{Key: "vcs.time", Value: "2026-01-01T00:00:00Z"}},
	}
	text, err := materials(info, "00ff")
	if err != nil {
		t.Fatal(err)
	}
	var got bom
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	var purls []string
	for _, c := range got.Components {
		purls = append(purls, c.PURL)
	}
	want := []string{"pkg:golang/std@1.26.8", "pkg:golang/github.com/burntsushi/toml@v1.0.0", "pkg:golang/example.org/fork@v1.0.1+incompatible"}
	if !slices.Equal(purls, want) || !slices.Equal(got.Depends[0].On, want) {
		t.Errorf("components are %q, want %q", purls, want)
	}
	if got.Metadata.Timestamp != "2026-01-01T00:00:00Z" || got.Metadata.Component.Hashes[0].Content != "00ff" || got.Metadata.Component.Version != "v1.2.3" {
		t.Errorf("the program is %+v", got.Metadata)
	}
	if !regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(got.Serial) {
		t.Errorf("serial number %q is no UUID", got.Serial)
	}
	if other, err := materials(info, "00fe"); err != nil || strings.Contains(string(other), got.Serial) {
		t.Errorf("another program has the same serial number, %v", err)
	}
}
