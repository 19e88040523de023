// Package redisdb is the one connection of this program to Redis 7 or newer, or
// Valkey: what an operator writes into REDIS_URL becomes a client that is there
// while Redis is, and says in words why it is not.
//
// It promises:
//   - Open never waits. Serve connects, and asks every second whether the server
//     still lives, still takes what is written, and still has what was written
//     before. One that went away is noticed at once where the socket ends, and
//     within 3 s where nothing answers at all; it is tried again within 2 s, with
//     jitter, for as long as it takes.
//   - While there is none, every command fails at once with an error that Is
//     ErrDown. When one goes, what is under way with it fails too, also a read
//     that blocks: nobody waits for a server that is gone.
//   - A server that forgot (it was restarted empty, or a replica took over that
//     had not been told all) counts as another one: watchers are told down, then
//     up, and write again what they need.
//   - Blocking reads have connections of their own, at most maxBlocked.
//   - Neither a log line nor an error has the password, and a fault that stays is
//     one line, not one for each try.
//
// It leaves to others what they keep there. Redis is an index that each node can
// write anew: nothing needs to be saved to a disk, and nothing is read from a
// replica. All keys and channels begin with Prefix, so one pattern of an ACL is
// enough; see ACL.
package redisdb
