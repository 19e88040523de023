package match

import "encoding/binary"

// What a process that keeps a socket and the one where its visitor is say to each
// other: frames, each of which is one message of kind toldPipe.
//
//	op 1 byte │ pipe 8 bytes │ number 4 bytes │ text
//
// The pipe is the number that the socket has in the process that keeps it.
const (
	pipeHeadBytes = 1 + 8 + 4
	// maxPipeText bounds the text of a frame, in bytes. What a client says that is
	// longer is nothing that a lobby understands.
	maxPipeText = 256 << 10
	// maxProcessBytes bounds the name of a process.
	maxProcessBytes = 32
	// maxCloseReason is what fits in a close frame (RFC 6455 §5.5), in bytes.
	maxCloseReason = 123
)

// pipeOp is what a frame is for.
type pipeOp byte

const (
	// From who keeps the socket.
	pipeText   pipeOp = iota + 1 // the client has said something
	pipeRest                     // the client has given a sign of life, and all that came was said
	pipeGone                     // the connection has ended; number 1: the client said so
	pipeMet                      // a MATCH was told; number is its, text is not empty if it could not be
	pipeSilent                   // nothing has come from the client for too long
	pipeMoved                    // the last frame to this process: another one has the visitor

	// To who keeps it.
	pipeAdopted   // the visitor is here: what was kept for him may come
	pipePost      // say this to the client
	pipeMatch     // the same of a MATCH, if the client is there; number is the sender's own. No text: is it there?
	pipePing      // ask the client for a sign of life
	pipeKeep      // it has said what it had to say first
	pipeEndWithin // end the connection in number milliseconds
	pipeClose     // close it; number is the code, text the reason
	pipeMove      // the visitor goes to the process that text names
	lastPipeOp    = pipeMove
)

// pipeFrame is one frame.
type pipeFrame struct {
	op     pipeOp
	pipe   uint64
	number uint32
	text   []byte
}

// append writes the frame.
func (f *pipeFrame) append(b []byte) []byte {
	b = append(b, byte(f.op))
	b = binary.BigEndian.AppendUint64(b, f.pipe)
	b = binary.BigEndian.AppendUint32(b, f.number)
	return append(b, f.text...)
}

func (f *pipeFrame) bytes() []byte {
	return f.append(make([]byte, 0, pipeHeadBytes+len(f.text)))
}

// parsePipeFrame reads a frame, whose text is a part of body.
func parsePipeFrame(body []byte) (f pipeFrame, err error) {
	if len(body) < pipeHeadBytes {
		return f, errTold
	}
	f = pipeFrame{
		op: pipeOp(body[0]), pipe: binary.BigEndian.Uint64(body[1:]), number: binary.BigEndian.Uint32(body[9:]),
		text: body[pipeHeadBytes:],
	}
	most := 0
	switch f.op {
	case pipeText, pipePost, pipeMatch:
		most = maxPipeText
	case pipeClose:
		most = maxCloseReason
	case pipeMove:
		most = maxProcessBytes
	case pipeMet:
		most = 1
	}
	if f.op == 0 || f.op > lastPipeOp || len(f.text) > most || f.op == pipeMove && len(f.text) == 0 {
		return pipeFrame{}, errTold
	}
	return f, nil
}
