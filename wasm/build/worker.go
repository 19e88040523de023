package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"text/template"
)

// The files that a browser asks for by a name that does not change, beside the
// index.
const (
	workerName   = "sw.js"
	manifestName = "manifest.webmanifest"
)

// renderManifest fills in the manifest, with which the page can be installed.
func renderManifest(sources fs.FS, f facts) (pageFile, error) {
	quote := func(s string) (string, error) {
		text, err := json.Marshal(s)
		return string(text), err
	}
	t, err := template.New(manifestName).Option("missingkey=error").Funcs(template.FuncMap{"json": quote}).ParseFS(sources, manifestName)
	if err != nil {
		return pageFile{}, fmt.Errorf("read the manifest: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, f); err != nil {
		return pageFile{}, fmt.Errorf("render the manifest: %w", err)
	}
	return pageFile{manifestName, out.Bytes()}, nil
}

// renderWorker puts before the service worker's text what it cannot know: the
// version, which changes with any file of the page, and the files to keep.
func renderWorker(sources fs.FS, page, indexes []pageFile) (pageFile, error) {
	text, err := fs.ReadFile(sources, workerName)
	if err != nil {
		return pageFile{}, fmt.Errorf("read the service worker: %w", err)
	}
	version := sha256.New()
	for _, f := range append(indexes, pageFile{workerName, text}) {
		version.Write(f.body) // an index names all other files, by their hashes
	}
	files, err := json.Marshal(kept(page, indexes))
	if err != nil {
		return pageFile{}, fmt.Errorf("name the files of the page: %w", err)
	}
	head := fmt.Sprintf("const VERSION = %q;\nconst FILES = %s;\n\n", hex.EncodeToString(version.Sum(nil)[:hashBytes]), files)
	return pageFile{workerName, append([]byte(head), text...)}, nil
}

// kept names the files with which the page runs without a server: all that an
// index names, but the pictures for the screens of phones.
func kept(page, indexes []pageFile) []string {
	var names []string
	for _, f := range page {
		for _, index := range indexes {
			if path.Ext(f.name) != ".png" && strings.Contains(string(index.body), f.name) {
				names = append(names, f.name)
				break
			}
		}
	}
	return names
}
