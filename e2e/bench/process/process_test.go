//go:build linux

package process

import (
	"os"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	if got, err := parseSchedstat("227883083 81520625 1622\n"); err != nil || got != 227883083 {
		t.Errorf("parseSchedstat = %v, %v", got, err)
	}
	if got, err := parseStatus("Name:\tx\nVmHWM:\t 9 kB\nVmRSS:\t  1234 kB\nRssAnon: 1 kB\n", "VmRSS"); err != nil || got != 1234<<10 {
		t.Errorf("parseStatus = %v, %v", got, err)
	}
	if got, err := parseSchedstat("-"); err == nil {
		t.Errorf("parseSchedstat = %v", got)
	}
	for _, text := range []string{"", "\nVmRSS:", "\nVmRSS: many kB", "VmRSS: 1 kB"} {
		if got, err := parseStatus(text, "VmRSS"); err == nil {
			t.Errorf("parseStatus(%q) = %v", text, got)
		}
	}
}

// TestThisProcess asks about the one process that is surely there, and one that
// cannot be.
func TestThisProcess(t *testing.T) {
	t.Parallel()
	if spent, err := CPUTime(os.Getpid()); err != nil || spent <= 0 {
		t.Errorf("CPUTime = %v, %v", spent, err)
	}
	if bytes, err := ResidentBytes(os.Getpid()); err != nil || bytes < 1<<20 {
		t.Errorf("ResidentBytes = %v, %v", bytes, err)
	}
	if spent, err := CPUTime(-1); err == nil {
		t.Errorf("CPUTime of nobody = %v", spent)
	}
	if bytes, err := ResidentBytes(-1); err == nil {
		t.Errorf("ResidentBytes of nobody = %v", bytes)
	}
}
