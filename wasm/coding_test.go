package wasm

import (
	"strings"
	"testing"
)

func TestNegotiate(t *testing.T) {
	t.Parallel()
	all := func(coding) bool { return true }
	tests := []struct {
		name, accept string
		atHand       func(coding) bool
		want         coding
	}{
		{"a browser", "gzip, deflate, br, zstd", all, brotli},
		{"an old browser", "gzip, deflate", all, gzip},
		{"nothing asked", "", all, identity},
		{"anything goes", "*", all, brotli},
		{"anything but", "br;q=0, *", all, gzip},
		{"a wish", "br;q=0.5, gzip;q=0.8", all, gzip},
		{"a small wish", "br;q=0.001", all, brotli},
		{"identity is wished for", "identity, br;q=0.5", all, identity},
		{"as it is, or smaller", "identity;q=0.5, gzip;q=0.5", all, gzip},
		{"letters and spaces", " GZip ; Q=1.0 ", all, gzip},
		{"refused by name", "br;q=0, gzip;q=0.0", all, identity},
		{"refused altogether", "identity;q=0, *;q=0", all, identity},
		{"not at hand", "br, gzip", func(c coding) bool { return c != brotli }, gzip},
		{"nothing at hand", "br, gzip", func(c coding) bool { return c == identity }, identity},
		{"a name that only begins alike", "brotli, gzipped", all, identity},
		{"nonsense for a weight", "br;q=much, gzip;level=9", all, identity},
		{"a weight out of range", "br;q=7, gzip;q=-1", all, identity},
		{"not a number", "br;q=NaN", all, identity},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := negotiate(tt.accept, tt.atHand); got != tt.want {
				t.Errorf("negotiate(%q) = %v, want %v", tt.accept, got, tt.want)
			}
		})
	}
}

// FuzzNegotiate: nobody is sent a coding that he did not name, and the case of
// letters does not matter.
func FuzzNegotiate(f *testing.F) {
	for _, seed := range []string{"", "*", "gzip, deflate, br", "br;q=0, *;q=0.1", "identity;q=0", ";;,,==", "br;q=1e400"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		got := negotiate(accept, func(coding) bool { return true })
		lower := strings.ToLower(accept)
		if got != identity && !strings.Contains(lower, got.String()) && !strings.Contains(lower, "*") {
			t.Errorf("negotiate(%q) = %v, which it does not name", accept, got)
		}
		if again := negotiate(lower, func(coding) bool { return true }); again != got && isASCII(accept) {
			t.Errorf("negotiate(%q) = %v, but in lower case %v", accept, got, again)
		}
	})
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 127 }) < 0
}
