// Command talkers is people who talk: native peers, many in one process, which is
// where their network is. It does what lines on its standard input say, and tells on
// its standard output what happens to them; both are JSON, an object a line.
//
//	{"do":"talk","id":"7a","tag":"7","relay":true,"every":"500ms"}
//	{"id":"7a","what":"met","path":"relay-udp","at":1234567890}
//	{"id":"7a","what":"said","n":1,"at":…}
//	{"id":"7a","what":"heard","from":"7b","n":1,"at":…}
//
// It promises to tell all that a peer tells, in its order and with the time, and to
// judge nothing: that is left to who listens. It ends when its input does.
package main
