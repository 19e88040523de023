package main

import (
	"slices"
	"strings"
	"syscall/js"
)

// query reads the address of the page: ?name=value.
func (d *dom) query() func(name string) (value string, there bool) {
	parameters := js.Global().Get("URLSearchParams").New(js.Global().Get("location").Get("search"))
	return func(name string) (string, bool) {
		value := parameters.Call("get", name)
		if value.IsNull() {
			return "", false
		}
		return value.String(), true
	}
}

// origin is where the page came from, and where the server is.
func (d *dom) origin() string { return js.Global().Get("location").Get("origin").String() }

// readWords reads the words of the page's language, where wasm/build or
// page/visitor.js has put them: all in one piece, because each call of the
// browser takes its time, and START waits for it.
func (d *dom) readWords() words {
	const between = "\x00" // in no word
	texts := js.Global().Get("JSON").Call("parse", d.parts["words"].Get("content").Get("textContent"))
	all := strings.Split(js.Global().Get("Object").Call("entries", texts).Call("flat").Call("join", between).String(), between)
	w := make(words, len(all)/2)
	for pair := range slices.Chunk(all, 2) {
		w[pair[0]] = pair[1]
	}
	return w
}

// hideIP is how the switch stands: the address asks for it, or it was on when
// the visitor was here last.
func (d *dom) hideIP(asked bool) bool {
	on := asked || d.kept("hide-ip") != ""
	d.parts["hide-ip"].Set("checked", on)
	return on
}

// device is the random name of this browser, kept in its storage: if somebody
// is reported, it is the browser that is reported. Where storage is switched
// off, each page is a browser of its own.
func (d *dom) device(random string) string {
	if kept := d.kept("device"); kept != "" {
		return kept
	}
	d.keep("device", random)
	return random
}

// kept is what an earlier visit has kept, empty for nothing.
func (d *dom) kept(key string) (value string) {
	defer forgive()
	if kept := storage().Call("getItem", key); kept.Type() == js.TypeString {
		return kept.String()
	}
	return ""
}

// keep keeps something for the next visit.
func (d *dom) keep(key, value string) {
	defer forgive()
	storage().Call("setItem", key, value)
}

func storage() js.Value {
	return js.Global().Get("Reflect").Call("get", js.Global(), "localStorage") // Get itself could not be recovered from
}

// forgive recovers where the visitor allows no storage: then nothing is kept.
func forgive() {
	if r := recover(); r != nil {
		if _, refused := r.(js.Error); !refused {
			panic(r)
		}
	}
}
