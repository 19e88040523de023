// Package signal introduces the two members of a room: the Ayame protocol.
//
// It promises that a room has two seats and no third; that offers, answers
// and candidates travel byte for byte; that a member who stops reading slows
// down nobody but its own partner; and that whoever stays is told when the
// other leaves. Who may enter it leaves to the Admit function in Config.
//
//	client                          room
//	  │ register {roomId} ──▶ admitted?  no ─▶ reject, close
//	  │ ◀── accept {isExistClient: false}    first seat: wait
//	  │ ◀── accept {isExistClient: true}     second seat: make the offer
//	  │ offer, answer, candidate ──▶ the other one, untouched
//	  │ ◀── ping, pong ──▶                   all the time
//	  ▼ ◀── bye, close                       the other one has left
//
// What a room was is remembered until its id expires, so that nobody enters
// it again.
package signal
