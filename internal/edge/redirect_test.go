package edge

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestRedirect holds where a plain port sends its visitors, and that it cannot
// be made to send them anywhere else.
func TestRedirect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, domain string
		port         int
		line, host   string
		status       int
		want         string
	}{
		{"the page", "chat.example", 443, "GET /", "chat.example", 308, "https://chat.example/"},
		{"HEAD", "chat.example", 443, "HEAD /", "chat.example", 308, "https://chat.example/"},
		{"path and query", "chat.example", 443, "GET /a%2Fb/c?lang=fr&x=%0d%0a", "chat.example", 308, "https://chat.example/a%2Fb/c?lang=fr&x=%0d%0a"},
		{"a query with what ends it", "chat.example", 443, "GET /a?b#%", "chat.example", 308, "https://chat.example/a?b%23%"},
		{"another port", "chat.example", 8443, "GET /x", "chat.example:80", 308, "https://chat.example:8443/x"},
		{"a Host of an attacker", "chat.example", 443, "GET /x", "evil.example", 308, "https://chat.example/x"},
		{"a whole URL", "chat.example", 443, "GET http://evil.example/x", "evil.example", 308, "https://chat.example/x"},
		{"a whole URL without a path", "chat.example", 443, "GET http://evil.example", "evil.example", 308, "https://chat.example"},
		{"a path that looks like a host", "chat.example", 443, "GET //evil.example/x", "chat.example", 308, "https://chat.example//evil.example/x"},
		{"an opaque URL", "chat.example", 443, "GET evil:example", "chat.example", 308, "https://chat.example"},
		{"POST", "chat.example", 443, "POST /x", "chat.example", 405, ""},
		{"OPTIONS", "chat.example", 443, "OPTIONS *", "chat.example", 405, ""},
		{"no domain", "", 443, "GET /x", "chat.example:8080", 308, "https://chat.example/x"},
		{"no domain, another port", "", 8443, "GET /x", "CHAT.example", 308, "https://CHAT.example:8443/x"},
		{"no domain, IPv4", "", 443, "GET /x", "192.0.2.1:80", 308, "https://192.0.2.1/x"},
		{"no domain, IPv6", "", 443, "GET /x", "[2001:db8::1]", 308, "https://[2001:db8::1]/x"},
		{"no domain, IPv6, ports", "", 8443, "GET /x", "[2001:db8::1]:80", 308, "https://[2001:db8::1]:8443/x"},
		{"no domain, no host", "", 443, "GET /x", "", 400, ""},
		{"no domain, a name and more", "", 443, "GET /x", "chat.example@evil.example", 400, ""},
		{"no domain, a path in the host", "", 443, "GET /x", "evil.example/x?", 400, ""},
		{"no domain, an empty label", "", 443, "GET /x", "chat..example", 400, ""},
		{"no domain, a long label", "", 443, "GET /x", strings.Repeat("a", 64) + ".example", 400, ""},
		{"no domain, a long name", "", 443, "GET /x", strings.Repeat("a.", 127) + "example", 400, ""},
		{"no domain, a bracket", "", 443, "GET /x", "chat]example", 400, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(c.line + " HTTP/1.1\r\nHost: " + c.host + "\r\n\r\n")))
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			HSTS(Redirect(c.domain, c.port)).ServeHTTP(w, r)
			if got := w.Header().Get("Location"); w.Code != c.status || got != c.want {
				t.Errorf("%d %q, want %d %q", w.Code, got, c.status, c.want)
			}
			if allow := w.Header().Get("Allow"); (allow == "GET, HEAD") != (c.status == 405) {
				t.Errorf("Allow: %q", allow)
			}
			if w.Header().Get("Strict-Transport-Security") != "" {
				t.Error("HSTS over plain HTTP (RFC 6797 §7.2)")
			}
		})
	}
}

// FuzzRedirect holds that whatever a request says, the way leads to https and to
// the domain, or to the very host that the request names.
func FuzzRedirect(f *testing.F) {
	f.Add("/", "chat.example")
	f.Add("//evil.example", "evil.example@chat")
	f.Add("http://evil.example/\\", "[::1]:80")
	f.Add("evil:opaque?x#y", "[fe80::1%25eth0]")
	f.Fuzz(func(t *testing.T, target, host string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")))
		if err != nil {
			return
		}
		for _, domain := range []string{"chat.example", ""} {
			w := httptest.NewRecorder()
			Redirect(domain, 443).ServeHTTP(w, r)
			to, err := url.Parse(w.Header().Get("Location"))
			switch {
			case w.Code == http.StatusBadRequest && domain == "":
			case w.Code != http.StatusPermanentRedirect || err != nil || to.Scheme != "https" || to.User != nil:
				t.Fatalf("%d %q, %v", w.Code, w.Header().Get("Location"), err)
			case domain != "" && to.Host != domain, domain == "" && to.Hostname() != hostOf(r.Host):
				t.Fatalf("%q on %q leads to %v", target, r.Host, to)
			case to.Path != r.URL.Path && to.Path != "/"+r.URL.Path:
				t.Fatalf("%q leads to %v", target, to)
			}
		}
	})
}
