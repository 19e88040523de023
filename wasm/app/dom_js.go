package main

import (
	"strconv"
	"syscall/js"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

const (
	// maxLines bounds the log, whatever a stranger sends.
	maxLines = 500

	// maxInputs is how many things a visitor can do before the app has dealt
	// with the first. It deals with them at once.
	maxInputs = 64
)

// dom is the page, as a screen and as the source of inputs.
type dom struct {
	inputs chan input

	document js.Value
	body     js.Value
	parts    map[string]js.Value // by id
	shown    view                // what the page shows now
	marked   js.Value            // the line that says "delivered"
}

// open finds the parts of the page and listens to them.
func open() *dom {
	d := &dom{
		inputs:   make(chan input, maxInputs),
		document: js.Global().Get("document"),
		parts:    map[string]js.Value{},
	}
	d.body = d.document.Get("body")
	for _, id := range []string{
		"composer", "fault", "hide-ip", "log", "message", "next", "note", "online",
		"path", "send", "start", "status", "stop", "talk", "typing", "words",
	} {
		d.parts[id] = d.document.Call("getElementById", id)
	}
	d.listen()
	return d
}

// listen turns events of the page into inputs.
func (d *dom) listen() {
	d.pressed("start", pressStart)
	d.pressed("next", pressNext)
	d.pressed("stop", pressStop)
	on(d.parts["composer"], "submit", func(event js.Value) { // SEND, or Enter outside of a composition
		event.Call("preventDefault")
		d.post(input{kind: pressSend, text: d.parts["message"].Get("value").String()})
	})
	on(d.parts["message"], "input", func(js.Value) { d.post(input{kind: typed}) })
	on(d.parts["hide-ip"], "change", func(js.Value) {
		d.post(input{kind: setHideIP, on: d.parts["hide-ip"].Get("checked").Bool()})
	})
	on(d.document, "keydown", func(event js.Value) {
		escape := event.Get("key").String() == "Escape"
		if escape && !event.Get("isComposing").Bool() && !event.Get("repeat").Bool() {
			d.post(input{kind: pressNext})
		}
	})
	on(d.document, "visibilitychange", func(js.Value) { d.post(input{kind: setHidden, on: d.hidden()}) })
	on(js.Global(), "pagehide", func(js.Value) { d.post(input{kind: pressStop}) })
}

// on calls f for each event, as long as the page lives: the js.Func is never
// released. f must not block, the browser waits for it.
func on(target js.Value, event string, f func(event js.Value)) {
	target.Call("addEventListener", event, js.FuncOf(func(_ js.Value, args []js.Value) any {
		f(args[0])
		return nil
	}))
}

func (d *dom) pressed(id string, kind inputKind) {
	on(d.parts[id], "click", func(js.Value) { d.post(input{kind: kind}) })
}

// post hands an input to the app without waiting. When it is that far behind,
// one click more or less does not matter; a message stays in its field.
func (d *dom) post(in input) {
	select {
	case d.inputs <- in:
	default:
	}
}

// query reads the address of the page: ?name=value.
func (d *dom) query() func(name string) string {
	parameters := js.Global().Get("URLSearchParams").New(js.Global().Get("location").Get("search"))
	return func(name string) string {
		value := parameters.Call("get", name)
		if value.IsNull() {
			return ""
		}
		return value.String()
	}
}

// origin is where the page came from, and where the server is.
func (d *dom) origin() string { return js.Global().Get("location").Get("origin").String() }

// words reads the words that wasm/build put into the page.
func (d *dom) words() words {
	texts := js.Global().Get("JSON").Call("parse", d.parts["words"].Get("content").Get("textContent"))
	keys := js.Global().Get("Object").Call("keys", texts)
	w := words{}
	for i := range keys.Length() {
		key := keys.Index(i).String()
		w[key] = texts.Get(key).String()
	}
	return w
}

// hidden tells whether the page is in the background.
func (d *dom) hidden() bool { return d.document.Get("hidden").Bool() }

// hideIP is how the switch stands: the browser may have kept it over a reload,
// or the address asks for it.
func (d *dom) hideIP(asked bool) bool {
	if asked {
		d.parts["hide-ip"].Set("checked", true)
	}
	return d.parts["hide-ip"].Get("checked").Bool()
}

// device is the random name of this browser, kept in its storage: if somebody
// is reported, it is the browser that is reported. Where storage is switched
// off, each page is a browser of its own.
func (d *dom) device(random string) (name string) {
	defer func() {
		if _, refused := recover().(js.Error); refused {
			name = random
		}
	}()
	storage := js.Global().Get("Reflect").Call("get", js.Global(), "localStorage") // Get itself could not be recovered from
	if kept := storage.Call("getItem", "device"); kept.Type() == js.TypeString && kept.String() != "" {
		return kept.String()
	}
	storage.Call("setItem", "device", random)
	return random
}

// show changes what is different from what the page shows already.
func (d *dom) show(v view) {
	was := d.shown
	d.shown = v
	if v == was {
		return
	}
	d.text("status", v.status, was.status)
	d.text("note", v.note, was.note)
	d.text("fault", v.fault, was.fault)
	d.text("start", v.start, was.start)
	d.text("typing", v.typing, was.typing)
	d.text("online", v.online, was.online)
	d.parts["online"].Set("hidden", v.online == "")
	if v.title != was.title {
		d.document.Set("title", v.title)
	}
	if v.path != was.path {
		d.badge(v.path)
	}
	if v.arrived != was.arrived {
		d.mark(v.arrived, v.delivered)
	}
	d.enable(v)
	if v.state != was.state {
		d.body.Get("dataset").Set("state", string(v.state))
		if was.state != "" { // not when the page has just come up
			d.focus(v.focus)
		}
	}
}

func (d *dom) text(id, now, was string) {
	if now != was {
		d.parts[id].Set("textContent", now)
	}
}

func (d *dom) enable(v view) {
	d.parts["start"].Set("disabled", !v.canStart)
	d.parts["next"].Set("disabled", !v.canNext)
	d.parts["stop"].Set("disabled", !v.canStop)
	d.parts["send"].Set("disabled", !v.canWrite)
	d.parts["hide-ip"].Set("disabled", !v.canHide)
	// Not disabled while there is a log: that would take the keyboard away from
	// somebody in the middle of a word, and the next space would press a button.
	d.parts["message"].Set("disabled", !v.canWrite && v.state != left)
	d.parts["message"].Set("readOnly", !v.canWrite)
}

// focus gives the keyboard to a part of the page, but does not take it from
// somebody who writes.
func (d *dom) focus(id string) {
	field := d.parts["message"]
	writing := d.document.Get("activeElement").Equal(field) && field.Get("value").String() != ""
	if !writing {
		d.parts[id].Call("focus")
	}
}

// badge shows the path. The style sheet leaves out the span where it is tight.
func (d *dom) badge(b badge) {
	path := d.parts["path"]
	path.Get("dataset").Set("path", string(b.kind))
	path.Call("replaceChildren")
	if b.kind == peer.PathUnknown {
		return
	}
	path.Call("append", b.name)
	if b.more != "" {
		path.Call("append", d.element("span", " · "+b.more))
	}
	if b.rtt != "" {
		path.Call("append", " · "+b.rtt)
	}
}

// mark puts a note under one's own message id, and takes it from the one before.
func (d *dom) mark(id uint64, note string) {
	if !d.marked.IsUndefined() {
		d.marked.Get("dataset").Delete("note")
		d.marked = js.Undefined()
	}
	entry := d.parts["log"].Call("querySelector", `[data-id="`+strconv.FormatUint(id, 10)+`"]`)
	if !entry.IsNull() {
		entry.Get("dataset").Set("note", note)
		d.marked = entry
	}
}

// add shows a line as text: whatever a stranger writes, it stays that.
func (d *dom) add(l line) {
	text := d.element("p", l.text)
	text.Set("dir", "auto")
	entry := d.element("div", "")
	entry.Get("dataset").Set("from", string(l.from))
	entry.Call("append", text)
	if l.from == me {
		entry.Get("dataset").Set("id", strconv.FormatUint(l.id, 10))
		entry.Call("setAttribute", "aria-live", "off") // one knows what one wrote
		d.parts["message"].Set("value", "")
	}
	log := d.parts["log"]
	log.Call("append", entry)
	if log.Get("childElementCount").Int() > maxLines {
		log.Get("firstElementChild").Call("remove")
	}
	if l.from == me {
		d.parts["talk"].Set("scrollTop", 0) // the end: the style sheet turns it round
	}
}

func (d *dom) clear() {
	d.parts["log"].Call("replaceChildren")
	d.parts["message"].Set("value", "")
	d.marked = js.Undefined()
}

func (d *dom) element(tag, text string) js.Value {
	e := d.document.Call("createElement", tag)
	e.Set("textContent", text)
	return e
}
