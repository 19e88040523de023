package peer

import (
	"syscall/js"
	"time"
)

// longAbsence is how long a page must have been hidden for its connections to
// be doubted: browsers freeze pages in the background, and phones cut them off.
const longAbsence = 10 * time.Second

// watchNetwork tells when our network has changed, and when the page is back
// after it was hidden for long, or frozen.
func watchNetwork(moved, awoke chan<- struct{}) (stop func()) {
	var events listeners
	window, document := js.Global(), js.Global().Get("document")
	events.on(window, "online", func(js.Value) { poke(moved) })
	events.on(window, "pageshow", func(event js.Value) {
		if event.Get("persisted").Truthy() { // it was frozen in the cache of pages
			poke(moved)
		}
	})
	if link := js.Global().Get("navigator").Get("connection"); link.Truthy() {
		kind := link.Get("type").String() // it changes its guess of the speed far more often
		events.on(link, "change", func(js.Value) {
			if now := link.Get("type").String(); now != kind {
				kind = now
				poke(moved)
			}
		})
	}
	if document.Truthy() {
		var hidden time.Time
		events.on(document, "visibilitychange", func(js.Value) {
			if document.Get("visibilityState").String() == "hidden" {
				hidden = time.Now()
			} else if !hidden.IsZero() && time.Since(hidden) >= longAbsence {
				poke(awoke)
			}
		})
		events.on(document, "resume", func(js.Value) { poke(moved) }) // Page Lifecycle: it was frozen
	}
	return events.release
}
