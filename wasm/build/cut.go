package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// What follows is the cut: all that is different in the browser client from a
// plain build, and why.
//
// In a browser pion/webrtc only calls the browser's RTCPeerConnection. Yet its
// js files name types of pion/ice, pion/dtls, pion/sctp and crypto/x509, whose
// package initialisation the linker must keep, and with it half a megabyte that
// never runs. So the client is built with a copy of pion/webrtc's js files in
// which a few files are left out and a few imports lead to stand-ins: packages
// of types, and of functions that refuse. That none of these functions is part
// of the client is checked after linking, in linked.go.
//
// go.mod, go.sum and every native build know nothing of it: the copy and a copy
// of go.mod that leads to it lie in cutFolder, which git ignores. What is cut out
// of the standard library is in toolchain.go.

const (
	// cutModule is the module that is cut.
	cutModule = "github.com/pion/webrtc/v4"

	// cutVersion is the version for which the rest of this file was written. To
	// raise it: read what changed in the js files of pion/webrtc, build with the
	// new version, and let `make browser` pass.
	cutVersion = "v4.2.9"

	// cutFolder is where the copy lies, in the root of our module: a path that
	// is the same for everybody, because it becomes part of the client.
	cutFolder = "build/cut"

	// standins is where the stand-ins are.
	standins = "github.com/wasmp2pchat/wasmp2pchat/wasm/standin/"
)

// leftOut are the files of pion/webrtc that a browser has no use for.
func leftOut() map[string]string {
	return map[string]string{
		"certificate.go":    "crypto/x509: the browser makes the certificates of its connections",
		"constants.go":      "pion/dtls: names the ciphers of SRTP, which is the browser's",
		"dtlsparameters.go": "nothing else uses it, and it uses the next one",
		"dtlsrole.go":       "pion/sdp: who is client and who server in DTLS, which is the browser's",
		"icemux.go":         "net: sockets, which a page cannot have",
		"networktype.go":    "pion/ice: UDP or TCP, IPv4 or IPv6, for native settings",
		"stats.go":          "encoding/json: the native statistics; the browser's are read with getStats",
		"track_local.go":    "pion/rtp, pion/interceptor: audio and video, sent natively",
	}
}

// put are files that pion/webrtc has not, in the place of what is left out:
// Configuration has a field of this type, which its js files never read.
func put() map[string]string {
	return map[string]string{"cut.go": "package webrtc\n\n// Certificate is not supported in browsers.\ntype Certificate struct{}\n"}
}

// instead are the imports that lead to a stand-in.
func instead() map[string]string {
	return map[string]string{
		"github.com/pion/ice/v4":      standins + "ice",         // the browser does ICE: candidates are strings to us
		"github.com/pion/datachannel": standins + "datachannel", // one interface
		"github.com/pion/sdp/v3":      standins + "sdp",         // the browser reads and writes descriptions
		"encoding/json":               standins + "json",        // how settings are written to files
		"encoding/hex":                standins + "hex",         // how profiles of H.264 are compared; it brings fmt and os
		"fmt":                         standins + "fmt",         // the text of an error that does not happen
	}
}

// unwanted are packages that must not come back into the client by another
// way, with all below them.
func unwanted() []string {
	return []string{
		"crypto", "encoding/gob", "encoding/json", "fmt", "internal/bisect", "math/big", "net", "os", "reflect",
		"github.com/pion/datachannel", "github.com/pion/dtls", "github.com/pion/ice", "github.com/pion/interceptor",
		"github.com/pion/mdns", "github.com/pion/sctp", "github.com/pion/sdp", "github.com/pion/stun", "github.com/pion/turn",
	}
}

// cut makes the copy in folder, which is relative to the root of our module,
// and returns the toolchain that builds with it.
func cut(ctx context.Context, folder string) (toolchain, error) {
	sources, err := webrtcSources(ctx)
	if err != nil {
		return toolchain{}, err
	}
	if err := os.RemoveAll(folder); err != nil {
		return toolchain{}, fmt.Errorf("remove the last cut: %w", err)
	}
	into := filepath.Join(folder, "webrtc")
	if err := copyCut(sources, into); err != nil {
		return toolchain{}, fmt.Errorf("cut %s %s: %w\n%s", cutModule, cutVersion, err, cutAdvice)
	}
	modfile := filepath.Join(folder, "go.mod")
	replace := fmt.Sprintf("\nreplace %s => ./%s\n", cutModule, filepath.ToSlash(into))
	if err := errors.Join(appendCopy("go.mod", modfile, replace), appendCopy("go.sum", filepath.Join(folder, "go.sum"), "")); err != nil {
		return toolchain{}, err
	}
	t, err := overlay(ctx, folder)
	t.args = append(t.args, "-mod=readonly", "-modfile="+modfile)
	return t, err
}

// cutAdvice is what to do when the cut does not fit pion/webrtc any more.
const cutAdvice = "hint: mend wasm/build/cut.go, which says how; `go run ./wasm/build -uncut` builds a larger client meanwhile"

// module is a module as go list knows it.
type module struct{ Version, Dir string }

// goPackage is a package as go list knows it for the browser.
type goPackage struct {
	ImportPath, Dir string
	GoFiles         []string
	Module          *module
}

// webrtcSources lists the packages of pion/webrtc that a browser needs, and
// checks that they are of the version that the cut was made for.
func webrtcSources(ctx context.Context) ([]goPackage, error) {
	all, err := golist(ctx, plain(), "-deps", cutModule)
	if err != nil {
		return nil, err
	}
	var ours []goPackage
	for _, p := range all {
		if !within(p.ImportPath, cutModule) {
			continue
		}
		if p.Module == nil || p.Module.Version != cutVersion {
			return nil, fmt.Errorf("go.mod has another version of %s than the cut, %s, is made for\n%s", cutModule, cutVersion, cutAdvice)
		}
		ours = append(ours, p)
	}
	return ours, nil
}

// golist asks go for packages, as they are for the browser.
func golist(ctx context.Context, t toolchain, args ...string) ([]goPackage, error) {
	cmd := t.run(ctx, "list", append([]string{"-json=ImportPath,Dir,GoFiles,Module"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", strings.Join(args, " "), err)
	}
	var list []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p goPackage
		if err := dec.Decode(&p); err != nil {
			return nil, fmt.Errorf("go list %s: %w", strings.Join(args, " "), err)
		}
		list = append(list, p)
	}
	return list, nil
}

// copyCut copies the sources into a folder, without what is left out and with
// the imports changed. What the tables above name and nothing has is an error:
// the cut is not for this version.
func copyCut(sources []goPackage, into string) error {
	skipped, changed := leftOut(), map[string]bool{}
	for _, p := range sources {
		folder := filepath.Join(into, filepath.FromSlash(strings.TrimPrefix(p.ImportPath, cutModule)))
		if err := os.MkdirAll(folder, 0o750); err != nil {
			return err
		}
		for _, name := range p.GoFiles {
			if _, ok := leftOut()[name]; ok && p.ImportPath == cutModule {
				delete(skipped, name)
				continue
			}
			source, err := fs.ReadFile(os.DirFS(p.Dir), name)
			if err != nil {
				return err
			}
			text, err := divert(name, string(source), changed)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	for name := range skipped {
		return fmt.Errorf("there is no %s to leave out", name)
	}
	for path := range instead() {
		if !changed[path] {
			return fmt.Errorf("nothing imports %s, which has a stand-in", path)
		}
	}
	for name, text := range put() {
		if err := os.WriteFile(filepath.Join(into, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return appendCopy(filepath.Join(sources[len(sources)-1].Dir, "go.mod"), filepath.Join(into, "go.mod"), "")
}

// divert leads the imports of a Go file to the stand-ins, and notes which
// there were.
func divert(name, source string, changed map[string]bool) (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly)
	if err != nil {
		return "", err
	}
	for _, spec := range slices.Backward(file.Imports) { // so that positions before it stay what they are
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return "", err
		}
		if standin, ok := instead()[path]; ok {
			start := int(spec.Path.Pos() - file.FileStart)
			source = source[:start] + strconv.Quote(standin) + source[start+len(spec.Path.Value):]
			changed[path] = true
		}
	}
	return source, nil
}

// appendCopy copies a file and adds something at its end.
func appendCopy(from, to, more string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, append(text, more...), 0o644)
}

// within tells whether a package is path or below it.
func within(pkg, path string) bool { return pkg == path || strings.HasPrefix(pkg, path+"/") }
