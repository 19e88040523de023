//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/bench/process"
)

// usage is what was spent until now.
type usage struct {
	server time.Duration // user and system time of the server's threads
	busy   time.Duration // of all cores, whatever they did
	at     time.Duration // monotonic
}

// usageNow looks; without a server it is pid 0.
func (c cores) usageNow(pid int) (usage, error) {
	u := usage{at: monotonic()}
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return u, err
	}
	idle, err := parseIdle(string(text))
	if err != nil {
		return u, err
	}
	u.busy = time.Duration(c.all)*u.at - idle
	if pid != 0 {
		u.server, err = process.CPUTime(pid)
	}
	return u, err
}

// since is what was spent after an earlier look.
func (u usage) since(before usage) usage {
	return usage{u.server - before.server, u.busy - before.busy, u.at - before.at}
}

// countCores is how many the machine has: a line of /proc/stat each.
func countCores(stat string) int {
	n := 0
	for line := range strings.Lines(stat) {
		if rest, ok := strings.CutPrefix(line, "cpu"); ok && rest[0] != ' ' {
			n++
		}
	}
	return n
}

// userHertz is the unit of /proc/stat: USER_HZ, which no program sees otherwise.
const userHertz = 100

// parseIdle is how long the cores had nothing to do, or were not there, because
// the host ran something else, from the first line of /proc/stat. What is left
// of the time is what they worked, softirqs included: the kernel counts the idle
// time to the microsecond, the work itself only by looking who runs at every
// tick.
func parseIdle(stat string) (time.Duration, error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal …
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	var ticks int64
	for _, i := range []int{4, 5, 8} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / userHertz, nil
}

// othersTime is the CPU time of all processes but those, and but the kernel's
// own: what they do there is done for the load. That of children that have ended
// is in the numbers of their parents.
func othersTime(except ...int) (time.Duration, error) {
	stats, err := filepath.Glob("/proc/[1-9]*/stat")
	if err != nil {
		return 0, err
	}
	var total time.Duration
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		s, err := parseStat(string(text))
		if err != nil {
			return 0, err
		}
		if !slices.Contains(except, s.pid) && s.pid != kthreadd && s.parent != kthreadd {
			total += s.spent
		}
	}
	return total, nil
}

const kthreadd = 2 // the parent of all threads of the kernel

// processStat is what matters of /proc/PID/stat.
type processStat struct {
	pid, parent int
	spent       time.Duration // with that of children who have ended and were waited for
}

// parseStat reads it: the name, in parentheses, may hold anything.
func parseStat(text string) (processStat, error) {
	end := strings.LastIndex(text, ") ")
	pid, _, _ := strings.Cut(text, " ")
	if end < 0 {
		return processStat{}, fmt.Errorf("/proc/PID/stat: %q", text)
	}
	fields := strings.Fields(text[end+2:]) // state ppid …; utime, stime, cutime and cstime are the 14th to 17th of all
	if len(fields) < 15 {
		return processStat{}, fmt.Errorf("/proc/PID/stat: %q", text)
	}
	var numbers []int64
	for _, field := range append([]string{pid, fields[1]}, fields[11:15]...) {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return processStat{}, fmt.Errorf("/proc/PID/stat: %w", err)
		}
		numbers = append(numbers, n)
	}
	ticks := numbers[2] + numbers[3] + numbers[4] + numbers[5]
	return processStat{pid: int(numbers[0]), parent: int(numbers[1]), spent: time.Duration(ticks) * time.Second / userHertz}, nil
}
