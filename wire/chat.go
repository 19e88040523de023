package wire

// The DataChannel that carries a chat: reliable and ordered.
const (
	ChatLabel       = "chat"
	ChatSubprotocol = "wasmp2pchat.1"
	ChatVersion     = 1 // in hello
)

// The types of a Frame.
const (
	FrameHello  = "hello"  // V; repeated until the other one's hello came
	FrameMsg    = "msg"    // ID and Text
	FrameAck    = "ack"    // ID of the msg that has been shown
	FrameTyping = "typing" // at most one a second
	FrameBye    = "bye"    // the sender leaves for good
)

// Frame is any message on the DataChannel, a JSON text frame; T says which
// fields count. IDs count up from 1 on each side.
type Frame struct {
	T    string `json:"t"`
	V    int    `json:"v,omitempty"`
	ID   uint64 `json:"id,omitempty"`
	Text string `json:"text,omitempty"`
}
