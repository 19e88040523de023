package main

import (
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

func TestInterests(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, list string
		want       tags
	}{
		{"none", "", tags{}},
		{"two", "go,music", tags{"go", "music"}},
		{"spaces and gaps", " go , ,music,", tags{"go", "music"}},
		{"spaces within", "heavy \t metal", tags{"heavy metal"}},
		{"a leading #", "#go,# music", tags{"go", "music"}},
		{"twice", "go,Go,GO", tags{"go"}},
		{"at most four", "a,b,c,d,e", tags{"a", "b", "c", "d"}},
		{"too long is cut", strings.Repeat("x", maxTagBytes+1) + ",ok", tags{strings.Repeat("x", maxTagBytes), "ok"}},
		{"a character is not cut in two", strings.Repeat("音", maxTagBytes), tags{strings.Repeat("音", maxTagBytes/3)}},
		{"what turns the text around", "\u202eog\u2066,\u061c", tags{"og"}},
		{"what is no text", "a\xffb\x00c", tags{"ab c"}},
		{"right to left", "موسيقى", tags{"موسيقى"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := interests(tt.list)
			if got != tt.want {
				t.Errorf("interests(%q) = %q, want %q", tt.list, got, tt.want)
			}
			if again := interests(got.String()); again != got {
				t.Errorf("interests(%q) = %q: what is kept is not what comes back", got.String(), again)
			}
		})
	}
}

func TestTagsRemove(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		from   tags
		remove string
		want   tags
	}{
		{"the first", tags{"a", "b", "c"}, "a", tags{"b", "c"}},
		{"the last of four", tags{"a", "b", "c", "d"}, "d", tags{"a", "b", "c"}},
		{"the only one", tags{"a"}, "a", tags{}},
		{"one that is not there", tags{"a"}, "b", tags{"a"}},
		{"none", tags{"a"}, "", tags{"a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.from.remove(tt.remove); got != tt.want {
				t.Errorf("%q.remove(%q) = %q, want %q", tt.from, tt.remove, got, tt.want)
			}
		})
	}
}

// FuzzInterests wants that the server takes whatever an address asks for.
func FuzzInterests(f *testing.F) {
	f.Add("go,music")
	f.Add("#a,\u202eb,\xff,音")
	f.Add(strings.Repeat("x", maxTagBytes-1) + " y") // cut where a word ends
	f.Fuzz(func(t *testing.T, list string) {
		got := interests(list)
		request := wire.MatchRequest{UserID: "me", Tags: got.list()}
		if err := request.Check(); err != nil {
			t.Errorf("interests(%q) = %q: %v", list, got, err)
		}
		if again := interests(got.String()); again != got {
			t.Errorf("interests(%q) = %q, and from that %q", list, got, again)
		}
	})
}

func TestLimitsAreThoseOfTheWire(t *testing.T) {
	t.Parallel()
	if maxTags != wire.MaxTags || maxTagBytes != wire.MaxTagBytes || maxTextBytes != wire.MaxTextBytes {
		t.Errorf("tags %d of %d bytes, messages of %d; the wire has %d of %d, %d",
			maxTags, maxTagBytes, maxTextBytes, wire.MaxTags, wire.MaxTagBytes, wire.MaxTextBytes)
	}
}
