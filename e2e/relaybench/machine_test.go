//go:build linux

package main

import (
	"testing"
	"time"
)

const procStat = `cpu  2434947 316962 922650 4929783 16268 7 142305 1590 3 0
cpu0 1247522 155495 443484 2471582 3997 0 68467 785 0 0
cpu1 1187425 161467 479165 2458201 12271 0 73838 805 0 0
intr 1 2 3
`

func TestParseProc(t *testing.T) {
	t.Parallel()
	if got, err := parseIdle(procStat); err != nil || got != (4929783+16268+1590)*10*time.Millisecond {
		t.Errorf("parseIdle = %v, %v", got, err)
	}
	if got := countCores(procStat); got != 2 {
		t.Errorf("countCores = %d, want 2", got)
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	const text = "123 (a) b) 7 (c) S 2 123 123 0 -1 4194560 2 3 4 5 100 20 3 4 20 0 7 0 1234 9 8 7"
	got, err := parseStat(text)
	if want := (processStat{pid: 123, parent: 2, spent: 1270 * time.Millisecond}); err != nil || got != want {
		t.Errorf("parseStat = %+v, %v, want %+v", got, err, want)
	}
	for _, text := range []string{"", "1 (x) S 2", "1 x S 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "x (x) S 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17"} {
		if got, err := parseStat(text); err == nil {
			t.Errorf("parseStat(%q) = %+v", text, got)
		}
	}
}

func TestParseProcRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "cpu 1 2", "cpux 1 2 3 4 5 6 7 8 9", "cpu a b c d e f g h i"} {
		if got, err := parseIdle(text); err == nil {
			t.Errorf("parseIdle(%q) = %v", text, got)
		}
	}
}
