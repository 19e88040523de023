//go:build browser

package e2e

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/andybalholm/brotli"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"

	"github.com/wasmp2pchat/wasmp2pchat/wasm"
)

// coldStarts is how often each page is started, by hand: make bench-client.
var coldStarts = flag.Int("coldstarts", 0, "how often to start each page of TestColdStart, which compares it with one like the first")

// The goals, relative to a page with the structure of the first one.
const (
	sizeGoal  = 0.55
	startGoal = 0.6
)

// TestColdStart measures what a first visit costs, beside a client with the
// structure of the first one: what is downloaded, and how long it takes from the
// navigation until START can be pressed. Each start has a new browser with a new
// profile; the two take turns; both come from the same handler in brotli.
func TestColdStart(t *testing.T) {
	if *coldStarts == 0 {
		t.Skip("measured by hand: make bench-client")
	}
	ours, err := wasm.New()
	if err != nil {
		t.Fatal(err)
	}
	folder := seedPage(t)
	seed, err := wasm.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	pages := []struct {
		name   string
		page   *wasm.Page
		starts []start
	}{{name: "ours", page: ours}, {name: "seed-like", page: seed}}
	for range *coldStarts {
		for i := range pages {
			t.Run(pages[i].name, func(t *testing.T) { // its browser ends with it
				pages[i].starts = append(pages[i].starts, coldStart(t, pages[i].page))
			})
		}
	}
	var sizes, times []float64
	for _, p := range pages {
		median := func(of func(start) float64) float64 {
			all := make([]float64, 0, len(p.starts))
			for _, s := range p.starts {
				all = append(all, of(s))
			}
			slices.Sort(all)
			return all[len(all)/2]
		}
		size, ready := median(func(s start) float64 { return s.Bytes }), median(func(s start) float64 { return s.Ready })
		sizes, times = append(sizes, size), append(times, ready)
		t.Logf("%-9s  %7.0f bytes of client, downloaded after %4.0f ms; START after %4.0f ms (%v)", p.name, size,
			median(func(s start) float64 { return s.Downloaded }), ready, p.starts)
	}
	t.Logf("size %.3f (goal %.2f), cold start %.3f (goal %.2f)", sizes[0]/sizes[1], sizeGoal, times[0]/times[1], startGoal)
}

// start is one start of a page, in milliseconds since the navigation.
type start struct {
	Bytes      float64 `json:"bytes"`      // of the client, as they were transferred
	Downloaded float64 `json:"downloaded"` // the client is here
	Ready      float64 `json:"ready"`      // START can be pressed
}

// String implements fmt.Stringer.
func (s start) String() string { return fmt.Sprintf("%.0f", s.Ready) }

// watchStart runs before the page does.
const watchStart = `window.started = new Promise((resolve) => {
	const look = () => {
		const start = document.getElementById("start");
		if (!start || start.disabled) return false;
		const ready = performance.now();
		const client = performance.getEntriesByType("resource").find((r) => r.name.endsWith(".wasm"));
		resolve({ ready, bytes: client.encodedBodySize, downloaded: client.responseEnd });
		return true;
	};
	const observer = new MutationObserver(() => { if (look()) observer.disconnect(); });
	observer.observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["disabled"] });
});`

// coldStart starts a page in a browser that has never seen it.
func coldStart(t *testing.T, served *wasm.Page) start {
	t.Helper()
	site, _ := serveUntil(t, served)
	tab := &tab{t: t, name: "A", driver: chromium.launch(t, &thisComputer{}, habits{}).open(t)}
	tab.do("watch the page", func(ctx context.Context) error {
		_, err := cdp.Call(ctx, tab.driver.(*chromiumDriver).target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watchStart})
		return err
	})
	tab.do("visit", func(ctx context.Context) error { return tab.driver.visit(ctx, site) })
	return evaluate[start](tab, "window.started")
}

// seedPage builds a page with the structure of the first one.
func seedPage(t *testing.T) fstest.MapFS {
	t.Helper()
	client := filepath.Join(t.TempDir(), "app.wasm")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", client, "./bench/seedpage")
	build.Env = append(build.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the page: %v: %s", err, out)
	}
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	page := fstest.MapFS{}
	for name, path := range map[string]string{
		"app.wasm":     client,
		"wasm_exec.js": filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"),
		"index.html":   "bench/seedpage/index.html",
		"main.js":      "bench/seedpage/main.js",
	} {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var packed bytes.Buffer
		w := brotli.NewWriterOptions(&packed, brotli.WriterOptions{Quality: brotli.BestCompression, LGWin: 24})
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		page[name], page[name+".br"] = &fstest.MapFile{Data: body}, &fstest.MapFile{Data: packed.Bytes()}
	}
	return page
}
