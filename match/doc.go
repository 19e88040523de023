// Package match pairs visitors: the waiting pool and its WebSocket.
//
// It promises that nobody is matched with somebody who has left, with
// himself, or twice, and that nobody waits while a fitting partner waits. The
// two are given the same new room and each its own credentials; the one who
// waited is told first, so that a partner who cannot be told costs nobody his
// place. What happens in the room it leaves to signal and turnsvc, which it
// reaches only through the functions in Config.
//
//	              Idle                     paired
//	arriving ───────────▶ waiting ───────────────────▶ matched
//	    ▲                  │   │ unquiet    told: no ▲
//	    └──────────────────│───┘ look again           │
//	      at the head      ▼                          │
//	                     gone  ◀──────────────────────┘
//	                           closed, timed out, shutting down
package match
