package match

import (
	"errors"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// errTags is what Tags finds.
var errTags = errors.New("at most 4 tags of at most 32 bytes once they are normalised")

// Tags normalises what visitors typed, so that two who mean the same write
// the same: compatibility forms and case are folded (Unicode's NFKC and full
// case folding), a leading # goes, white space is one space, and what cannot
// be seen is dropped. The result is sorted and without empty ones and doubles;
// more than wire.MaxTags of them, or one of more than wire.MaxTagBytes, is an
// error.
func Tags(raw []string) ([]string, error) {
	var tags []string
	for _, text := range raw {
		tag := normal(text)
		if len(tag) > wire.MaxTagBytes {
			return nil, errTags
		}
		if tag != "" {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	tags = slices.Compact(tags)
	if len(tags) > wire.MaxTags {
		return nil, errTags
	}
	return tags, nil
}

// normal is one tag, normalised.
func normal(text string) string {
	text = strings.Map(visible, strings.ToValidUTF8(text, ""))
	text = cases.Fold().String(norm.NFKC.String(text))
	text = norm.NFKC.String(strings.ToLower(text)) // Fold swaps the cases of Cherokee
	text = strings.Join(strings.Fields(text), " ")
	return strings.TrimLeft(text, "# ")
}

// visible drops control and format characters, which would make tags differ
// that look the same; the joiners of emoji and of some scripts stay.
func visible(r rune) rune {
	const zwnj, zwj = '\u200c', '\u200d'
	switch {
	case r == zwnj, r == zwj, unicode.IsSpace(r):
		return r
	case unicode.In(r, unicode.Cc, unicode.Cf):
		return -1
	}
	return r
}
