//go:build browser

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/andybalholm/brotli"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"

	"github.com/wasmp2pchat/wasmp2pchat/wasm"
)

// The goals, relative to a page with the structure of the first one.
const (
	sizeGoal  = 0.55
	startGoal = 0.6
)

// TestColdStart measures what a first visit costs, beside a client with the
// structure of the first one: what is downloaded, and how long it takes from the
// navigation until START can be pressed, also over networks like a home's and a
// phone's. Each start has a new browser with a new
// profile; the two take turns; both come from the same handler in brotli.
func TestColdStart(t *testing.T) {
	times := flag.Lookup("coldstarts").Value.(flag.Getter).Get().(int)
	if times == 0 {
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
	for name, link := range map[string]*network.Conditions{
		"loopback":           nil,
		"10 Mbit/s, 40 ms":   {Latency: 40, DownloadThroughput: 10e6 / 8, UploadThroughput: 10e6 / 8},
		"1.6 Mbit/s, 150 ms": {Latency: 150, DownloadThroughput: 1.6e6 / 8, UploadThroughput: 750e3 / 8},
	} {
		var samples [2][]start // ours, and the other
		for range times {
			for i, p := range []*wasm.Page{ours, seed} {
				t.Run(name, func(t *testing.T) { samples[i] = append(samples[i], coldStart(t, p, link)) }) // its browser ends with it
			}
		}
		us, they := middle(samples[0]), middle(samples[1])
		t.Logf("%s: START after %.0f ms and %.0f ms, %.2f (goal %.2f); the client is here after %.0f ms and %.0f ms; it has %.0f and %.0f bytes, %.3f (goal %.2f)",
			name, us.Ready, they.Ready, us.Ready/they.Ready, startGoal, us.Downloaded, they.Downloaded, us.Bytes, they.Bytes, us.Bytes/they.Bytes, sizeGoal)
	}
}

// middle is the start with the median time.
func middle(all []start) start {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b start) int { return cmp.Compare(a.Ready, b.Ready) })
	return sorted[len(sorted)/2]
}

// start is one start of a page, in milliseconds since the navigation.
type start struct {
	Bytes      float64 `json:"bytes"`      // of the client, as they were transferred
	Downloaded float64 `json:"downloaded"` // the client is here
	Ready      float64 `json:"ready"`      // START can be pressed
}

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

// coldStart starts a page in a browser that has never seen it, over a network
// that Chromium makes slow; nil for as fast as it is.
func coldStart(t *testing.T, served *wasm.Page, link *network.Conditions) start {
	t.Helper()
	site, _ := serveUntil(t, served)
	tab := &tab{t: t, name: "A", driver: chromium.launch(t, &thisComputer{}, habits{}).open(t)}
	tab.do("watch the page", func(ctx context.Context) error {
		target := tab.driver.(*chromiumDriver).target
		if link != nil {
			if _, err := cdp.Call(ctx, target, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{link}}); err != nil {
				return err
			}
		}
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watchStart})
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
