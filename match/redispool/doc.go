// Package redispool is the waiting pool of several nodes, over Redis (7 or newer)
// or Valkey.
//
// It promises what every match.Pool does (match/pooltest), whichever nodes the two
// of a pair are at, and whatever becomes of Redis or of another node: nobody is
// told of two partners, and whoever waits is matched or told the end. Connections,
// rooms and relays it leaves to others, whom it reaches through the functions in
// Config.
//
// Truth stays at the node that holds the visitor's connection. Redis is an index of
// who waits, of which each node can make its part again at any time; no letter and
// no answer of Redis is believed against what the node itself knows.
//
// # A match of two nodes
//
//	B's node                   Redis                    A's node
//	   │  offer of B             │                         │
//	   ├────────────────────────▶│ takes A out             │
//	   │◀───── paired with A ────┤── M: B has come ───────▶│ A stands there, and is here?
//	   │                         │                         │ claims a room
//	   │◀──────────────────── Y (or N) ────────────────────┤ A is promised
//	   │ B is here?              │                         │
//	   │ B is told               │                         │
//	   ├──────────────────── C (or R) ────────────────────▶│ A is told
//
// Letters travel by a stream for each node and epoch. N, R and silence lead both
// back to the pool, before all others, under a new generation: B after askTime, A
// after promiseTime. The states are in commit.go, with their drawing; model_test.go
// and its kin try all orders of what can happen (make model; docs/why/model.md). Two of one node go through the same
// states under one lock, and the one who has waited is told first.
//
// The end of a commit, C or R, is kept for as long as A's promise, and is said again
// under a new lease of either node: Redis may have forgotten it.
//
// What is left: B is told, and C is late for longer than the promise, or A has gone
// since Y. B is alone in the room then until the room's own timer (9.5 s) offers him
// again; a room in which somebody may be is never given to another pair.
//
// # Who may differ from match.Memory, and how
//
//   - An offer is decided a moment later, by other goroutines; Offer does not wait.
//   - Of two who have both waited at different nodes, the one who was found is side
//     A, not the one who has waited longer.
//   - Who finds out that his partner does not wait any more goes to the head of the
//     pool, not to the place that he had.
//   - Several tickets of one user stand one behind another at each node. Those at
//     different nodes may all be met; never by each other.
//   - A crowd is counted by each node for itself: of one address, each node that has
//     more than PoolConfig.Crowd of it lets one at a time stand. Redis knows which
//     ones they are: those at different nodes meet each other no sooner than
//     CrowdWait either. An address whose tickets are few at each node and many in
//     all is no crowd.
//   - Encounters are remembered by Redis, not by the node: for maxMet of them, and
//     not through a restart of Redis that loses its memory, nor while it cannot be
//     reached. Then the same two may meet again sooner than Avoid.
//   - Rules are each node's own. Nodes of different rules pair by those of the node
//     of who comes.
//   - Waiting and News count all nodes, the others as they were at most leaseEvery
//     before their last lease and ours: twice that.
//
// # Keys
//
// All begin with wasmp2pchat:{mm:NAME}: and so lie in one slot; a pool is as fast as
// one core of Redis, and larger services take several pools.
//
//	t              hash    node.epoch.conn → user and subscriber (parts of hashes), crowd,
//	                       generation, since, place
//	n              hash    node.epoch → end of its lease | how many wait there
//	q:AMONG:TAGS   zset    tickets by their place; one for each subset of a ticket's tags,
//	                       and without tags for those who are open; AMONG: of one crowd
//	in:node.epoch  stream  letters
//	met            zset    two users → when they last met, if Avoid is set
//
// The scripts are given all keys that they read; inboxes they make the names of, in
// the same slot, to append to and to delete. What is in a key and is not of us costs
// itself: it is skipped, counted and taken out.
//
// # What bounds what
//
// One call of the script: 32 offers, 64 withdrawals, 128 letters, 1,024 tickets that
// are looked at (who has not seen all looks again 50 ms later). A ticket: 16 queues.
// An inbox: 20,000 letters, of which one that is lost costs a second. Queues of the
// node: of offers one for each ticket that hopes; of withdrawals and letters 16,384
// each, of which one that is lost is made good by a nack or a timer. So nobody who
// waits is ever forgotten: who cannot be sent now is sent later.
//
// # Failures
//
//	a node dies            others drop its tickets when its lease ends, 5 s; until then who
//	                       meets them is offered again after askTime
//	a node sleeps          it finds its lease gone: new epoch, all offered again
//	Redis restarts empty   the next call finds no lease: the same
//	Redis loses writes     who stands there again is not met: his node says N; who does not
//	                       is missed by his node at a lease call, and offered again
//	Redis is unreachable   after a second the node pairs its own by a match.Memory, and takes
//	                       them back when there is a lease again
//	an answer is missing   the offer may have been made: new epoch, all offered again
package redispool
