package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/andybalholm/brotli"
)

// sources is a page in small.
func sources() fstest.MapFS {
	return fstest.MapFS{
		"index.html":    {Data: []byte(`<h1>{{.Words.title}}</h1><script src="{{.Files.boot}}" data-client="{{.Files.app}}" data-bytes="{{.ClientBytes}}"></script>{{.Version}}<template>{{.WordsJSON}}</template>`)},
		"words.en.json": {Data: []byte(`{"title": "Tea & “talk”"}`)},
		"boot.js":       {Data: []byte("boot()")},
		"style.css":     {Data: []byte("body{}")},
		"icon.svg":      {Data: []byte("<svg/>")},
	}
}

func TestAssemble(t *testing.T) {
	t.Parallel()
	page, err := assemble(sources(), []byte("the client"), []byte("the runtime"), "v1")
	if err != nil {
		t.Fatal(err)
	}
	var names, hashless []string
	for _, f := range page {
		names = append(names, f.name)
		hashless = append(hashless, regexp.MustCompile(`\.[0-9a-f]{12}\.`).ReplaceAllString(f.name, ".*."))
	}
	want := []string{"app.*.wasm", "wasm_exec.*.js", "boot.*.js", "style.*.css", "icon.*.svg", "index.html"}
	if !slices.Equal(hashless, want) {
		t.Errorf("the page is %q, want %q", hashless, want)
	}
	got := string(page[len(page)-1].body)
	wantIndex := `<h1>Tea &amp; “talk”</h1><script src="` + names[2] + `" data-client="` + names[0] + `" data-bytes="10"></script>v1` +
		`<template>{&#34;title&#34;:&#34;Tea \u0026 “talk”&#34;}</template>`
	if got != wantIndex {
		t.Errorf("index.html is\n%s\nwant\n%s", got, wantIndex)
	}
}

func TestAssembleNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		spoil func(fstest.MapFS)
		want  string
	}{
		{"no style", func(s fstest.MapFS) { delete(s, "style.css") }, "style.css"},
		{"no words", func(s fstest.MapFS) { delete(s, "words.en.json") }, "words.en.json"},
		{"bad words", func(s fstest.MapFS) { s["words.en.json"].Data = []byte("{") }, "words.en.json"},
		{"no index", func(s fstest.MapFS) { delete(s, "index.html") }, "index.html"},
		{"a word that nobody has", func(s fstest.MapFS) { s["words.en.json"].Data = []byte("{}") }, "title"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := sources()
			tt.spoil(s)
			_, err := assemble(s, nil, nil, "")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("assemble() = %v, want an error that names %s", err, tt.want)
			}
		})
	}
}

func TestPack(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("again and again "), 1000)
	one, err := pack(pageFile{"a.js", body})
	if err != nil {
		t.Fatal(err)
	}
	two, err := pack(pageFile{"a.js", body})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.brotli, two.brotli) || !bytes.Equal(one.gzip, two.gzip) {
		t.Error("the same file packs differently the second time")
	}
	gz, err := gzip.NewReader(bytes.NewReader(one.gzip))
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]io.Reader{"gzip": gz, "brotli": brotli.NewReader(bytes.NewReader(one.brotli))} {
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s gives back %d bytes, %v; want the %d that went in", name, len(got), err, len(body))
		}
	}
}

func TestPackLeavesWhatDoesNotShrink(t *testing.T) {
	t.Parallel()
	noise := sha256.Sum256(nil)
	packed, err := pack(pageFile{"noise.bin", noise[:]})
	if err != nil {
		t.Fatal(err)
	}
	if packed.brotli != nil || packed.gzip != nil {
		t.Errorf("pack() of noise makes %d bytes of brotli, %d of gzip; want none", len(packed.brotli), len(packed.gzip))
	}
}

func TestWriteReplacesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{".gitignore", "notes.txt", "index.html", "index.html.gz", "boot.0123456789ab.js", "boot.0123456789ab.js.br"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	page := []packedFile{
		{pageFile: pageFile{"app.ba9876543210.wasm", []byte("new")}, brotli: []byte("b"), gzip: []byte("g")},
		{pageFile: pageFile{"index.html", []byte("new")}},
	}
	if err := write(dir, page); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		body, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = string(body)
	}
	want := map[string]string{
		".gitignore": "old", "notes.txt": "old", "index.html": "new",
		"app.ba9876543210.wasm": "new", "app.ba9876543210.wasm.br": "b", "app.ba9876543210.wasm.gz": "g",
	}
	if !maps.Equal(got, want) {
		t.Errorf("the folder holds %v, want %v", got, want)
	}
}

// TestIndex checks the real page: all that the content security policy
// forbids is absent, and all that scripts and tests hold on to is there.
func TestIndex(t *testing.T) {
	t.Parallel()
	page, err := assemble(os.DirFS("../page"), []byte("client"), []byte("runtime"), "v1")
	if err != nil {
		t.Fatal(err)
	}
	index := string(page[len(page)-1].body)
	for what, pattern := range map[string]string{
		"a script inside":   `(?is)<script[^>]*>[^<]`,
		"a style inside":    `(?i)<style|\sstyle=`,
		"a handler inside":  `(?i)\son[a-z]+\s*=`,
		"a foreign address": `(?i)(https?:)?//[a-z]`,
		"a script address":  `(?i)javascript:`,
	} {
		if found := regexp.MustCompile(pattern).FindString(index); found != "" {
			t.Errorf("index.html has %s: %q", what, found)
		}
	}
	for _, id := range []string{
		"start", "next", "stop", "message", "send", "log", "path", "status", "progress", "hide-ip", "online",
	} {
		if n := strings.Count(index, ` id="`+id+`"`); n != 1 {
			t.Errorf("index.html has id %q %d times, want once", id, n)
		}
	}
	for _, want := range []string{`<body data-state="loading">`, `id="log" role="log"`} {
		if !strings.Contains(index, want) {
			t.Errorf("index.html lacks %s", want)
		}
	}
}

// TestIDs holds the page and those who look for its parts together.
func TestIDs(t *testing.T) {
	t.Parallel()
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	var have []string
	for _, m := range regexp.MustCompile(`\sid="([a-z-]+)"`).FindAllStringSubmatch(read("../page/index.html"), -1) {
		have = append(have, m[1])
	}
	for path, use := range map[string]string{
		"../page/boot.js":    `byId\("([a-z-]+)"\)`,
		"../page/style.css":  `#([a-z-]+)[ :,.[)]`,
		"../app/dom_js.go":   `(?:parts\[|text\(|pressed\()"([a-z-]+)"`,
		"../page/index.html": `aria-labelledby="([a-z-]+)"`,
	} {
		found := regexp.MustCompile(use).FindAllStringSubmatch(read(path), -1)
		if len(found) == 0 {
			t.Errorf("%s looks for nothing", path)
		}
		for _, m := range found {
			if !slices.Contains(have, m[1]) && !regexp.MustCompile(`^[0-9a-f]+$`).MatchString(m[1]) {
				t.Errorf("%s looks for #%s, which index.html does not have", path, m[1])
			}
		}
	}
}
