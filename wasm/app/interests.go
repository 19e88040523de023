package main

import (
	"slices"
	"strings"
)

// The limits of tags, as wire has them: more would be refused by the server.
const (
	maxTags     = 4
	maxTagBytes = 32
)

// tags are interests; the empty ones come last. Being an array, they can be
// compared.
type tags [maxTags]string

// tagsOf takes the first of a list, which may be a stranger's.
func tagsOf(list []string) (t tags) {
	for _, tag := range list {
		t = t.add(tag)
	}
	return t
}

// interests reads the tags of an address, "go,music", as String writes them.
func interests(list string) tags {
	var t tags
	for tag := range strings.SplitSeq(list, ",") {
		t = t.add(tag)
	}
	return t
}

// list is the tags without the empty ones.
func (t tags) list() []string { return t[:t.count()] }

func (t tags) count() int {
	if n := slices.Index(t[:], ""); n >= 0 {
		return n
	}
	return maxTags
}

func (t tags) String() string { return strings.Join(t.list(), ",") }

// add appends a tag, if there is room and it is new: the server does not mind
// the case either. What is too long is cut.
func (t tags) add(tag string) tags {
	tag = strings.TrimSpace(cut(plain(tag), maxTagBytes))
	n := t.count()
	same := func(other string) bool { return strings.EqualFold(other, tag) }
	if tag != "" && n < maxTags && !slices.ContainsFunc(t[:n], same) {
		t[n] = tag
	}
	return t
}

// remove takes a tag away, and closes the gap.
func (t tags) remove(tag string) tags {
	if i := slices.Index(t[:], tag); i >= 0 && tag != "" {
		copy(t[i:], t[i+1:])
		t[maxTags-1] = ""
	}
	return t
}

// plain is a tag without what would end it, or turn the text around it: a
// leading #, commas, white space in a row, controls.
func plain(tag string) string {
	tag = strings.Map(func(r rune) rune {
		switch {
		case r == ',' || r < ' ':
			return ' '
		case r == 0x7f || isDirection(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(tag, ""))
	return strings.TrimLeft(strings.Join(strings.Fields(tag), " "), "# ")
}

// isDirection tells whether r is one of the characters that change the
// direction of the text after them (Unicode Bidi_Control, UAX #9 §2).
func isDirection(r rune) bool {
	return r == 0x061c || r >= 0x200e && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
