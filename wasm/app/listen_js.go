package main

import "syscall/js"

// maxInputs is how many things a visitor can do before the app has dealt with
// the first. It deals with them at once.
const maxInputs = 64

// listen turns events of the page into inputs.
func (d *dom) listen() {
	d.pressed("start", pressStart)
	d.pressed("next", pressNext)
	d.pressed("stop", pressStop)
	d.pressed("understood", pressUnderstood)
	d.pressed("reload", pressReload)
	for _, near := range []string{"pointerenter", "pointerdown", "focus"} {
		on(d.parts["start"], near, func(js.Value) { d.post(input{kind: comeNear}) })
	}
	on(d.parts["hide-ip"], "change", func(js.Value) {
		d.post(input{kind: setHideIP, on: d.parts["hide-ip"].Get("checked").Bool()})
	})
	on(d.document, "keydown", func(event js.Value) {
		if isKey(event, "Escape") && !event.Get("repeat").Bool() && d.topmost().IsNull() {
			d.post(input{kind: pressNext})
		}
	})
	on(d.document, "words", func(js.Value) { d.post(input{kind: setWords, words: d.readWords()}) })
	on(d.document, "update-ready", func(js.Value) { d.post(input{kind: offerUpdate}) })
	on(d.document, "visibilitychange", func(js.Value) {
		d.repaint()
		d.post(input{kind: setHidden, on: d.hidden()})
	})
	on(js.Global(), "pagehide", func(js.Value) { d.post(input{kind: pressStop}) })
	d.listenToComposer()
	d.listenToInterests()
	d.listenToComplaint()
}

// listenToComposer sends messages: with Enter, but Shift and Enter is a new
// line, and an Enter that ends a composition (of Japanese, for instance) is
// none of ours.
func (d *dom) listenToComposer() {
	field := d.parts["message"]
	send := func() { d.post(input{kind: pressSend, text: field.Get("value").String()}) }
	on(d.parts["composer"], "submit", func(event js.Value) {
		event.Call("preventDefault")
		send()
		field.Call("focus") // phones keep their keyboard
	})
	on(field, "keydown", func(event js.Value) {
		if isKey(event, "Enter") && !event.Get("shiftKey").Bool() {
			event.Call("preventDefault")
			if !event.Get("repeat").Bool() {
				send()
			}
		}
	})
	on(field, "input", func(event js.Value) {
		if !event.Get("isComposing").Bool() {
			d.written()
		}
	})
	on(field, "compositionend", func(js.Value) { d.written() })
}

// written keeps the message within its limit and tells how long it is.
func (d *dom) written() {
	field := d.parts["message"]
	text := field.Get("value").String()
	full := len(text) > maxTextBytes
	if full {
		before, behind := split(text, field.Get("selectionEnd").Int())
		before = fit(before, behind)
		text = cut(before+behind, maxTextBytes)
		field.Set("value", text)
		field.Call("setSelectionRange", units(before), units(before))
	}
	d.grow()
	d.post(input{kind: typed, size: measure(text), on: full})
}

// grow makes the message field as high as its text, where the style sheet
// cannot (field-sizing).
func (d *dom) grow() {
	if js.Global().Get("CSS").Call("supports", "field-sizing", "content").Bool() {
		return
	}
	field := d.parts["message"]
	style := field.Get("style")
	style.Set("height", "")
	if field.Get("value").String() != "" {
		border := field.Get("offsetHeight").Int() - field.Get("clientHeight").Int()
		style.Set("height", js.Global().Get("String").Invoke(field.Get("scrollHeight").Int()+border).String()+"px")
	}
}

// listenToInterests adds what is written with Enter or a comma, or when one
// goes on, and removes chips, the last one also with Backspace.
func (d *dom) listenToInterests() {
	field, list := d.parts["interest"], d.parts["tags"]
	add := func() {
		if text := field.Get("value").String(); text != "" {
			field.Set("value", "")
			d.post(input{kind: addTag, text: text})
		}
	}
	on(d.parts["interests"], "submit", func(event js.Value) {
		event.Call("preventDefault")
		add()
	})
	on(field, "change", func(js.Value) { add() })
	on(field, "keydown", func(event js.Value) {
		last := list.Get("lastElementChild")
		switch {
		case isKey(event, ","), isKey(event, "、"):
			event.Call("preventDefault")
			add()
		case isKey(event, "Backspace") && field.Get("value").String() == "" && !last.IsNull():
			d.removeChip(last.Get("firstElementChild"))
		}
	})
	on(list, "click", func(event js.Value) { d.removeChip(event.Get("target").Call("closest", "button")) })
	on(list, "keydown", func(event js.Value) {
		if isKey(event, "Delete") || isKey(event, "Backspace") {
			d.removeChip(event.Get("target").Call("closest", "button"))
		}
	})
}

// removeChip removes an interest, and brings the keyboard to the field.
func (d *dom) removeChip(chip js.Value) {
	if chip.IsNull() {
		return
	}
	d.post(input{kind: removeTag, text: chip.Get("dataset").Get("tag").String()})
	d.parts["interest"].Get("parentElement").Set("hidden", false)
	d.parts["interest"].Call("focus")
}

// listenToComplaint opens the dialog, and sends what is chosen there.
func (d *dom) listenToComplaint() {
	dialog, form := d.parts["complaint"], d.parts["reasons"]
	on(d.parts["report"], "click", func(js.Value) {
		form.Call("reset")
		dialog.Call("showModal")
	})
	on(d.parts["cancel"], "click", func(js.Value) { dialog.Call("close") })
	on(form, "submit", func(event js.Value) {
		event.Call("preventDefault")
		dialog.Call("close")
		d.post(input{kind: sendReport, text: form.Get("elements").Get("reason").Get("value").String()})
	})
}

// topmost is the dialog or popover that Escape closes now, or null.
func (d *dom) topmost() js.Value {
	return d.document.Call("querySelector", "dialog[open], :popover-open")
}

// isKey tells whether a key was pressed, and not for a composition. Some
// browsers tell only by a key code of 229 that it was (UI Events §7.3.1).
func isKey(event js.Value, key string) bool {
	return event.Get("key").String() == key && !event.Get("isComposing").Bool() && event.Get("keyCode").Int() != 229
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
