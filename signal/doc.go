// Package signal introduces the two members of a room: the Ayame protocol.
//
// It promises that a room has two seats and no third; that offers, answers
// and candidates travel byte for byte, but for the addresses of a member that
// hides them; that a member who stops reading slows
// down nobody but its own partner; that whoever stays is told when the other
// leaves; and that a member whose socket is lost finds its seat and its
// messages again, if it announced that it can come back. Who may enter it
// leaves to the Admit function in Config and to the webhooks of Ayame.
//
//	client                          room
//	  │ register {roomId} ──▶ admitted? webhook? ─ no ─▶ reject, close
//	  │ ◀── accept {isExistClient: false}    first seat: wait
//	  │ ◀── accept {isExistClient: true}     second seat: make the offer
//	  │ offer, answer, candidate ──▶ the other one, untouched
//	  │ ◀── ping, pong ──▶                   all the time
//	  ▼ ◀── bye, close                       the other one has left
//
// A seat, and what happens to it; only who announced "resume" is ever away:
//
//	                               ┌─ returns ─┐ with its token, while the
//	                               │           ▼ old socket seems to be there
//	empty ─────── takes ─────────▶ here ◀──────┘
//	                               │ │ ▲
//	       leaves: closed, lost,   │ │ └───── returns ─────┐ with its token
//	       bye, absent, connected  │ └─────── loses ─────▶ away
//	                               ▼                       │ leaves: 30 s, too
//	                              left ◀───────────────────┘ many messages, bye
//
// An empty seat is away, too, when the other member comes back to a server that
// has started anew; rebuild.go tells how.
//
// There are two kinds of rooms. A room with one of our ids has two seats ever:
// what it was is remembered until its id expires, so that nobody enters it
// again, and it is over when the second member does not come in time. A room
// that an application has named itself, where Config.OpenRoom allows it, is
// as Ayame has it: when one leaves it is gone, and may be opened anew.
//
// What the first member says before the second has come is dropped, as Ayame
// has it, unless both have announced "early": then the mailbox of the empty
// seat keeps it, as it would for a member that is away.
//
// Read member.go first, then register.go, room.go and seat.go; standby.go,
// hide.go, resume.go, rebuild.go, refresh.go and webhook.go are the stories of their names.
package signal
