package admin

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// FuzzParseBanned holds that a ban is of one household at most, and means the same
// when it is written and read again.
func FuzzParseBanned(f *testing.F) {
	for _, text := range []string{"203.0.113.7", "2001:db8::7", "2001:db8::/64", "203.0.113.0/24", "fe80::1%eth0", "::ffff:203.0.113.7", "::/0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		addr, err := parseBanned(text)
		if err != nil {
			return
		}
		if addr.Zone() != "" || addr.Is4In6() || !addr.IsValid() {
			t.Fatalf("parseBanned(%q) = %v", text, addr)
		}
		if again, err := parseBanned(addr.String()); err != nil || again != addr {
			t.Fatalf("parseBanned(%q) = %v, read again %v, %v", text, addr, again, err)
		}
	})
}

// FuzzPage holds that no list is longer than allowed, and that who asks for nonsense
// is told so, once.
func FuzzPage(f *testing.F) {
	for _, query := range []string{"", "limit=10&cursor=a", "limit=0", "limit=-1", "limit=99999999999999999999", "addresses=full", "addresses=all", "limit=%zz", "limit=+7"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		w := httptest.NewRecorder()
		p, ok := readPage(w, &http.Request{URL: &url.URL{RawQuery: query}})
		switch {
		case ok && (p.limit < 1 || p.limit > maxPage || w.Body.Len() > 0):
			t.Fatalf("readPage(%q) = %+v, answered %q", query, p, w.Body)
		case !ok && w.Code != http.StatusBadRequest:
			t.Fatalf("readPage(%q) answers %d", query, w.Code)
		}
	})
}
