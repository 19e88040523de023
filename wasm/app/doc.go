// Command app is the program inside the page: it runs in the visitor's browser
// and turns what the visitor does into calls of package peer, and what peer
// reports into what the visitor sees.
//
// It promises that whatever a stranger sends is shown as text and nothing
// else, in its own direction and within bounds, and that the page can be used
// without a mouse and without seeing it. Finding, connecting and talking it
// leaves to peer, loading itself to page/boot.js, which language the page has to
// page/visitor.js, how things look to page/style.css, and every word to
// page/words.*.json.
//
//	app.go        the state machine: one goroutine to which everything comes
//	input.go      what the visitor can do
//	choose.go     what he sets, and is kept for his next visit
//	search.go     a call of Client.Connect that can be abandoned
//	fault.go      why there is no chat
//	talk.go       the chat, from its first line to its last
//	report.go     a complaint about the partner
//	interests.go  tags, and what may be in them
//	text.go       how long a message may be
//	model.go      what the page knows
//	view.go       what each state shows and lets do
//	words.go      in words
//	dom_js.go     the page: shows a view
//	log_js.go     the log in it
//	listen_js.go  hears clicks and keys
//	visitor_js.go what the visitor brings: address, language, storage
//
// Only the files with _js know the browser; the rest is tested natively.
package main
