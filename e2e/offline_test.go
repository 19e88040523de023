//go:build browser

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"

	"github.com/wasmp2pchat/wasmp2pchat/wasm"
)

// TestSecondVisitNeedsNoServer stops the server after the first visit: the page
// comes all the same, and only START says what is missing.
func TestSecondVisitNeedsNoServer(t *testing.T) {
	for _, b := range []brand{chromium, firefox} {
		t.Run(string(b), func(t *testing.T) {
			site := servePage(t)
			tab := openTab(t, b.launch(t, &thisComputer{}, habits{}), "A", site.url)
			tab.isKept()
			site.stop()
			tab.visit(site.url + "/?tags=go")
			tab.photograph("offline")
			tab.start()
			tab.becomes("error")
			if got, want := tab.text("fault"), "The server does not answer."; !strings.HasPrefix(got, want) {
				t.Errorf("START without a server says %q, want %q", got, want)
			}
		})
	}
}

// TestClientIsDownloadedOnce looks at what a first visit asks for: the largest
// file at once, before any script has run, and no file twice, though the service
// worker keeps all of them.
func TestClientIsDownloadedOnce(t *testing.T) {
	for _, b := range []brand{chromium, firefox} {
		t.Run(string(b), func(t *testing.T) {
			site := servePage(t)
			tab := openTab(t, b.launch(t, &thisComputer{}, habits{}), "A", site.url)
			tab.isKept()
			client := evaluate[string](tab, `performance.getEntriesByType("resource").filter((r) => r.name.endsWith(".wasm")).map((r) => r.initiatorType).join()`)
			if client != "link" {
				t.Errorf("the client was asked for by %q, want by the preload link alone", client)
			}
			for path, times := range site.downloads() {
				if times > 1 && strings.Contains(path, ".") { // the worker asks for "/" again: the server may know a newer one
					t.Errorf("%s was downloaded %d times", path, times)
				}
			}
		})
	}
}

// TestNewVersion has the server change its page while somebody looks at it. The
// open page is told; the next load brings the new one, which takes over, and
// nothing is left of the old one.
func TestNewVersion(t *testing.T) {
	for _, b := range []brand{chromium, firefox} {
		t.Run(string(b), func(t *testing.T) {
			site := servePage(t)
			tab := openTab(t, b.launch(t, &thisComputer{}, habits{}), "A", site.url)
			tab.isKept()
			tab.visit(site.url)
			const ready = `new Promise((resolve) => document.addEventListener("update-ready", () => resolve(true), { once: true }))`
			site.changeStyle()
			if !evaluate[bool](tab, `(navigator.serviceWorker.ready.then((r) => r.update()), `+ready+`)`) {
				t.Error("the page is not told of a newer version")
			}
			before := tab.caches()
			tab.visit(site.url)
			if got := evaluate[string](tab, `document.querySelector("link[rel=stylesheet]").href`); !strings.Contains(got, newStyle) {
				t.Errorf("the next load has the style %s, want the new one", got)
			}
			tab.until(`(await caches.keys()).length === 1 && !(await navigator.serviceWorker.ready).waiting`)
			if after := tab.caches(); before == after {
				t.Errorf("the cache is %q before and %q after", before, after)
			}
			site.stop()
			tab.visit(site.url)
			if got := evaluate[string](tab, `document.querySelector("link[rel=stylesheet]").href`); !strings.Contains(got, newStyle) {
				t.Errorf("without the server the style is %s, want the new one", got)
			}
		})
	}
}

// TestUpdateNow has the page take a newer version at once.
func TestUpdateNow(t *testing.T) {
	for _, b := range []brand{chromium, firefox} {
		t.Run(string(b), func(t *testing.T) {
			site := servePage(t)
			tab := openTab(t, b.launch(t, &thisComputer{}, habits{}), "A", site.url)
			tab.isKept()
			tab.visit(site.url)
			site.changeStyle()
			evaluate[any](tab, `(document.addEventListener("update-ready", () => document.dispatchEvent(new Event("update-now"))),
				navigator.serviceWorker.ready.then((r) => { r.update(); }))`)
			tab.until(`document.querySelector("link[rel=stylesheet]")?.href.includes("` + newStyle + `") && (await caches.keys()).length === 1`)
			tab.becomes(idle)
		})
	}
}

// TestInstallable asks Chromium whether the page can be installed as an
// application.
func TestInstallable(t *testing.T) {
	site := servePage(t)
	tab := openTab(t, chromium.launch(t, &thisComputer{}, habits{}), "A", site.url)
	tab.isKept()
	tab.do("ask whether the page can be installed", func(ctx context.Context) error {
		target := tab.driver.(*chromiumDriver).target
		manifest, err := cdp.Call(ctx, target, page.GetAppManifest, page.GetAppManifestParams{})
		if err != nil {
			return err
		}
		for _, fault := range manifest.Errors {
			t.Errorf("the manifest: %s", fault.Message)
		}
		faults, err := cdp.Call(ctx, target, page.GetInstallabilityErrors, cdp.Empty{})
		for _, fault := range faults.InstallabilityErrors {
			t.Errorf("the page cannot be installed: %s %v", fault.ErrorID, fault.ErrorArguments)
		}
		return err
	})
}

// newStyle is the hash in the name of the style that changeStyle brings.
const newStyle = "ffffffffffff"

// pageSite serves the page and nothing else, and counts what it is asked for.
type pageSite struct {
	url    string
	stop   func()
	client *wasm.Page

	mu      sync.Mutex // guards the fields below
	changed bool
	counts  map[string]int
}

// servePage serves the page that is built into this test until it ends.
func servePage(t *testing.T) *pageSite {
	t.Helper()
	client, err := wasm.New()
	if err != nil {
		t.Fatal(err)
	}
	s := &pageSite{client: client, counts: map[string]int{}}
	s.url, s.stop = serveUntil(t, s)
	return s
}

// serveUntil serves on this computer until stop is called or the test ends.
func serveUntil(t *testing.T, handler http.Handler) (url string, stop func()) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: patience}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // until it is closed
	}()
	stop = sync.OnceFunc(func() {
		_ = server.Close() // its connections too
		<-served
	})
	t.Cleanup(stop)
	return "http://" + strings.Replace(listener.Addr().String(), "127.0.0.1", "localhost", 1), stop
}

// ServeHTTP implements http.Handler.
func (s *pageSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.counts[r.URL.Path]++
	changed := s.changed
	s.mu.Unlock()
	if !changed {
		s.client.ServeHTTP(w, r)
		return
	}
	// Whatever names the style names another one, and so does what is served.
	r.Header.Del("Accept-Encoding")
	r.Header.Del("If-None-Match")
	if r.URL.Path == "/style."+newStyle+".css" {
		r.URL.Path = s.style(r.Context())
	}
	answer := httptest.NewRecorder()
	s.client.ServeHTTP(answer, r)
	body := regexp.MustCompile(`style\.[0-9a-f]{12}`).ReplaceAll(answer.Body.Bytes(), []byte("style."+newStyle))
	body = regexp.MustCompile(`const VERSION = "[0-9a-f]+"`).ReplaceAll(body, []byte(`const VERSION = "`+newStyle+`"`))
	for name, values := range answer.Header() {
		if name != "Content-Length" && name != "Etag" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(answer.Code)
	_, _ = bytes.NewReader(body).WriteTo(w) // a browser that hung up
}

// style is the path of the real style.
func (s *pageSite) style(ctx context.Context) string {
	answer := httptest.NewRecorder()
	s.client.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	return "/" + regexp.MustCompile(`style\.[0-9a-f]{12}\.css`).FindString(answer.Body.String())
}

// changeStyle makes the page another version.
func (s *pageSite) changeStyle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = true
}

// downloads is how often each path was asked for.
func (s *pageSite) downloads() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

// isKept waits until the service worker could do without a server.
func (tab *tab) isKept() {
	tab.t.Helper()
	tab.until(`(await navigator.serviceWorker.ready).active.state === "activated"`)
}

// caches names what the service worker keeps.
func (tab *tab) caches() string {
	tab.t.Helper()
	return evaluate[string](tab, `caches.keys().then((names) => names.join())`)
}

// text is what an element says.
func (tab *tab) text(id string) string {
	tab.t.Helper()
	return evaluate[string](tab, `document.getElementById("`+id+`").textContent`)
}

// until waits for a condition that the document does not tell of, across loads
// of the page.
func (tab *tab) until(condition string) {
	tab.t.Helper()
	look := fmt.Sprintf(`(async () => {
		for (let i = 0; i < 20; i++) {
			if (%s) return "yes";
			await new Promise((resolve) => setTimeout(resolve, 50));
		}
		return "not yet";
	})()`, condition)
	tab.do("wait until "+condition, func(ctx context.Context) error {
		for {
			answer, err := tab.driver.evaluate(ctx, look)
			if answer == "yes" {
				return nil
			}
			if ctx.Err() != nil { // another error: the page was being loaded
				return errors.Join(ctx.Err(), err)
			}
		}
	})
}
