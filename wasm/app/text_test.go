package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFit(t *testing.T) {
	t.Parallel()
	x := func(n int) string { return strings.Repeat("x", n) }
	tests := []struct {
		name, before, behind string
		want                 int // bytes that stay before the cursor
	}{
		{"all of it", "hello", "", 5},
		{"exactly", x(maxTextBytes), "", maxTextBytes},
		{"one too many", x(maxTextBytes + 1), "", maxTextBytes},
		{"a megabyte", x(1 << 20), "", maxTextBytes},
		{"the end stays", x(maxTextBytes), "tail", maxTextBytes - 4},
		{"no room at all", "more", x(maxTextBytes), 0},
		{"behind is too long by itself", "more", x(maxTextBytes + 9), 0},
		{"a character is not cut in two", strings.Repeat("音", maxTextBytes), "", maxTextBytes - 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := fit(tt.before, tt.behind)
			if len(got) != tt.want || !strings.HasPrefix(tt.before, got) || !utf8.ValidString(got) {
				t.Errorf("fit() keeps %d bytes, want the first %d", len(got), tt.want)
			}
		})
	}
}

func TestRoom(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		text string
		near bool
		room int
	}{
		{"nothing yet", "", false, maxTextBytes},
		{"a little", "hello", false, maxTextBytes - 5},
		{"nine tenths of English", strings.Repeat("x", 3700), true, 396},
		{"nine tenths of Japanese", strings.Repeat("音", 1300), true, 65},
		{"full", strings.Repeat("x", maxTextBytes), true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := measure(tt.text)
			if s.near() != tt.near || s.room() != tt.room {
				t.Errorf("near() = %v, room() = %d; want %v, %d", s.near(), s.room(), tt.near, tt.room)
			}
		})
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text     string
		cursor         int
		before, behind string
	}{
		{"at the beginning", "abc", 0, "", "abc"},
		{"in the middle", "abc", 2, "ab", "c"},
		{"at the end", "abc", 3, "abc", ""},
		{"beyond", "abc", 9, "abc", ""},
		{"of three bytes", "京都", 1, "京", "都"},
		{"of four bytes, which are two units", "🙃x", 2, "🙃", "x"},
		{"within a pair", "🙃x", 1, "🙃", "x"},
		{"of what was no text", "\ufffdx", 1, "\ufffd", "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before, behind := split(tt.text, tt.cursor)
			if before != tt.before || behind != tt.behind {
				t.Errorf("split(%q, %d) = %q, %q; want %q, %q", tt.text, tt.cursor, before, behind, tt.before, tt.behind)
			}
		})
	}
	if got, want := units("a京🙃"), 4; got != want {
		t.Errorf("units() = %d, want %d", got, want)
	}
}
