package main

import (
	"strconv"
	"strings"
	"time"
)

// words are the texts of the page in the visitor's language, by the keys of
// page/words.en.json.
type words map[string]string

// of is the text of a key. An unknown key stands for itself; a test sees to it
// that there is none.
func (w words) of(key string) string {
	if text, ok := w[key]; ok {
		return text
	}
	return key
}

// with is the text of a key with its places filled: with("online", "n", 12)
// puts 12 where the text says {n}.
func (w words) with(key, place string, n int) string {
	return fill(w.of(key), place, strconv.Itoa(n))
}

// span is a time in words, rounded up.
func (w words) span(d time.Duration) string {
	switch {
	case d <= 90*time.Second:
		return w.with("seconds", "n", ceil(d, time.Second))
	case d <= 90*time.Minute:
		return w.with("minutes", "n", ceil(d, time.Minute))
	default:
		return w.with("hours", "n", ceil(d, time.Hour))
	}
}

func ceil(d, unit time.Duration) int { return int((d + unit - 1) / unit) }

func fill(text, place, value string) string {
	return strings.ReplaceAll(text, "{"+place+"}", value)
}

// flag is a yes or no as it is kept for the next visit.
func flag(on bool) string {
	if on {
		return "1"
	}
	return ""
}
