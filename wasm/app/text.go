package main

import (
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// maxTextBytes is the longest message, as wire has it.
	maxTextBytes = 4096

	// nearlyFull is how many bytes may be left of it when the page begins to
	// tell: a tenth.
	nearlyFull = maxTextBytes / 10
)

// size is how long a text is.
type size struct{ bytes, characters int }

func measure(text string) size { return size{len(text), utf8.RuneCountInString(text)} }

// near tells whether a message of this size is nearly full.
func (s size) near() bool { return s.bytes > maxTextBytes-nearlyFull }

// room estimates how many more characters there is room for, if they are like
// those that are there: one of English takes one byte, one of Japanese three.
func (s size) room() int {
	if s.bytes == 0 {
		return maxTextBytes
	}
	return max(0, maxTextBytes-s.bytes) * s.characters / s.bytes
}

// cut shortens text to a number of bytes, without breaking a character.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := max(0, limit)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// fit shortens what was written before the cursor, so that it has room in a
// message together with what is behind it: who pastes in the middle keeps the
// end.
func fit(before, behind string) string { return cut(before, maxTextBytes-len(behind)) }

// split cuts text at a cursor, which browsers count in UTF-16.
func split(text string, cursor int) (before, behind string) {
	for i, r := range text {
		if cursor <= 0 {
			return text[:i], text[i:]
		}
		cursor -= utf16.RuneLen(r)
	}
	return text, ""
}

// units is how long text is for a browser.
func units(text string) (n int) {
	for _, r := range text {
		n += utf16.RuneLen(r)
	}
	return n
}
