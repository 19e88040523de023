// Package kinrooms is the way of signal's rooms between the processes of one
// server, of which a newer one has taken over from an older one.
//
// It promises that a room has one home. The process that serves decides which one
// that is: the will of the one before says which rooms that goes on to keep, and
// those older still; every other room is its own. It asks nobody for that. An older
// process asks it, for the sake of sockets that were there before and register now;
// so that no room is made there any more, and what an older process keeps becomes
// less until there is nothing. It leaves to signal what rooms do with frames, and to
// the Line that they arrive.
//
//	older process                           the one that serves
//	 │ will: rooms that I keep ─────────────▶ │ keepers: room → process
//	 │ ask: a room that I do not keep ──────▶ │ not the asker's, then, whatever the will said
//	 │ ◀────────────────── answer: a process  │
//	 │ ◀─────────────── frames ─────────────▶ │
//
// What a process that has died kept is anybody's: the room is built anew from what
// its members show, as after a restart. A process that nobody has replaced, and that
// has replaced nobody, knows no kin: it pays nothing for this package.
package kinrooms
