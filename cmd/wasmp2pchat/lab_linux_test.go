//go:build netns

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/lab"
)

// labProgram builds the program: a lab starts itself again, and a test is not it.
func labProgram(t *testing.T) string {
	t.Helper()
	if err := lab.Available(false); err != nil {
		if slices.Contains(os.Environ(), "CI=true") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	program := filepath.Join(t.TempDir(), "wasmp2pchat")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}

// TestLab runs a few pairs of which each is a world of its own, and then kills a run.
func TestLab(t *testing.T) {
	program := labProgram(t)
	t.Run("pairs", func(t *testing.T) { runPairs(t, program, "lab") })
	t.Run("killed", func(t *testing.T) { killRun(t, program) })
}

func runPairs(t *testing.T, program, command string) {
	const only = "prcone-prcone,symmetric-symmetric,tcp443-tcp443,ipv6-prcone,symmetric-symmetric/onenat,symmetric-symmetric/cloud"
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, command, "--json", "--rounds", "1", "--only", only)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	var report struct {
		Faults int
		Pairs  []struct {
			Pair   string
			OK     bool
			Rounds []struct{ Fault string }
		}
	}
	if jsonErr := json.Unmarshal(out, &report); jsonErr != nil {
		t.Fatalf("lab ended with %v, and said %s%s", err, out, said.String())
	}
	if len(report.Pairs) != 6 {
		t.Errorf("%d pairs were run, want 6", len(report.Pairs))
	}
	for _, pair := range report.Pairs {
		if !pair.OK {
			t.Errorf("%s: %+v", pair.Pair, pair.Rounds)
		}
	}
	if (err == nil) != (report.Faults == 0) {
		t.Errorf("with %d faults lab ended with %v", report.Faults, err)
	}
	if left := labsOf(t, cmd.Process.Pid); len(left) > 0 {
		t.Errorf("lab left %q", left)
	}
}

// killRun kills a run in its midst, and cleans up.
func killRun(t *testing.T, program string) {
	cmd := exec.CommandContext(t.Context(), program, "lab", "--rounds", "100", "--only", "none-none,prcone-prcone")
	progress, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make(chan string, 1)
	go func() {
		scanner := bufio.NewScanner(progress)
		scanner.Scan()
		line <- scanner.Text()
	}()
	awaitLab(t, cmd.Process.Pid, line)
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // reports the kill
	if left := labsOf(t, cmd.Process.Pid); len(left) == 0 {
		t.Fatal("a run that was killed has left nothing: nothing is tested")
	}
	if out, err := exec.CommandContext(t.Context(), program, "lab", "--clean").CombinedOutput(); err != nil || !strings.Contains(string(out), "are removed") {
		t.Errorf("lab --clean = %v: %s", err, out)
	}
	if left := labsOf(t, cmd.Process.Pid); len(left) > 0 {
		t.Errorf("lab --clean left %q", left)
	}
}

// awaitLab returns when a run has built something; line is told what it says before.
func awaitLab(t *testing.T, pid int, line <-chan string) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	enough := time.NewTimer(30 * time.Second)
	defer enough.Stop()
	for len(labsOf(t, pid)) < 6 {
		select {
		case <-again.C:
		case text := <-line:
			t.Fatalf("lab said %q before it had built anything", text)
		case <-enough.C:
			t.Fatal("lab builds nothing")
		}
	}
}

// labsOf lists what a run has: namespaces and folders.
func labsOf(t *testing.T, pid int) []string {
	t.Helper()
	var list []string
	for _, pattern := range []string{"/run/netns/natlab-%d-*", "/etc/netns/natlab-%d-*", filepath.Join(os.TempDir(), "wasmp2pchat-lab-%d-*")} {
		found, err := filepath.Glob(fmt.Sprintf(pattern, pid))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, found...)
	}
	return list
}
