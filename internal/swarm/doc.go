// Package swarm is a crowd of light clients that measures a server: they ask
// for partners, join rooms, pass messages on, or just stay.
//
// It promises that it sends to the one server that it was given and nowhere
// else; that a run is bounded in clients and in time, and ends at once with
// its context; and that it looks at what it is answered: whoever is matched
// twice, alone or in threes, left over, or loses a message is a fault in the
// report.
//
// A client that measures must cost less than the server that it measures, so
// the WebSocket (RFC 6455) is written here by hand, as far as these messages
// need it: a connection is a socket, a kilobyte of buffer and one goroutine;
// frames are made beforehand; of an answer only the field that counts is
// looked for, without decoding JSON. It is no WebSocket for anything else.
//
//	run.go      a run, from its Config to its Report
//	target.go   the server
//	conn.go     one connection: dial, upgrade, read, send
//	frame.go    the frames of RFC 6455, as a client writes and reads them
//	scan.go     the field of a message
//	burst.go    match: all ask at once
//	session.go  session, signaling: whole sessions, one after another
//	room.go     rooms of two who have joined
//	relay.go    relay, idle: what happens in them
//	report.go   faults, counts
//	quantile.go p50, p99
package swarm
