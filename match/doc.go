// Package match pairs visitors: the waiting pool and its WebSocket.
//
// It promises that nobody is matched with somebody who has left, with
// himself, twice, or with the same partner again soon, and that nobody waits
// while a fitting partner waits. The two are given the same new room and each
// its own credentials; the one who waited is told first, so that a partner who
// cannot be told costs nobody his place. What happens in the room it leaves to
// signal and turnsvc, which it reaches only through the functions in Config.
//
// Two things save time before there is a match. A page that has just been opened
// stands by: its connection is there when its visitor asks. And a visitor who can
// prepares his connection while he waits: he is given credentials for a room to
// come, in which he is met.
//
// # Several nodes
//
// The lobbies of a fleet share a Pool, and tell one another (Fleet) what one has to
// know of the other's visitors: that somebody is alone in a room, wherever his
// connection is; who has to come back, and is the first then; reports, which come to
// any node; and bans, which hold everywhere. Each node counts for itself what an
// address takes and how often somebody skips (FairUse): told of each request, the
// nodes would spend more on counting than on pairing. Whoever is spread over n nodes
// may take n times as much, until one of them has had enough of him.
//
// # Several processes of one server
//
// When a new process takes over a server (Line), the lobby of the old one gives it its
// visitors, one after the other, once it serves: until then nothing has happened. The
// old one keeps their connections, which become pipes.
//
//	client ══ WebSocket ══ old process              new process
//	                       visitor  ── handed ────▶ visitor, in the place that he had
//	                       pipe     ◀─ adopted ──── remote
//	  says something ────▶          ── text ──────▶ is heard
//	                                ◀─ match ────── has a partner
//	  is told ◀─ if it is there ──  ── met ───────▶ so the partner is told, too
//
// What a client says on the way is kept until the visitor is adopted. Whoever goes on
// to a third process has his pipe go there directly: the one between may end. When the
// process ends that keeps a connection, its visitor has left; when the one ends that
// has the visitor, the client is told that the server is going away, and comes again.
// What is known of the last hour goes along (Lobby.Estate): who has met whom, what
// everybody has taken of what FairUse gives, who was reported and who is banned.
//
// # Who fits whom
//
// Two fit if they are two users, share a tag or are both open (without tags,
// or after TagWait), have not met within Avoid (or have both waited AloneFor),
// and are of two addresses (or have both waited YoungFor, and are no crowd;
// see PoolConfig.Crowd). A newcomer is given who shares most tags with him
// and, among those, who has waited longest.
//
// # What "while a fitting partner waits" means exactly
//
// An offer looks at once. What time changes is seen within 100 ms, and so is
// a partner behind more than 16 who do not fit. Three exceptions: of several
// tickets of one user, only one can be met at a time; of a crowd behind one
// address, one at a time, and the next 5 s later, until they may meet each
// other; and a pair whose Avoid ends while both wait meets when one of them
// looks again, which is when both have waited AloneFor at the latest.
//
// # The states of a ticket
//
//	      offered                paired
//	arriving ────▶ waiting ────────────────▶ matched
//	  │ ▲  ▲       │   │                      │  │
//	  │ │  └───────┘   │                      │  │
//	  │ │   doubted    │ ended, left          │  │ left
//	  │ └──────────────│──────────────────────┘  │
//	  │                │      returned           │
//	  │ ended, left    ▼                         │
//	  └───────────▶  gone  ◀─────────────────────┘
//
// Doubted is who turned out to be busy or silent when somebody was to meet
// him; he comes back to the head. A waiting ticket is queued, rests in its
// cool-down, is held as one of a crowd, or stands behind another of its user.
package match
