package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// hashBytes is how much of a file's SHA-256 goes into its name: 48 bits tell
// any two versions apart.
const hashBytes = 6

// pageFile is one file of the finished page.
type pageFile struct {
	name string
	body []byte
}

// facts is what index.html and check.html are rendered with, once for each language.
type facts struct {
	Files       map[string]string // names with their hash, by "boot" for boot.js
	ClientBytes int               // the client before compression: what a browser counts while it loads
	Version     string
	Languages   []language        // all that there are
	WordsOf     string            // where the words of each are: JSON, for the scripts
	Lang        string            // of this rendering, as in the name of its words
	Words       map[string]string // in it
	WordsJSON   string            // the same, for the scripts
	Check       map[string]string // the words of check.html
	CheckJSON   string            // the same, for its scripts
}

// assemble puts the page together from its sources and the compiled client.
// The indexes come last, and index.html is the very last: when it is there,
// everything it names is.
func assemble(sources fs.FS, client, wasmExec []byte, version string) ([]pageFile, error) {
	page := []pageFile{fingerprint("app.wasm", client)}
	for _, name := range []string{
		"visitor.js", "boot.js", "update.js", "style.css", "icon.svg", "maskable.svg", "icon192.png", "icon512.png", "touch.png",
		"verdict.js", "probe.js", "check.js",
	} {
		body, err := fs.ReadFile(sources, name)
		if err != nil {
			return nil, fmt.Errorf("read the page: %w", err)
		}
		if name == "boot.js" {
			body = slices.Concat(wasmExec, []byte("\n"), body) // in one file: nothing runs before both are there
		}
		page = append(page, fingerprint(name, body))
	}
	f := facts{Files: map[string]string{}, ClientBytes: len(client), Version: version}
	for _, file := range page {
		short, _, _ := strings.Cut(file.name, ".")
		f.Files[short] = file.name
	}
	var err error
	if f.Languages, err = readLanguages(sources); err != nil {
		return nil, err
	}
	if f.WordsOf, err = whereWordsAre(f.Languages); err != nil {
		return nil, err
	}
	var indexes, checks []pageFile
	for _, l := range f.Languages {
		page = append(page, l.wordsFile)
		f.Lang, f.Words, f.WordsJSON, f.Check, f.CheckJSON = l.Tag, l.words, string(l.wordsFile.body), l.check, l.checkJSON
		index, err := render(sources, "index", f)
		if err != nil {
			return nil, err
		}
		check, err := render(sources, "check", f)
		if err != nil {
			return nil, err
		}
		indexes = append([]pageFile{{l.file("index"), index}}, indexes...)
		checks = append(checks, pageFile{l.file("check"), check})
	}
	f.Lang, f.Words = f.Languages[0].Tag, f.Languages[0].words // a manifest has one language
	manifest, err := renderManifest(sources, f)
	if err != nil {
		return nil, err
	}
	worker, err := renderWorker(sources, page, indexes)
	if err != nil {
		return nil, err
	}
	return slices.Concat(page, checks, []pageFile{manifest, worker}, indexes), nil
}

// fingerprint names a file after its content: boot.js becomes boot.<hash>.js.
func fingerprint(name string, body []byte) pageFile {
	sum := sha256.Sum256(body)
	ext := path.Ext(name)
	return pageFile{strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:hashBytes]) + ext, body}
}

// render fills in index.html or check.html. A word or file that the template
// names and nobody has is an error, not an empty place.
func render(sources fs.FS, page string, f facts) ([]byte, error) {
	name := page + ".html"
	t, err := template.New(name).Option("missingkey=error").ParseFS(sources, name)
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, f); err != nil {
		return nil, fmt.Errorf("render %s in %s: %w", name, f.Lang, err)
	}
	return out.Bytes(), nil
}
