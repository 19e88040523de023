package main

import (
	"strconv"
	"syscall/js"
)

// The bounds of the log, whatever a stranger sends. What is older goes.
const (
	maxLines    = 500
	maxLogBytes = 256 << 10 // 64 of the longest messages
)

// log is what the dom knows of the lines that the page shows.
type log struct {
	waiting []line   // for the next frame; at most maxLines
	bytes   []int    // how long the lines are that the page shows
	total   int      // the sum of that
	said    []saying // the page's own, which change with the language
	marked  js.Value // the line that says "delivered"
}

// saying is a line of the page's own.
type saying struct {
	element js.Value
	line    line
}

// add has the next show bring a line as text: whatever a stranger writes, it
// stays that. It paints nothing itself, or what comes with the line, as the
// composer does with the first one, would wait for the frame after.
func (d *dom) add(l line) {
	if len(d.log.waiting) == maxLines {
		d.log.waiting = append(d.log.waiting[:0], d.log.waiting[1:]...) // nobody would have seen it
	}
	d.log.waiting = append(d.log.waiting, l)
	if l.from == me { // whoever writes waits for no frame
		d.parts["message"].Set("value", "")
		d.grow()
		d.flush()
	}
}

// flush puts the lines that wait into the log, in one go.
func (d *dom) flush() {
	if len(d.log.waiting) == 0 {
		return
	}
	fresh := d.document.Call("createDocumentFragment")
	mine := false
	for _, l := range d.log.waiting {
		fresh.Call("append", d.entry(l))
		d.log.bytes = append(d.log.bytes, len(l.text))
		d.log.total += len(l.text)
		mine = mine || l.from == me
	}
	d.log.waiting = d.log.waiting[:0]
	d.parts["log"].Call("append", fresh)
	for len(d.log.bytes) > maxLines || d.log.total > maxLogBytes {
		d.drop()
	}
	d.mark(d.wanted.arrived, d.wanted.delivered)
	if mine {
		d.parts["talk"].Set("scrollTop", 0) // the end: the style sheet turns it round
	}
}

// drop removes the oldest line.
func (d *dom) drop() {
	first := d.parts["log"].Get("firstElementChild")
	if len(d.log.said) > 0 && d.log.said[0].element.Equal(first) {
		d.log.said = d.log.said[1:]
	}
	d.log.total -= d.log.bytes[0]
	d.log.bytes = d.log.bytes[1:]
	first.Call("remove")
}

// entry makes a line of the log.
func (d *dom) entry(l line) js.Value {
	text := d.element("p", l.text)
	text.Set("dir", "auto")
	entry := d.element("div", "")
	entry.Get("dataset").Set("from", string(l.from))
	entry.Call("append", text)
	switch l.from {
	case me:
		entry.Get("dataset").Set("id", strconv.FormatUint(l.id, 10))
		entry.Call("setAttribute", "aria-live", "off") // one knows what one wrote
	case system:
		d.log.said = append(d.log.said, saying{entry, l})
		if l.word == "lost" {
			entry.Call("setAttribute", "aria-live", "off") // the status says so too
		}
		text.Call("removeAttribute", "dir")
		d.phrase(text, phrase{text: d.words.of(l.word), tags: l.tags})
	}
	return entry
}

// mark puts a note under one's own message id, and takes it from the one before.
func (d *dom) mark(id uint64, note string) {
	if !d.log.marked.IsUndefined() {
		d.log.marked.Get("dataset").Delete("note")
		d.log.marked = js.Undefined()
	}
	entry := d.parts["log"].Call("querySelector", `[data-id="`+strconv.FormatUint(id, 10)+`"]`)
	if !entry.IsNull() {
		entry.Get("dataset").Set("note", note)
		d.log.marked = entry
	}
}

func (d *dom) clear() {
	d.log = log{}
	d.parts["log"].Call("replaceChildren")
	d.parts["message"].Set("value", "")
	d.grow()
}

// turn says in another language what the log says by itself.
func (d *dom) turn(w words) {
	d.words = w
	for _, s := range d.log.said {
		d.phrase(s.element.Get("firstElementChild"), phrase{text: w.of(s.line.word), tags: s.line.tags})
	}
}
