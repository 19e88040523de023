package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"path"
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

// facts is what index.html is rendered with, once for each language.
type facts struct {
	Files       map[string]string // names with their hash, by "boot" for boot.js
	ClientBytes int               // the client before compression: what a browser counts while it loads
	Version     string
	Languages   []language        // all that there are
	WordsOf     string            // where the words of each are: JSON, for the scripts
	Lang        string            // of this rendering, as in the name of its words
	Words       map[string]string // in it
	WordsJSON   string            // the same, for the scripts
}

// assemble puts the page together from its sources and the compiled client.
// The indexes come last, and index.html is the very last: when it is there,
// everything it names is.
func assemble(sources fs.FS, client, wasmExec []byte, version string) ([]pageFile, error) {
	page := []pageFile{fingerprint("app.wasm", client), fingerprint("wasm_exec.js", wasmExec)}
	for _, name := range []string{
		"visitor.js", "boot.js", "update.js", "style.css", "icon.svg", "maskable.svg", "icon192.png", "icon512.png", "touch.png",
	} {
		body, err := fs.ReadFile(sources, name)
		if err != nil {
			return nil, fmt.Errorf("read the page: %w", err)
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
	var indexes []pageFile
	for _, l := range f.Languages {
		page = append(page, l.file)
		f.Lang, f.Words, f.WordsJSON = l.Tag, l.words, string(l.file.body)
		index, err := render(sources, f)
		if err != nil {
			return nil, err
		}
		indexes = append([]pageFile{{l.index(), index}}, indexes...)
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
	return append(append(page, manifest, worker), indexes...), nil
}

// fingerprint names a file after its content: boot.js becomes boot.<hash>.js.
func fingerprint(name string, body []byte) pageFile {
	sum := sha256.Sum256(body)
	ext := path.Ext(name)
	return pageFile{strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:hashBytes]) + ext, body}
}

// render fills in index.html. A word or file that the template names and
// nobody has is an error, not an empty place.
func render(sources fs.FS, f facts) ([]byte, error) {
	t, err := template.New("index.html").Option("missingkey=error").ParseFS(sources, "index.html")
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, f); err != nil {
		return nil, fmt.Errorf("render the page in %s: %w", f.Lang, err)
	}
	return out.Bytes(), nil
}
