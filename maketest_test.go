package wasmp2pchat_test

import (
	"go/build/constraint"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// step is a go test in what make test does.
type step struct {
	packages []string
	tags     map[string]bool
	only     *regexp.Regexp // -run; nil: all
}

// readPlan asks make what make test would do.
func readPlan(t *testing.T) (plan []step) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "make", "--dry-run", "--always-make", "test")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS") })
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("make --dry-run test: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		if before, arguments, found := strings.Cut(line, "go test "); found {
			plan = append(plan, newStep(before, strings.Fields(arguments)))
		}
	}
	if len(plan) < 5 {
		t.Fatalf("make test has %d steps: %s", len(plan), out)
	}
	return plan
}

func newStep(environment string, arguments []string) step {
	s := step{tags: map[string]bool{"linux": true, "unix": true, "amd64": true}}
	if strings.Contains(environment, "GOOS=js") {
		s.tags = map[string]bool{"js": true, "wasm": true}
	}
	for i, argument := range arguments {
		switch {
		case argument == "-race":
			s.tags["race"] = true
		case argument == "-tags":
			for tag := range strings.SplitSeq(arguments[i+1], ",") {
				s.tags[tag] = true
			}
		case argument == "-run":
			s.only = regexp.MustCompile(strings.Trim(arguments[i+1], "'"))
		case strings.HasPrefix(argument, "./"):
			s.packages = append(s.packages, path.Clean(argument))
		}
	}
	return s
}

// runs tells whether a step runs a test of a file.
func (s step) runs(t *testing.T, file, test string) bool {
	t.Helper()
	if !slices.Contains(s.packages, "...") && !slices.Contains(s.packages, path.Dir(file)) || s.only != nil && !s.only.MatchString(test) {
		return false
	}
	name := strings.TrimSuffix(path.Base(file), "_test.go")
	for _, system := range []string{"linux", "js"} {
		if strings.HasSuffix(name, "_"+system) && !s.tags[system] {
			return false
		}
	}
	for line := range strings.Lines(text(t, file)) {
		if constraint.IsGoBuild(line) {
			expression, err := constraint.Parse(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			return expression.Eval(func(tag string) bool { return s.tags[tag] })
		}
		if strings.HasPrefix(line, "package ") {
			break
		}
	}
	return true
}

// aTest is how one begins.
var aTest = regexp.MustCompile(`(?m)^func (Test[A-Z0-9]\w*)\(t \*testing\.T\)`)

// TestMakeTestRunsEveryTest holds the Makefile to the tests: with whatever tag, make
// test runs it.
func TestMakeTestRunsEveryTest(t *testing.T) {
	t.Parallel()
	plan, count := readPlan(t), 0
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || len(name) > 1 && strings.HasPrefix(entry.Name(), ".")):
			return filepath.SkipDir
		case !strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file := filepath.ToSlash(name)
		for _, found := range aTest.FindAllStringSubmatch(text(t, name), -1) {
			count++
			if !slices.ContainsFunc(plan, func(s step) bool { return s.runs(t, file, found[1]) }) {
				t.Errorf("make test does not run %s of %s", found[1], name)
			}
		}
		return nil
	})
	if err != nil || count < 100 {
		t.Errorf("%d tests were found (%v), want hundreds", count, err)
	}
}

// TestCIRunsTheSecondCommand holds CI to the README: what somebody runs who changes
// something is what CI runs, and nothing else.
func TestCIRunsTheSecondCommand(t *testing.T) {
	t.Parallel()
	var does []string
	for line := range strings.Lines(text(t, ".ci/run")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "set ") && !strings.HasPrefix(line, "cd ") {
			does = append(does, line)
		}
	}
	if want := commandsOf(text(t, "README.md"))[1:2]; !slices.Equal(does, want) {
		t.Errorf(".ci/run does %q, want %q, the README's second command", does, want)
	}
}
