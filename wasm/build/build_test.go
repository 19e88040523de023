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
		"index.html": {Data: []byte(`<html lang="{{.Lang}}"><h1>{{.Words.title}}</h1>` +
			`<script src="{{.Files.boot}}" data-client="{{.Files.app}}" data-bytes="{{.ClientBytes}}"></script>{{.Version}}` +
			`<script data-languages="{{.WordsOf}}"></script>{{range .Languages}}<option value="{{.Tag}}">{{.Name}}</option>{{end}}<template>{{.WordsJSON}}</template>`)},
		"words.en.json": {Data: []byte(`{"title": "Tea & “talk”", "language": "English"}`)},
		"words.de.json": {Data: []byte(`{"title": "Tee", "language": "Deutsch"}`)},
		"check.html":    {Data: []byte(`<html lang="{{.Lang}}"><h1>{{.Check.title}}</h1><script src="{{.Files.check}}"></script><template>{{.CheckJSON}}</template>`)},
		"check.en.json": {Data: []byte(`{"title": "Check"}`)},
		"check.de.json": {Data: []byte(`{"title": "Prüfung"}`)},
		"verdict.js":    {Data: []byte("judge()")},
		"probe.js":      {Data: []byte("probe()")},
		"check.js":      {Data: []byte("check()")},
		"visitor.js":    {Data: []byte("visit()")},
		"boot.js":       {Data: []byte("boot()")},
		"update.js":     {Data: []byte("update()")},
		"sw.js":         {Data: []byte("serve()")},
		"maskable.svg":  {Data: []byte("<svg/><!---->")},
		"icon192.png":   {Data: []byte("small")},
		"icon512.png":   {Data: []byte("large")},
		"touch.png":     {Data: []byte("middle")},

		"manifest.webmanifest": {Data: []byte(`{"description": {{json .Words.title}}, "icon": "{{.Files.icon}}"}`)},
		"style.css":            {Data: []byte("body{}")},
		"icon.svg":             {Data: []byte("<svg/>")},
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
	want := []string{
		"app.*.wasm", "visitor.*.js", "boot.*.js", "update.*.js", "style.*.css",
		"icon.*.svg", "maskable.*.svg", "icon192.*.png", "icon512.*.png", "touch.*.png",
		"verdict.*.js", "probe.*.js", "check.*.js",
		"words_en.*.json", "words_de.*.json", "check.html", "check.de.html", "manifest.webmanifest", "sw.js", "index.de.html", "index.html",
	}
	if !slices.Equal(hashless, want) {
		t.Fatalf("the page is %q, want %q", hashless, want)
	}
	scripts := `<script src="` + names[2] + `" data-client="` + names[0] + `" data-bytes="10"></script>v1` +
		`<script data-languages="{&#34;de&#34;:&#34;` + names[14] + `&#34;,&#34;en&#34;:&#34;` + names[13] + `&#34;}"></script>` +
		`<option value="en">English</option><option value="de">Deutsch</option>`
	for i, want := range map[int]string{
		15: `<html lang="en"><h1>Check</h1><script src="` + names[12] + `"></script><template>{&#34;title&#34;:&#34;Check&#34;}</template>`,
		16: `<html lang="de"><h1>Prüfung</h1><script src="` + names[12] + `"></script><template>{&#34;title&#34;:&#34;Prüfung&#34;}</template>`,
		19: `<html lang="de"><h1>Tee</h1>` + scripts + `<template>{&#34;language&#34;:&#34;Deutsch&#34;,&#34;title&#34;:&#34;Tee&#34;}</template>`,
		20: `<html lang="en"><h1>Tea &amp; “talk”</h1>` + scripts +
			`<template>{&#34;language&#34;:&#34;English&#34;,&#34;title&#34;:&#34;Tea \u0026 “talk”&#34;}</template>`,
	} {
		if got := string(page[i].body); got != want {
			t.Errorf("%s is\n%s\nwant\n%s", names[i], got, want)
		}
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
		{"a word that only another language has", func(s fstest.MapFS) { s["words.de.json"].Data = []byte("{}") }, "in de"},
		{"bad words", func(s fstest.MapFS) { s["words.en.json"].Data = []byte("{") }, "words.en.json"},
		{"no check", func(s fstest.MapFS) { delete(s, "check.html") }, "check.html"},
		{"no words of the check", func(s fstest.MapFS) { delete(s, "check.de.json") }, "check.de.json"},
		{"a word of the check that one language has not", func(s fstest.MapFS) { s["check.de.json"].Data = []byte("{}") }, "in de"},
		{"no service worker", func(s fstest.MapFS) { delete(s, "sw.js") }, "sw.js"},
		{"no manifest", func(s fstest.MapFS) { delete(s, "manifest.webmanifest") }, "manifest.webmanifest"},
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
	for _, name := range []string{".gitignore", "notes.txt", "index.html", "index.html.gz", "index.ja.html", "check.html", "check.ja.html.br", "sw.js", "manifest.webmanifest.br", "icon192.0123456789ab.png", "words_ja.0123456789ab.json", "boot.0123456789ab.js", "boot.0123456789ab.js.br"} {
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
		"language", "report", "interest", "notice", "update",
	} {
		if n := strings.Count(index, ` id="`+id+`"`); n != 1 {
			t.Errorf("index.html has id %q %d times, want once", id, n)
		}
	}
	for _, want := range []string{`<html lang="en" dir="ltr">`, `<body data-state="loading">`, `id="log" role="log"`} {
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
		"../page/boot.js":     `(?:byId|say)\("([a-z-]+)"`,
		"../page/visitor.js":  `getElementById\("([a-z-]+)"\)`,
		"../page/style.css":   `#([a-z-]+)[ :,.[)]`,
		"../app/dom_js.go":    `(?:parts\[|text\()"([a-z-]+)"`,
		"../app/log_js.go":    `parts\["([a-z-]+)"`,
		"../app/listen_js.go": `(?:parts\[|pressed\()"([a-z-]+)"`,
		"../page/index.html":  `(?:aria-labelledby|aria-describedby|popovertarget)="([a-z-]+)"`,
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

// TestWordsInPlace sees to it that each text of the page changes with the
// language: whatever the server has put in, visitor.js finds again.
func TestWordsInPlace(t *testing.T) {
	t.Parallel()
	index, err := os.ReadFile("../page/index.html")
	if err != nil {
		t.Fatal(err)
	}
	marked := map[string]bool{"no_script": true, "dir": true} // without scripts, nothing changes
	for _, pattern := range []string{
		`data-word="([a-z_]+)">\{\{\.Words\.([a-z_]+)\}\}`,
		`aria-label="\{\{\.Words\.([a-z_]+)\}\}" data-label="([a-z_]+)"`,
		`placeholder="\{\{\.Words\.([a-z_]+)\}\}" data-placeholder="([a-z_]+)"`,
	} {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(index), -1) {
			if m[1] != m[2] {
				t.Errorf("index.html has %s for %s", m[1], m[2])
			}
			marked[m[1]] = true
		}
	}
	var all, found []string
	for _, m := range regexp.MustCompile(`\.Words\.([a-z_]+)`).FindAllStringSubmatch(string(index), -1) {
		all = append(all, m[1])
		if !marked[m[1]] {
			t.Errorf("index.html shows %s, which visitor.js does not find", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`data-(?:word|label|placeholder)="([a-z_]+)"`).FindAllStringSubmatch(string(index), -1) {
		found = append(found, m[1])
	}
	if len(all) < 30 || len(found) < 30 {
		t.Errorf("index.html has %d words, %d of them marked: that cannot be all", len(all), len(found))
	}
}
