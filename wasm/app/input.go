package main

// input is something that the visitor did, or the browser for him.
type input struct {
	kind  inputKind
	text  string // pressSend, sendReport, addTag, removeTag
	on    bool   // setHideIP, setHidden; typed: there was more than a message may have
	size  size   // typed
	words words  // setWords
}

// inputKind says what the visitor did.
type inputKind int

// The kinds of input.
const (
	pressStart inputKind = iota + 1
	pressNext
	pressStop // or closed the page
	pressSend
	pressUnderstood // of the first-time notice
	pressReload     // to have the new version
	sendReport
	typed
	comeNear // is about to press START
	addTag
	removeTag
	setHideIP   // moved the switch
	setHidden   // put the page into the background, or back
	setWords    // chose another language
	offerUpdate // there is a new version of the page
)
