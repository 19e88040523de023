package peer

import (
	"testing"
	"time"
)

// times are times in all forms, and what only looks like one.
func times() []string {
	return []string{
		"2026-01-02T03:04:05Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "2024-02-29T12:00:00Z",
		"2026-01-02T03:04:05.6Z", "2026-01-02T03:04:05.678000Z", "2026-01-02T03:04:05.1234567899999Z",
		"2026-01-02T03:04:05+09:00", "2026-01-02T03:04:05.5-23:59", "2026-01-02T03:04:05+00:00",
		"", "2026", "2026-01-02T03:04:05", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05.5", "2026-01-02T03:04:05z", "2026-01-02t03:04:05Z",
		"2026-13-02T03:04:05Z", "2026-00-02T03:04:05Z", "2026-02-29T03:04:05Z", "2026-04-31T03:04:05Z", "2026-01-00T03:04:05Z",
		"2026-01-02T24:04:05Z", "2026-01-02T03:60:05Z", "2026-01-02T03:04:60Z", "2026-01-02 03:04:05Z", "2026/01/02T03:04:05Z",
		"+026-01-02T03:04:05Z", "2026-01-02T03:04:05+0900", "2026-01-02T03:04:05+9:00", "2026-01-02T03:04:05*09:00",
		"2026-01-02T03:04:05+-9:00", "2026-01-02T03:04:05Z ", "2026-01-02T03:04:05ZZ", "２026-01-02T03:04:05Z",
	}
}

// TestParseTime holds parseTime to Time.UnmarshalText, which the native twin
// of the codec uses.
func TestParseTime(t *testing.T) {
	t.Parallel()
	for _, text := range times() {
		var want time.Time
		wantErr := want.UnmarshalText([]byte(text))
		got, err := parseTime(text)
		if (err == nil) != (wantErr == nil) || err == nil && !got.Equal(want) {
			t.Errorf("parseTime(%q) = %v, %v; UnmarshalText says %v, %v", text, got, err, want, wantErr)
		}
	}
}

// FuzzParseTime: whatever parseTime accepts, Time.UnmarshalText reads as the
// same time. It is the more generous of the two: golang.org/issue/54580.
func FuzzParseTime(f *testing.F) {
	for _, text := range times() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseTime(text)
		if err != nil {
			return
		}
		var want time.Time
		if err := want.UnmarshalText([]byte(text)); err != nil || !got.Equal(want) {
			t.Errorf("parseTime(%q) = %v; UnmarshalText says %v, %v", text, got, want, err)
		}
	})
}
