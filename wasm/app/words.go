package main

import (
	"strconv"
	"strings"
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

func fill(text, place, value string) string {
	return strings.ReplaceAll(text, "{"+place+"}", value)
}
