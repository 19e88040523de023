// Package wire is the language that the page and the server speak: every
// message, close code and limit that two processes exchange.
//
// It promises stable names: what is written here is what travels, and golden
// frames in testdata hold it so. It imports next to nothing, because every
// visitor downloads it: encoding is the business of those who send. The server
// and the native client use encoding/json with the tags below, the browser its
// own JSON (peer/codec_js.go); the golden frames hold the two equal.
//
// There are three conversations:
//
//	/matchmaking  MatchRequest up; MatchMessage down (compatible with the seed)
//	/signaling    the Ayame protocol: Register, Accept, Description, Candidate, …
//	DataChannel   Frame, both ways
package wire
