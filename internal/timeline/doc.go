// Package timeline remembers what happened in each room, so that it can be said
// why two people were not connected: the match, who registered, offer and
// answer, which kinds of candidates, what the relay granted and refused, and what
// the clients say became of ICE.
//
// It promises that what it keeps is bounded in rooms, events, bytes and time
// (Limits), that an event costs the same however many there were, that no lock
// of one room's is held while somebody else is called, and that nothing of what
// people say, no SDP and no whole address is in it.
//
// It leaves to others where events come from (match, signal and turnsvc each
// tell a func, and know nothing of this package), and who may read them.
//
//	event.go    what happens, in 16 bytes
//	room.go     the events of one room
//	store.go    the rooms: the first event of one begins it
//	keep.go     their end: the verdict is counted, and they are forgotten after a while
//	verdict.go  what the events of a room mean
//	find.go     all of it in words, for who asks
//
// The two of a room are a and b as the match has them. Signaling counts its
// seats anew, in the order in which they are taken; who sits there is known by
// the id that both services are told (Event.User), of which a hash is kept.
package timeline
