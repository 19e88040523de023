package main

import (
	"strings"
	"testing"
)

// TestRenderWorker: the worker keeps what an index names and no more, and is
// another one as soon as anything that people see has changed.
func TestRenderWorker(t *testing.T) {
	t.Parallel()
	page := []pageFile{{"app.0123456789ab.wasm", nil}, {"check.0123456789ab.js", nil}, {"touch.0123456789ab.png", nil}, {"words_fr.0123456789ab.json", nil}}
	english := pageFile{"index.html", []byte("app.0123456789ab.wasm touch.0123456789ab.png")}
	french := pageFile{"index.fr.html", []byte("app.0123456789ab.wasm words_fr.0123456789ab.json")}
	first, err := renderWorker(sources(), page, []pageFile{french, english})
	if err != nil {
		t.Fatal(err)
	}
	version, rest, _ := strings.Cut(string(first.body), "\n")
	const want = `const FILES = ["app.0123456789ab.wasm","words_fr.0123456789ab.json"];` + "\n\nserve()"
	if rest != want {
		t.Errorf("after its version the worker is\n%s\nwant\n%s", rest, want)
	}
	french.body = append(french.body, '!')
	second, err := renderWorker(sources(), page, []pageFile{french, english})
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(string(second.body), version) {
		t.Errorf("the worker has still %s when an index has changed", version)
	}
}
