// Package redisrooms is the way of signal's rooms from node to node: over Redis.
//
// It promises that a room has one home, the node whose name its claim holds, and
// that frames for a node that is there arrive in order, as far as they arrive. It
// leaves to signal to send again what was lost, and to notice who is silent.
//
//	wasmp2pchat:{rm:<room>}      string  the node that keeps the room; for 60 s, renewed every 20 s
//	wasmp2pchat:sg:<node.epoch>  channel of sharded pub/sub: frames for that node
//
// A claim is written by who finds none, and by who finds one of a node that does
// not answer: with a script, so that of two one is first, and the other one
// learns who. A node looks after its claims every 20 s, when Redis is back, and
// when it has slept: a room whose claim is another's by then has moved.
//
// Redis is an index. When it is lost, every node writes its claims again.
package redisrooms
