package match

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

func TestTagsThatMeanTheSameAreTheSame(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		raw, want []string
	}{
		{"nothing", nil, nil},
		{"case", []string{"Go", "GO", "go"}, []string{"go"}},
		{"full case folding", []string{"STRASSE", "Straße"}, []string{"strasse"}},
		{"Cherokee, which has its small letters in another block", []string{"\u13a0", "\uab70"}, []string{"\uab70"}},
		{"full width", []string{"Ｇｏ", "＃ｇｏ"}, []string{"go"}},
		{"composed and not", []string{"caf\u00e9", "cafe\u0301"}, []string{"caf\u00e9"}},
		{"hashes", []string{"#music", "##music", "# music"}, []string{"music"}},
		{"white space", []string{"  rock \t and\u00a0 roll\n"}, []string{"rock and roll"}},
		{"what cannot be seen", []string{"g\u200bo", "\u202ego\u0000"}, []string{"go"}},
		{"empty ones", []string{"", " ", "#", "\u200b"}, nil},
		{"order", []string{"b", "a", "d", "c"}, []string{"a", "b", "c", "d"}},
		{"doubles do not count", []string{"a", "b", "c", "d", "A", "#b"}, []string{"a", "b", "c", "d"}},
	} {
		if got, err := Tags(c.raw); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: Tags(%q) = %q, %v; want %q", c.name, c.raw, got, err, c.want)
		}
	}
	for name, raw := range map[string][]string{
		"five":                       {"a", "b", "c", "d", "e"},
		"33 bytes":                   {strings.Repeat("a", 33)},
		"33 bytes once it is folded": {"\ufdfa"}, // one character that stands for eighteen
	} {
		if got, err := Tags(raw); err == nil {
			t.Errorf("%s: Tags(%q) = %q, want an error", name, raw, got)
		}
	}
}

// FuzzTags holds that what Tags returns keeps its limits and is what Tags
// makes of it again.
func FuzzTags(f *testing.F) {
	f.Add("Go", "#go", " rock  and roll ")
	f.Add("\ufb03", "e\u200b\u0301", "\u00a8#x")
	f.Add("\u0390\u1fd3", "\u03b1\u0345\u0301", "\xff#")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		once, err := Tags([]string{a, b, c})
		if err != nil {
			return
		}
		for _, tag := range once {
			if tag == "" || len(tag) > wire.MaxTagBytes || !utf8.ValidString(tag) {
				t.Fatalf("Tags(%q) = %q: over the limits", []string{a, b, c}, once)
			}
		}
		again, err := Tags(once)
		if err != nil || len(once) > wire.MaxTags || !slices.Equal(again, once) {
			t.Fatalf("Tags(%q) = %q, and of that %q, %v", []string{a, b, c}, once, again, err)
		}
	})
}
