package main

import (
	"strings"
	"syscall/js"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

// dom is the page, as a screen and as the source of inputs. What the app shows
// is painted once in a frame, however much of it there is; while the page is in
// the background there are no frames, and it is painted at once.
type dom struct {
	inputs chan input

	document js.Value
	root     js.Value
	body     js.Value
	parts    map[string]js.Value // by id
	words    words
	log      log

	frame  js.Func // paints what has changed since the last one
	framed bool    // frame will be called
	stale  bool    // something has changed
	wanted view    // what the page shall show
	shown  view    // what it shows now
}

// open finds the parts of the page and listens to them.
func open(inputs chan input) *dom {
	d := &dom{
		inputs:   inputs,
		document: js.Global().Get("document"),
		parts:    map[string]js.Value{},
	}
	d.root = d.document.Get("documentElement")
	d.body = d.document.Get("body")
	for _, id := range []string{
		"about", "complaint", "cancel", "composer", "fault", "fault-more", "hide-ip", "interest", "interests", "log", "means", "message",
		"next", "note", "online", "path", "reasons", "reload", "report", "room", "round-trip", "send", "start", "status", "stop",
		"tags", "talk", "told", "typing", "understood", "update", "why", "wish", "words",
	} {
		d.parts[id] = d.document.Call("getElementById", id)
	}
	for _, id := range []string{"start", "status"} {
		d.parts[id].Get("dataset").Delete("word") // from now on it says what the app wants
	}
	d.words = d.readWords()
	d.frame = js.FuncOf(func(js.Value, []js.Value) any { // never released: it lives as long as the page
		d.framed = false
		if d.stale {
			d.repaint()
		}
		return nil
	})
	d.listen()
	return d
}

// show has the page look like v, soon.
func (d *dom) show(v view) {
	d.wanted = v
	d.repaint()
}

// repaint paints whatever has changed: at once, but only once a frame, however
// much a stranger writes.
func (d *dom) repaint() {
	if d.stale = d.framed && !d.hidden(); d.stale {
		return
	}
	if !d.framed && !d.hidden() { // no frame comes to who is hidden
		d.framed = true
		js.Global().Call("requestAnimationFrame", d.frame)
	}
	d.paint()
}

// paint changes what is different from what the page shows already.
func (d *dom) paint() {
	d.flush()
	v, was := d.wanted, d.shown
	d.shown = v
	if v == was {
		return
	}
	d.texts(v, was)
	if v.path != was.path {
		d.badge(v.path)
	}
	if v.tags != was.tags || v.remove != was.remove {
		d.chips(v.tags, v.remove)
	}
	if v.arrived != was.arrived || v.delivered != was.delivered {
		d.mark(v.arrived, v.delivered)
	}
	d.enable(v)
	if !v.notice {
		d.root.Get("dataset").Set("met", "")
	}
	d.parts["update"].Set("hidden", !v.update)
	if v.interrupted {
		d.body.Get("dataset").Set("line", "interrupted")
	} else {
		d.body.Get("dataset").Delete("line")
	}
	if v.state != was.state {
		d.body.Get("dataset").Set("state", string(v.state))
	}
	changed := v.state != was.state || v.focus != was.focus || v.notice != was.notice
	if changed && was.state != "" { // not when the page has just come up
		d.focus(v.focus)
	}
}

func (d *dom) texts(v, was view) {
	d.text("status", v.status, was.status)
	d.text("note", v.note, was.note)
	d.text("fault", v.fault, was.fault)
	d.text("fault-more", v.more, was.more)
	d.text("start", v.start, was.start)
	d.text("typing", v.typing, was.typing)
	d.text("room", v.room, was.room)
	d.text("told", v.told, was.told)
	d.text("online", v.online, was.online)
	d.parts["online"].Set("hidden", v.online == "")
	if v.wish != was.wish {
		d.phrase(d.parts["wish"], v.wish)
	}
	if v.title != was.title {
		d.document.Set("title", v.title)
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
	d.parts["report"].Set("disabled", !v.canReport)
	d.parts["hide-ip"].Set("disabled", !v.canHide)
	d.parts["interest"].Set("disabled", !v.canStart)
	d.parts["understood"].Set("disabled", !v.notice)
	// Not disabled while there is a log: that would take the keyboard away from
	// somebody in the middle of a word, and the next space would press a button.
	d.parts["message"].Set("disabled", !v.canWrite && v.state != left)
	d.parts["message"].Set("readOnly", !v.canWrite)
	if !v.canReport && d.parts["complaint"].Get("open").Bool() {
		d.parts["complaint"].Call("close")
	}
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
	path.Set("hidden", b.kind == peer.PathUnknown)
	if b.kind == peer.PathUnknown {
		d.parts["about"].Call("hidePopover")
	}
	path.Call("replaceChildren", b.name)
	if b.more != "" {
		path.Call("append", d.element("span", " · "+b.more))
	}
	if b.rtt != "" {
		path.Call("append", " · "+b.rtt)
	}
	d.parts["means"].Set("textContent", b.about.means)
	d.parts["why"].Set("textContent", b.about.why)
	d.parts["round-trip"].Set("textContent", b.about.roundTrip)
}

// chips shows the interests, each as a button that removes it.
func (d *dom) chips(t tags, remove string) {
	list := d.parts["tags"]
	list.Call("replaceChildren")
	for _, tag := range t.list() {
		button := d.element("button", "")
		button.Set("type", "button")
		button.Get("dataset").Set("tag", tag)
		button.Call("setAttribute", "aria-label", fill(remove, "tag", tag))
		cross := d.element("span", "×")
		cross.Call("setAttribute", "aria-hidden", "true")
		button.Call("append", d.element("bdi", tag), cross)
		item := d.element("li", "")
		item.Call("append", button)
		list.Call("append", item)
	}
	d.parts["interest"].Get("parentElement").Set("hidden", t.count() == maxTags)
}

// phrase puts a text with interests into an element. They are strangers' words:
// each keeps to its own direction.
func (d *dom) phrase(into js.Value, p phrase) {
	into.Call("replaceChildren")
	before, after, found := strings.Cut(p.text, "{tags}")
	into.Call("append", before)
	if !found {
		return
	}
	options := map[string]any{"type": "conjunction"}
	if p.either {
		options["type"] = "disjunction"
	}
	var list []any
	for _, tag := range p.tags.list() {
		list = append(list, tag)
	}
	format := js.Global().Get("Intl").Get("ListFormat").New(d.root.Get("lang"), options)
	parts := format.Call("formatToParts", list)
	for i := range parts.Length() {
		part := parts.Index(i)
		text := part.Get("value").String()
		if part.Get("type").String() == "element" {
			tag := d.element("b", "")
			tag.Call("append", d.element("bdi", text))
			into.Call("append", tag)
		} else {
			into.Call("append", text)
		}
	}
	into.Call("append", after)
}

func (d *dom) element(tag, text string) js.Value {
	e := d.document.Call("createElement", tag)
	e.Set("textContent", text)
	return e
}

// hidden tells whether the page is in the background.
func (d *dom) hidden() bool { return d.document.Get("hidden").Bool() }

// renew has page/update.js bring the new version.
func (d *dom) renew() {
	d.document.Call("dispatchEvent", js.Global().Get("Event").New("update-now"))
}
