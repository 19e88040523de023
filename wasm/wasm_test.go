package wasm

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

// built is what wasm/build writes, in small.
func built() fs.FS {
	files := fstest.MapFS{}
	for name, body := range map[string]string{
		".gitignore":                 "*",
		"index.html":                 "<!doctype html>",
		"index.html.br":              "index in brotli",
		"index.html.gz":              "index in gzip",
		"index.fr.html":              "<!doctype html> français",
		"index.ja.html":              "<!doctype html> 日本語",
		"check.html":                 "<!doctype html> check",
		"check.fr.html":              "<!doctype html> test",
		"check.ja.html":              "<!doctype html> テスト",
		"words_fr.0123456789ab.json": "{}",
		"app.0123456789ab.wasm":      "\x00asm",
		"boot.0123456789ab.js":       "go()",
		"style.0123456789ab.css":     "body{}",
		"icon.0123456789ab.svg":      "<svg/>",
		"touch.0123456789ab.png":     "PNG",
		"sw.js":                      "serve()",
		"manifest.webmanifest":       "{}",
		"icon.0123456789ab.svg.gz":   "icon in gzip",
	} {
		files[name] = &fstest.MapFile{Data: []byte(body)}
	}
	return files
}

func page(t *testing.T, built fs.FS) *Page {
	t.Helper()
	p, err := Open(built)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// get asks p for a path; headers come in pairs.
func get(t *testing.T, p *Page, method, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
	r.URL.Path = path
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

func TestPageFiles(t *testing.T) {
	t.Parallel()
	const forGood = "public, max-age=31536000, immutable"
	tests := []struct {
		path, accept                         string
		body, contentType, encoding, caching string
	}{
		{"/", "", "<!doctype html>", "text/html; charset=utf-8", "", "no-cache"},
		{"/index.html", "", "<!doctype html>", "text/html; charset=utf-8", "", "no-cache"},
		{"/", "gzip, deflate, br, zstd", "index in brotli", "text/html; charset=utf-8", "br", "no-cache"},
		{"/", "gzip, deflate", "index in gzip", "text/html; charset=utf-8", "gzip", "no-cache"},
		{"/check", "", "<!doctype html> check", "text/html; charset=utf-8", "", "no-cache"},
		{"/app.0123456789ab.wasm", "br", "\x00asm", "application/wasm", "", forGood},
		{"/boot.0123456789ab.js", "", "go()", "text/javascript; charset=utf-8", "", forGood},
		{"/style.0123456789ab.css", "", "body{}", "text/css; charset=utf-8", "", forGood},
		{"/icon.0123456789ab.svg", "br, gzip", "icon in gzip", "image/svg+xml", "gzip", forGood},
		{"/touch.0123456789ab.png", "br, gzip", "PNG", "image/png", "", forGood},
		{"/sw.js", "", "serve()", "text/javascript; charset=utf-8", "", "no-cache"},
		{"/manifest.webmanifest", "", "{}", "application/manifest+json", "", "no-cache"},
		{"/words_fr.0123456789ab.json", "", "{}", "application/json", "", forGood},
	}
	p := page(t, built())
	for _, tt := range tests {
		t.Run(tt.path+" "+tt.accept, func(t *testing.T) {
			t.Parallel()
			w := get(t, p, http.MethodGet, tt.path, "Accept-Encoding", tt.accept)
			if w.Code != http.StatusOK || w.Body.String() != tt.body {
				t.Errorf("GET answers %d %q, want 200 %q", w.Code, w.Body, tt.body)
			}
			vary := "Accept-Encoding"
			if strings.HasPrefix(tt.contentType, "text/html") {
				vary = "Accept-Encoding, Accept-Language"
			}
			for name, want := range map[string]string{
				"Content-Type":     tt.contentType,
				"Content-Encoding": tt.encoding,
				"Cache-Control":    tt.caching,
				"Vary":             vary,
			} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("GET answers %s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestPageHead(t *testing.T) {
	t.Parallel()
	p := page(t, built())
	body, head := get(t, p, http.MethodGet, "/"), get(t, p, http.MethodHead, "/")
	if head.Code != http.StatusOK || head.Body.Len() != 0 {
		t.Errorf("HEAD answers %d and %d bytes, want 200 and none", head.Code, head.Body.Len())
	}
	for name := range body.Header() {
		if got, want := head.Header().Get(name), body.Header().Get(name); got != want {
			t.Errorf("HEAD answers %s: %q, want %q as GET does", name, got, want)
		}
	}
	if got, want := head.Header().Get("Content-Length"), "15"; got != want {
		t.Errorf("HEAD answers Content-Length %q, want %q", got, want)
	}
}

func TestPageRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method, path string
		want               int
	}{
		{"an unknown file", http.MethodGet, "/favicon.ico", http.StatusNotFound},
		{"a file of an older version", http.MethodGet, "/app.ffffffffffff.wasm", http.StatusNotFound},
		{"a compressed twin by its own name", http.MethodGet, "/index.html.br", http.StatusNotFound},
		{"an index by the name of its language", http.MethodGet, "/index.fr.html", http.StatusNotFound},
		{"the check by its file", http.MethodGet, "/check.html", http.StatusNotFound},
		{"the check by its language", http.MethodGet, "/check.fr.html", http.StatusNotFound},
		{"something of the check", http.MethodGet, "/check/", http.StatusNotFound},
		{"what git keeps there", http.MethodGet, "/.gitignore", http.StatusNotFound},
		{"the way up", http.MethodGet, "/../wasm.go", http.StatusNotFound},
		{"the way up and down", http.MethodGet, "/../dist/index.html", http.StatusNotFound},
		{"a folder", http.MethodGet, "//", http.StatusNotFound},
		{"a path without a slash", http.MethodGet, "index.html", http.StatusNotFound},
		{"no path", http.MethodGet, "", http.StatusNotFound},
		{"POST", http.MethodPost, "/", http.StatusMethodNotAllowed},
		{"OPTIONS", http.MethodOptions, "/", http.StatusMethodNotAllowed},
	}
	p := page(t, built())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := get(t, p, tt.method, tt.path)
			if w.Code != tt.want {
				t.Errorf("%s %q answers %d, want %d", tt.method, tt.path, w.Code, tt.want)
			}
			if got := w.Header().Get("Cache-Control"); got != "" {
				t.Errorf("%s %q answers Cache-Control: %q, want none", tt.method, tt.path, got)
			}
		})
	}
}

func TestPageNotModified(t *testing.T) {
	t.Parallel()
	p := page(t, built())
	identity := get(t, p, http.MethodGet, "/").Header().Get("Etag")
	compressed := get(t, p, http.MethodGet, "/", "Accept-Encoding", "br").Header().Get("Etag")
	if identity == compressed {
		t.Errorf("two forms have the same ETag %s", identity)
	}
	tests := []struct {
		name, ifNoneMatch string
		want              int
	}{
		{"the same", identity, http.StatusNotModified},
		{"weakened on the way", "W/" + identity, http.StatusNotModified},
		{"one of many", `"old", ` + identity, http.StatusNotModified},
		{"any", "*", http.StatusNotModified},
		{"another", `"old"`, http.StatusOK},
		{"another form", compressed, http.StatusOK},
		{"none", "", http.StatusOK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := get(t, p, http.MethodGet, "/", "If-None-Match", tt.ifNoneMatch)
			if w.Code != tt.want {
				t.Errorf("If-None-Match: %s answers %d, want %d", tt.ifNoneMatch, w.Code, tt.want)
			}
			if got := w.Header().Get("Etag"); got != identity {
				t.Errorf("If-None-Match: %s answers ETag %s, want %s", tt.ifNoneMatch, got, identity)
			}
			if w.Code == http.StatusNotModified && w.Body.Len() > 0 {
				t.Errorf("304 has %d bytes", w.Body.Len())
			}
		})
	}
}

// TestPageProtects wants the headers of THREATS.md §2 on every answer.
func TestPageProtects(t *testing.T) {
	t.Parallel()
	whole, empty := page(t, built()), page(t, fstest.MapFS{})
	answers := map[string]*httptest.ResponseRecorder{
		"the page":   get(t, whole, http.MethodGet, "/"),
		"a file":     get(t, whole, http.MethodGet, "/boot.0123456789ab.js"),
		"304":        get(t, whole, http.MethodGet, "/", "If-None-Match", "*"),
		"not found":  get(t, whole, http.MethodGet, "/nothing"),
		"a bad verb": get(t, whole, http.MethodPost, "/"),
		"not built":  get(t, empty, http.MethodGet, "/"),
	}
	for name, w := range answers {
		policy := w.Header().Get("Content-Security-Policy")
		for _, want := range []string{
			"default-src 'self'", "script-src 'self' 'wasm-unsafe-eval'", "connect-src 'self' ws: wss:",
			"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
		} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy %q lacks %q", name, policy, want)
			}
		}
		for header, want := range map[string]string{
			"X-Content-Type-Options":     "nosniff",
			"Referrer-Policy":            "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin",
			"Permissions-Policy":         "camera=(), microphone=(), geolocation=()",
		} {
			if got := w.Header().Get(header); got != want {
				t.Errorf("%s: %s: %q, want %q", name, header, got, want)
			}
		}
	}
}

func TestPageNotBuilt(t *testing.T) {
	t.Parallel()
	p := page(t, fstest.MapFS{".gitignore": {Data: []byte("*")}})
	w := get(t, p, http.MethodGet, "/")
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "make") {
		t.Errorf("GET / answers %d %q, want 503 and a hint at make", w.Code, w.Body)
	}
	if got, want := w.Header().Get("Content-Type"), "text/plain; charset=utf-8"; got != want {
		t.Errorf("GET / answers Content-Type %q, want %q", got, want)
	}
	if got, want := p.Version(), "none"; got != want {
		t.Errorf("Version() = %q, want %q", got, want)
	}
}

func TestPageVersion(t *testing.T) {
	t.Parallel()
	one := page(t, built()).Version()
	two := page(t, fstest.MapFS{"index.html": {Data: []byte("another")}}).Version()
	if len(one) != 2*hashBytes || one == two {
		t.Errorf("Version() = %q for one page and %q for another", one, two)
	}
}

// TestNew reads whatever is embedded in this build: nothing, or the client.
func TestNew(t *testing.T) {
	t.Parallel()
	p, err := New()
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	w := get(t, p, http.MethodGet, "/")
	if wasBuilt := p.Version() != "none"; wasBuilt != (w.Code == http.StatusOK) {
		t.Errorf("Version() = %q, but GET / answers %d", p.Version(), w.Code)
	}
}

// BenchmarkPage holds an answer to a handful of small allocations, whatever
// the size of the file: it is sent from where it lies.
func BenchmarkPage(b *testing.B) {
	p, err := Open(fstest.MapFS{"index.html": {Data: make([]byte, 6<<20)}})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
	b.ReportAllocs()
	for b.Loop() {
		p.ServeHTTP(discard{}, r)
	}
}

// discard is a visitor who looks at nothing.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
