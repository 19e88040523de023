// Package signal introduces the two members of a room: the Ayame protocol.
//
// It promises that a room has two seats and no third; that offers, answers
// and candidates travel byte for byte, but for the addresses of a member that
// hides them; that a member who stops reading slows down nobody but its own
// partner; that whoever stays is told when the other leaves; and that a member
// whose socket is lost finds its seat and its messages again, at whatever node, if
// it announced that it can come back. Who may enter it leaves to the Admit function
// in Config and to the webhooks of Ayame.
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
//	                               │           ▼ old socket seems to be there,
//	empty ─────── takes ─────────▶ here ◀──────┘ or without, before it had one
//	                               │ │ ▲
//	       leaves: closed, lost,   │ │ └───── returns ─────┐ with its token
//	       bye, absent, connected  │ └─────── loses ─────▶ away
//	                               ▼                       │ leaves: 30 s, too
//	                              left ◀───────────────────┘ many messages, bye
//
// Whoever registers again by the same name, because it has heard no accept, has its
// seat as if it had shown a token. A registration may overtake the one before it:
// the client counts them, and one that comes late changes nothing.
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
// With Config.Fleet the socket of a member may be held by another node than the
// one that keeps its room. The home has all that is said above: seats, mailboxes,
// tokens, alarms, webhooks. The proxy has the socket, with its limits and pings, and
// passes on what comes:
//
//	client ◀── WebSocket ──▶ proxy ◀────── link ──────▶ home ─── room
//	                         member                     member
//	                         proxied: socket.Send       remote: a socket
//
// A link carries frames each way, over a Fleet that may lose some: each end keeps
// what the other is not done with, sends it again after 0.5 s, and says with a beat
// a second that it lives. An end that is silent for 6 s is given up, or for 2 s if
// the Fleet says that nobody is there. Then the proxy
// sends its client away, who comes back to any node, and the home puts what may not
// have arrived into the mailbox of the seat. Who keeps a room the Fleet knows, by a
// claim: a home that does not answer within 2 s loses it to who asks, and sends its
// members away when it wakes. Where the home is not to be learnt the room is kept
// here.
//
// The processes of one server, of which a newer one has replaced an older one, are
// nodes of such a fleet, too: package kinrooms. The older one keeps its rooms until
// they are over, and makes no others; retire.go tells how.
//
// Read member.go first, then register.go, room.go and seat.go; standby.go,
// hide.go, resume.go, rebuild.go, refresh.go and webhook.go are the stories of their names.
// Of several nodes: socket.go, fleet.go, proxied.go, remote.go, moved.go and retire.go,
// then trunks.go, link.go and frame.go, on which they stand.
package signal
