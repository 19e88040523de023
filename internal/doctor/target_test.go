package doctor

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzParseTarget holds that the server that is examined is the one whose URL is
// shown, and that its parts can stand in a request.
func FuzzParseTarget(f *testing.F) {
	for _, raw := range []string{"chat.example.org", "http://[2001:db8::1]:8080/a/", "https://a:443//", "wss://a.:443", "http://a:b@c", "https://a/?q", "http://a:0", "//", "http://%41:80/%2f"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := parseTarget(raw)
		if err != nil {
			return
		}
		if u, err := url.Parse(got.base); err != nil || strings.TrimSuffix(u.Hostname(), ".") != got.host || got.port == 0 {
			t.Fatalf("parseTarget(%q) = %+v, %v", raw, got, err)
		}
		if strings.ContainsAny(got.base+got.origin(), " \r\n\t") {
			t.Fatalf("parseTarget(%q) = %q", raw, got.base)
		}
		if again, err := parseTarget(got.base); err != nil || *again != *got {
			t.Fatalf("parseTarget(%q) = %+v, read again %+v, %v", raw, got, again, err)
		}
	})
}

// FuzzServers holds that what a server says its visitors get is bounded, and that
// what is asked of it are URLs.
func FuzzServers(f *testing.F) {
	f.Add([]byte(`{"a":[{"urls":["stun:a:3478","turn:a:3478?transport=tcp"],"username":"1:x","credential":"c"}],"b":[]}`))
	f.Add([]byte(`{"a":[{"urls":"turns:[::1]:443"}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, b := parseServers(text)
		for _, list := range [][]iceURL{urls(a), urls(b)} {
			if len(list) > maxURLs {
				t.Fatalf("%q has %d URLs", text, len(list))
			}
			for _, u := range list {
				if u.host == "" {
					t.Fatalf("%q has the URL %+v", text, u)
				}
			}
		}
	})
}
