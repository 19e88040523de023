package swarm

import (
	"encoding/binary"
	"errors"
)

// The opcodes of RFC 6455 §5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

const (
	finalBit = 0x80
	maskBit  = 0x80

	// maxControlBytes is what a control frame may carry (RFC 6455 §5.5).
	maxControlBytes = 125
	// maxFrameBytes bounds what a server may send us in one frame, or in one
	// message: more than any of ours allows.
	maxFrameBytes = 1 << 20
)

// mask is the masking key of a client's frames. What it protects from
// (RFC 6455 §10.3: scripts that choose every byte on the wire) does not exist
// here, so one key serves a run and frames can be made beforehand.
type mask [4]byte

// frame makes a final frame from a client.
func (m mask) frame(op byte, payload []byte) []byte {
	dst := make([]byte, 0, 14+len(payload))
	dst = append(dst, finalBit|op)
	switch n := len(payload); {
	case n <= 125:
		dst = append(dst, maskBit|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, maskBit|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, maskBit|127), uint64(n))
	}
	dst = append(dst, m[:]...)
	start := len(dst)
	dst = append(dst, payload...)
	m.apply(dst[start:], 0)
	return dst
}

// apply masks or unmasks bytes that begin at an offset of the payload.
func (m mask) apply(b []byte, offset int) {
	for i := range b {
		b[i] ^= m[(offset+i)&3]
	}
}

// frame is one from a server.
type frame struct {
	op      byte
	final   bool
	payload []byte // of the buffer that was parsed
}

// What a server must not send.
var (
	errReserved = errors.New("a frame with reserved bits or an unknown opcode")
	errMasked   = errors.New("a masked frame from a server")
	errControl  = errors.New("a control frame in pieces, or of more than 125 bytes")
	errFrameBig = errors.New("a frame or a message of more than 1 MiB")
)

// parseFrame reads the frame that buf begins with and says how many bytes it
// took; 0 means that more are needed.
func parseFrame(buf []byte) (f frame, n int, err error) {
	if len(buf) < 2 {
		return f, 0, nil
	}
	f.op, f.final = buf[0]&0xf, buf[0]&finalBit != 0
	length, n := uint64(buf[1]&^maskBit), 2
	switch {
	case buf[0]&0x70 != 0, f.op > opPong, f.op > opBinary && f.op < opClose:
		return f, 0, errReserved
	case buf[1]&maskBit != 0:
		return f, 0, errMasked
	case f.op >= opClose && (!f.final || length > maxControlBytes):
		return f, 0, errControl
	case length == 126:
		n = 4
	case length == 127:
		n = 10
	}
	if len(buf) < n {
		return f, 0, nil
	}
	switch n {
	case 4:
		length = uint64(binary.BigEndian.Uint16(buf[2:]))
	case 10:
		length = binary.BigEndian.Uint64(buf[2:])
	}
	if length > maxFrameBytes {
		return f, 0, errFrameBig
	}
	if uint64(len(buf)-n) < length {
		return f, 0, nil
	}
	f.payload = buf[n : n+int(length)]
	return f, n + int(length), nil
}
