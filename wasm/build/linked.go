package main

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// The parts of a WebAssembly module that are read here (WebAssembly Core
// Specification 2.0, §5.5 Modules and §7.4.1 Name Section).
const (
	wasmHeader       = "\x00asm\x01\x00\x00\x00"
	customSection    = 0
	importSection    = 2
	codeSection      = 10
	functionNames    = 1 // in the name section
	importedFunction = 0
)

// errWasm means that a module is not what the compiler makes.
var errWasm = errors.New("the client is no WebAssembly module that can be read")

// function is one function of the client.
type function struct {
	name string // as the linker mangles it: fmt.__pp_.printArg
	size int    // of its code, in bytes
}

// takeNames reads the functions of a module and takes their names out, which
// only we have use for: they would cost every visitor 20 kB.
func takeNames(module []byte) (functions []function, without []byte, err error) {
	rest, ok := bytes.CutPrefix(module, []byte(wasmHeader))
	if !ok {
		return nil, nil, errWasm
	}
	without = append(without, wasmHeader...)
	r := &wasmReader{rest: rest}
	imports, names := 0, map[int]string{}
	for len(r.rest) > 0 && r.err == nil {
		start := r.rest
		id, body := r.section()
		section := start[:len(start)-len(r.rest)]
		switch id {
		case importSection:
			imports = body.functionImports()
		case codeSection:
			for range body.count() {
				functions = append(functions, function{size: len(body.bytes())})
			}
		case customSection:
			if string(body.bytes()) == "name" {
				names = body.names()
				section = nil
			}
		}
		without = append(without, section...)
		r.err = cmp.Or(r.err, body.err)
	}
	for i := range functions {
		functions[i].name = names[imports+i]
	}
	if len(names) == 0 || len(functions) == 0 {
		return nil, nil, errWasm
	}
	return functions, without, r.err
}

// wasmReader reads a module from its beginning to its end. After an error it
// reads nothing more.
type wasmReader struct {
	rest []byte
	err  error
}

// number reads an unsigned LEB128 number (§5.2.2).
func (r *wasmReader) number() int {
	n, length := binary.Uvarint(r.rest)
	if length <= 0 || n > math.MaxInt32 {
		r.rest, r.err = nil, errWasm
		return 0
	}
	r.rest = r.rest[length:]
	return int(n)
}

// count reads how many things follow, each of at least one byte.
func (r *wasmReader) count() int {
	n := r.number()
	if n > len(r.rest) {
		r.rest, r.err = nil, errWasm
		return 0
	}
	return n
}

// bytes reads a vector of bytes (§5.1.3).
func (r *wasmReader) bytes() []byte { return r.take(r.count()) }

// take reads n bytes.
func (r *wasmReader) take(n int) []byte {
	if n > len(r.rest) {
		r.rest, r.err = nil, errWasm
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

// octet reads one byte.
func (r *wasmReader) octet() byte {
	if b := r.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

// section reads a section: its number, and what is in it.
func (r *wasmReader) section() (id byte, body *wasmReader) {
	id = r.octet()
	return id, &wasmReader{rest: r.bytes()}
}

// functionImports counts the functions that a module imports: they come first
// in the numbering of all functions. Go's linker has it import nothing else.
func (r *wasmReader) functionImports() int {
	n := r.count()
	for range n {
		r.bytes() // module
		r.bytes() // name
		if r.octet() != importedFunction {
			r.rest, r.err = nil, errWasm
		}
		r.number() // type
	}
	return n
}

// names reads the names of functions out of a name section.
func (r *wasmReader) names() map[int]string {
	names := map[int]string{}
	for len(r.rest) > 0 {
		id, body := r.section()
		if id != functionNames {
			continue
		}
		for range body.count() {
			index := body.number()
			names[index] = string(body.bytes())
		}
		r.err = cmp.Or(r.err, body.err)
	}
	return names
}

// mangle is a package's path or name as the linker writes it into the module.
func mangle(path string) string { return regexp.MustCompile(`[^\w.]`).ReplaceAllString(path, "_") }

// weight is how much code of a package is in the client.
type weight struct {
	pkg   string // its path; empty for what the linker makes
	bytes int
}

// weigh sums up the code by package, heaviest first. packages are the paths
// that may occur.
func weigh(functions []function, packages []string) []weight {
	paths := map[string]string{"main": "wasm/app"}
	for _, path := range packages {
		paths[mangle(path)] = path
	}
	sums := map[string]int{}
	for _, f := range functions {
		sums[home(f.name, paths)] += f.size
	}
	weights := make([]weight, 0, len(sums))
	for pkg, n := range sums {
		weights = append(weights, weight{pkg, n})
	}
	slices.SortFunc(weights, func(a, b weight) int { return cmp.Or(b.bytes-a.bytes, strings.Compare(a.pkg, b.pkg)) })
	return weights
}

// home is the package of a function. Where a path begins like another one the
// longer is meant: paths have dots too.
func home(name string, paths map[string]string) string {
	for end := strings.LastIndexByte(name, '.'); end > 0; end = strings.LastIndexByte(name[:end], '.') {
		if path, ok := paths[name[:end]]; ok {
			return path
		}
	}
	return ""
}

// checkCut wants nothing in the client that the cut is there to keep out: no
// package that is unwanted, and no stand-in that would run.
func checkCut(functions []function, packages []string) error {
	var errs []error
	for _, w := range weigh(functions, packages) {
		for _, path := range unwanted() {
			if within(w.pkg, path) {
				errs = append(errs, fmt.Errorf("%d bytes of %s are linked", w.bytes, w.pkg))
			}
		}
	}
	for _, f := range functions {
		if name, ok := strings.CutPrefix(f.name, mangle(standins)); ok && !slices.Contains(mayRun(), name) {
			errs = append(errs, fmt.Errorf("the client calls %s of a stand-in, which refuses", name))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("the client is not cut well: %w\n%s", errors.Join(errs...), cutAdvice)
}

// mayRun are the functions of stand-ins that do their work.
func mayRun() []string {
	return []string{"fmt.Errorf", "fmt.__wrapped_.Error", "fmt.__wrapped_.Unwrap"}
}
