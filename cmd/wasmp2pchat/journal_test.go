package main

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait for the program; it is never the measure of one.
const patience = 90 * time.Second

// journal is a log that a test reads while it is written.
type journal struct {
	mu    sync.Mutex
	lines []string
	grown chan struct{} // closed when there is another line
}

func newJournal() *journal { return &journal{grown: make(chan struct{})} }

// Write takes one line.
func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, strings.TrimSpace(string(line)))
	close(j.grown)
	j.grown = make(chan struct{})
	return len(line), nil
}

// more is closed when a line is added.
func (j *journal) more() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.grown
}

// with are the lines that hold all of the texts.
func (j *journal) with(texts ...string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var list []string
	for _, line := range j.lines {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			list = append(list, line)
		}
	}
	return list
}

// line is the last of those, or empty.
func (j *journal) line(texts ...string) string {
	if list := j.with(texts...); len(list) > 0 {
		return list[len(list)-1]
	}
	return ""
}

// await waits until so many lines hold all of the texts, and returns the last
// one.
func (j *journal) await(t *testing.T, many int, texts ...string) string {
	t.Helper()
	for late := time.After(patience); ; {
		more := j.more()
		if list := j.with(texts...); len(list) >= many {
			return list[len(list)-1]
		}
		select {
		case <-more:
		case <-late:
			t.Fatalf("want %d lines with %q, there are %q in\n%s", many, texts, j.with(texts...), strings.Join(j.with(), "\n"))
		}
	}
}

// until looks again and again until something is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); !so(); {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("it never was so that %s", what)
		}
	}
}

// calm fails the test if there are warnings or errors besides those that hold
// one of the texts, each of which may be there once.
func (j *journal) calm(t *testing.T, besides ...string) {
	t.Helper()
	for _, level := range []string{`"level":"WARN"`, `"level":"ERROR"`} {
		for _, line := range j.with(level) {
			at := slices.IndexFunc(besides, func(text string) bool { return strings.Contains(line, text) })
			if at < 0 {
				t.Errorf("the log says %s", line)
				continue
			}
			besides = slices.Delete(slices.Clone(besides), at, at+1)
		}
	}
}
