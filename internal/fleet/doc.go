// Package fleet is which nodes there are, and how one tells another something.
//
// It promises:
//   - Nodes is every node that lives, itself included, from memory: what it says
//     is at most 2 s old. That a node came, or begins to drain, the others learn
//     at once. A node that ends goes within a second, one that dies within lease;
//     whose Redis is gone knows itself alone after that.
//   - Leases are counted by the clock of Redis. Those of the nodes may be wrong,
//     and may be set while they run.
//   - Tell and TellAll never wait. A message comes once, and those of one node to
//     another come in their order; a node that was cut off for a while reads on.
//   - What is too much, too old, or for nobody is dropped and counted, the oldest
//     first; everything has a bound: see the constants.
//   - Nodes of different versions understand one another: unknown fields and
//     unknown kinds of messages are passed over.
//
// It does not promise that a message arrives: Redis may forget, and a node may be
// gone for longer than messages are kept. Who needs to know asks for an answer.
// What comes out of Redis is looked at as whatever comes from outside.
//
// Every node has an id, which the operator gives and which stays the same, and an
// epoch, which is another one for each start. If two processes have the same id at
// once, both say so in a line of their log; until one of them is given another,
// Nodes has the one that came last, and both are told what is for that id.
//
// In Redis there is one hash, wasmp2pchat:{fleet}:nodes, with a field for each
// node and epoch, and one stream for each id, wasmp2pchat:{fleet:ID}:inbox, which
// Redis deletes by itself keep after its node was there last.
package fleet
