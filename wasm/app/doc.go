// Command app is the program inside the page: it runs in the visitor's browser
// and turns what the visitor does into calls of package peer, and what peer
// reports into what the visitor sees.
//
// It promises that whatever a stranger sends is shown as text and nothing
// else. Finding, connecting and talking it leaves to peer, loading itself to
// page/boot.js, how things look to page/style.css, and every word to
// page/words.en.json.
//
//	app.go     the state machine: one goroutine to which everything comes
//	search.go  a call of peer.Connect that can be abandoned
//	view.go    what each state shows and lets do, in words
//	dom_js.go  the page: shows a view, hears clicks and keys
//
// Only dom_js.go and main_js.go know the browser; the rest is tested natively.
package main
