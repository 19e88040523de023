// Package wasm serves the page: the browser client that `make` put into dist,
// embedded in the program; and beside it /check, with which a visitor finds out
// what his network lets through.
//
// It promises that a browser downloads each version of the client once, in the
// smallest form it understands, that the page comes in the visitor's language if
// it speaks that one, and that every answer carries the headers which
// keep a hostile partner's words from becoming code. TLS, and the headers that
// go with it, are left to the server; the client itself is wasm/app, and
// wasm/build fills dist.
package wasm

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// dist is what wasm/build made; in a clean clone it is empty.
//
//go:embed all:dist
var dist embed.FS

// index is the page in its main language; index.fr.html is the same in French.
// The same goes for check.html, with which a visitor tests his network.
// The names of these files stay when their content changes, as do those of the
// service worker and the manifest. They name all others, which carry a hash of
// their content in their name.
const index = "index.html"

// hashed matches the names that wasm/build makes of a hash.
var hashed = regexp.MustCompile(`\.[0-9a-f]{12}\.[a-z0-9]+$`)

// hashBytes is how much of a SHA-256 names a version: 48 bits, for telling
// versions apart, not for security.
const hashBytes = 6

// Page is an http.Handler for the page and everything it loads. It holds all
// files in memory and does not change.
type Page struct {
	files   map[string]*file            // by URL path
	pages   map[string]map[string]*file // by URL path, then by language; of the main one, the key is empty
	version string
}

// file is one thing to download, in every form that was prepared.
type file struct {
	contentType  string
	cacheControl string
	vary         string
	forms        [codings]form // by coding; the body is nil where there is none
}

// form is a file in one content coding (RFC 9110 §8.4.1).
type form struct {
	body   []byte
	length string // of body, as Content-Length says it
	etag   string
}

// New returns the page that was built into the program. Without one, the Page
// says how to build it.
func New() (*Page, error) {
	built, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, fmt.Errorf("open the embedded page: %w", err)
	}
	return Open(built)
}

// Open returns the page that wasm/build wrote to a folder.
func Open(built fs.FS) (*Page, error) {
	p := &Page{files: map[string]*file{}, pages: map[string]map[string]*file{"/": {}, "/check": {}}, version: "none"}
	names, err := fs.Glob(built, "*.*")
	if err != nil {
		return nil, fmt.Errorf("list the page: %w", err)
	}
	for _, name := range names {
		original := strings.TrimSuffix(strings.TrimSuffix(name, brotli.suffix()), gzip.suffix())
		if original != name || strings.HasPrefix(name, ".") {
			continue // read with its original; not for visitors
		}
		f, err := readFile(built, name)
		if err != nil {
			return nil, err
		}
		if at, language, spoken := pageOf(name); spoken {
			p.pages[at][language] = f
			continue
		}
		p.files["/"+name] = f
	}
	if home, ok := p.pages["/"][""]; ok {
		p.version = shortHash(home.forms[identity].body)
	}
	return p, nil
}

// readFile reads a file and its compressed twins.
func readFile(built fs.FS, name string) (*file, error) {
	f := &file{contentType: contentType(name), cacheControl: "no-cache", vary: "Accept-Encoding"} // ask each time; the ETag makes it cheap
	if hashed.MatchString(name) {
		f.cacheControl = "public, max-age=31536000, immutable"
	}
	if _, _, spoken := pageOf(name); spoken {
		f.vary = "Accept-Encoding, Accept-Language"
	}
	for c := range codings {
		body, err := fs.ReadFile(built, name+c.suffix())
		if errors.Is(err, fs.ErrNotExist) && c != identity {
			continue // not worth compressing
		}
		if err != nil {
			return nil, fmt.Errorf("read the page: %w", err)
		}
		f.forms[c] = form{
			body:   body,
			length: strconv.Itoa(len(body)),
			etag:   `"` + shortHash(body) + `"`,
		}
	}
	return f, nil
}

// Version names the client that visitors get: it changes with any file of the
// page. Without a client it is "none".
func (p *Page) Version() string { return p.version }

// ServeHTTP answers GET and HEAD of the files of the page.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	f := p.find(r)
	switch {
	case f != nil:
		f.serve(w, r)
	case r.URL.Path == "/", r.URL.Path == "/check":
		http.Error(w, "The browser client is not part of this program.\nRun make, which builds it, and start again.",
			http.StatusServiceUnavailable)
	default:
		http.Error(w, "not found", http.StatusNotFound)
	}
}

// find is what r asks for, nil if there is no such thing.
func (p *Page) find(r *http.Request) *file {
	at := r.URL.Path
	if at == "/"+index {
		at = "/"
	}
	if page, spoken := p.pages[at]; spoken {
		return page[p.language(r)]
	}
	return p.files[at]
}

// protect sets the headers that every answer carries. The policy allows what
// the page itself brings and nothing inline, so markup that a stranger sends
// could not run even if it were ever put into the page as markup.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; "+
		"connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
}

// serve sends f in the best form for r, or 304 when r has that form already.
func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	best := negotiate(strings.Join(r.Header.Values("Accept-Encoding"), ","), func(c coding) bool { return f.forms[c].body != nil })
	form := &f.forms[best]
	h := w.Header()
	h.Set("Cache-Control", f.cacheControl)
	h.Set("Etag", form.etag)
	h.Set("Vary", f.vary)
	if matches(strings.Join(r.Header.Values("If-None-Match"), ","), form.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", form.length)
	if best != identity {
		h.Set("Content-Encoding", best.String())
	}
	if r.Method == http.MethodGet {
		_, _ = bytes.NewReader(form.body).WriteTo(w) // a visitor who hangs up is no fault of ours
	}
}

// matches tells whether the value of an If-None-Match header names etag, by
// the weak comparison of RFC 9110 §8.8.3.2.
func matches(ifNoneMatch, etag string) bool {
	for tag := range strings.SplitSeq(ifNoneMatch, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == etag || tag == "*" {
			return true
		}
	}
	return false
}

// contentType is the media type of what wasm/build writes. It is not asked of
// the operating system, which may know other types or none.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".json":
		return "application/json"
	case ".png":
		return "image/png"
	case ".svg":
		return "image/svg+xml"
	case ".wasm":
		return "application/wasm"
	case ".webmanifest":
		return "application/manifest+json"
	default:
		return "application/octet-stream"
	}
}

func shortHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:hashBytes])
}
