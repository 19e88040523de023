package wsconn

import (
	"bytes"
	"encoding/binary"
)

// Nearly all traffic is frames of one kind: whole messages, pings and pongs
// that arrive in one piece. They are read and written here, where they lie and
// without an allocation; gorilla reads all others: fragments, close frames,
// what is long or still on its way, and what is wrong.

// The opcodes of RFC 6455 §5.2 that are used here.
const (
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xA
)

const (
	finalBit   = 0x80 // of the first byte: the frame is not a fragment
	maskBit    = 0x80 // of the second byte: set in all that clients send
	maxControl = 125  // bytes of a control frame's payload
	max16      = 1<<16 - 1
)

// frame is a frame of a client, as it lies in the read buffer.
//
//	FIN opcode │ MASK length │ longer length (0 or 2 bytes) │ mask (4) │ payload
type frame struct {
	opcode  byte
	mask    [4]byte
	payload []byte
	size    int // of all of it
}

// parseFrame finds the frame at the beginning of what has arrived. It tells
// whether that is one for us: complete, no fragment, and without a fault.
func parseFrame(b []byte) (f frame, ours bool) {
	const shortest = 2 + len(f.mask)
	if len(b) < shortest || b[1]&maskBit == 0 {
		return f, false
	}
	head, length := shortest, int(b[1]&^maskBit)
	switch b[0] {
	case finalBit | opText, finalBit | opBinary:
		if length == 126 && len(b) >= shortest+2 {
			head, length = shortest+2, int(binary.BigEndian.Uint16(b[2:]))
		} else if length > maxControl {
			return f, false
		}
	case finalBit | opPing, finalBit | opPong:
		if length > maxControl {
			return f, false
		}
	default:
		return f, false
	}
	if len(b) < head+length {
		return f, false
	}
	f = frame{opcode: b[0] &^ finalBit, payload: b[head : head+length], size: head + length}
	copy(f.mask[:], b[head-len(f.mask):head])
	return f, true
}

// unmask makes the payload readable (RFC 6455 §5.3), eight bytes at a time.
func (f *frame) unmask() {
	key := uint64(binary.LittleEndian.Uint32(f.mask[:]))
	key |= key << 32
	p := f.payload
	for ; len(p) >= 8; p = p[8:] {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^key)
	}
	for i := range p {
		p[i] ^= f.mask[i%len(f.mask)]
	}
}

// appendFrame writes a frame of a server: a whole message without a mask.
func appendFrame(to *bytes.Buffer, opcode byte, payload []byte) {
	head := to.AvailableBuffer()
	head = append(head, finalBit|opcode)
	switch n := len(payload); {
	case n <= maxControl:
		head = append(head, byte(n))
	case n <= max16:
		head = binary.BigEndian.AppendUint16(append(head, 126), uint16(n))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 127), uint64(n))
	}
	_, _ = to.Write(head) // never fails
	_, _ = to.Write(payload)
}
