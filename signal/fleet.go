package signal

import "context"

// Fleet is how the rooms of this node reach those of others. A room is kept by
// one node, its home; whoever gets a socket of it elsewhere is its proxy. None of
// it is trusted to deliver: what is lost is sent again, and who is silent is
// given up. The bytes of a frame are the fleet's when it was given them, and the
// rooms' when Rooms.Receive was.
type Fleet interface {
	// Node is the name of this node in this life, "id.epoch"; it never changes.
	Node() string
	// Alone tells that nobody else can keep a room: then nothing is asked. It costs
	// nothing to ask, and may change at any time.
	Alone() bool
	// Claim makes this node keep a room, unless another does, and says which one
	// does. An error means that nobody knows.
	Claim(ctx context.Context, room string) (node string, err error)
	// TakeOver makes this node keep a room that a node has kept which does not
	// answer any more, unless another was faster, and says which one does.
	TakeOver(ctx context.Context, room, from string) (node string, err error)
	// Lost is told of a room that another node keeps by now.
	Lost(room string)
	// Send sends a frame to a node. It never waits. Frames to one node arrive in
	// order, as far as they arrive.
	Send(node string, frame []byte)
}
