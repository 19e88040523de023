package gate

import (
	"encoding/binary"
	"errors"
)

// MaxFrameBytes is the longest message that passes, header and padding
// included. RFC 8656 §12.5 would allow 65,539 bytes on a stream; but what is
// relayed is a UDP datagram, pion reads those into 1600 bytes, and WebRTC keeps
// its own below 1300.
const MaxFrameBytes = 1600

// ErrFrame says that the bytes of a stream are not STUN or ChannelData, or that
// a frame announces a length that is not allowed. No way leads back to a frame
// boundary: the connection must be closed.
var ErrFrame = errors.New("not a frame of TURN")

const (
	stunHeaderBytes    = 20         // type, length, cookie, transaction: RFC 8489 §5
	magicCookie        = 0x2112A442 // RFC 8489 §5
	cookieEnd          = 8          // the cookie is bytes 4 to 7
	channelHeaderBytes = 4          // number, length: RFC 8656 §12.4
	minChannelByte     = 0x40       // channels are 0x4000 to 0x4FFF: RFC 8656 §12
	maxChannelByte     = 0x4F
)

// frameSize tells from the first bytes of a frame how long the whole of it is
// on a stream, padding included (RFC 8656 §12.5). It returns 0 while the bytes
// are too few to tell, and ErrFrame as soon as they cannot become a frame.
func frameSize(head []byte) (int, error) {
	switch {
	case len(head) == 0:
		return 0, nil
	case head[0]>>6 == 0:
		return stunSize(head)
	case head[0] >= minChannelByte && head[0] <= maxChannelByte:
		return channelSize(head)
	}
	return 0, ErrFrame
}

func stunSize(head []byte) (int, error) {
	if len(head) < channelHeaderBytes {
		return 0, nil
	}
	// An int, not the uint16 of the wire: 0xFFEC + 20 must not become 0.
	size := stunHeaderBytes + int(binary.BigEndian.Uint16(head[2:]))
	if size%4 != 0 || size > MaxFrameBytes {
		return 0, ErrFrame
	}
	if len(head) < cookieEnd {
		return 0, nil
	}
	if binary.BigEndian.Uint32(head[4:]) != magicCookie {
		return 0, ErrFrame
	}
	return size, nil
}

func channelSize(head []byte) (int, error) {
	if len(head) < channelHeaderBytes {
		return 0, nil
	}
	size := channelHeaderBytes + (int(binary.BigEndian.Uint16(head[2:]))+3)&^3
	if size > MaxFrameBytes {
		return 0, ErrFrame
	}
	return size, nil
}

// isMessage reports whether a datagram is exactly one STUN message, or one
// ChannelData message, which may be padded there (RFC 8656 §12.5).
func isMessage(datagram []byte) bool {
	size, err := frameSize(datagram)
	switch {
	case err != nil, size == 0:
		return false
	case datagram[0] < minChannelByte:
		return len(datagram) == size
	}
	return channelDataBytes(datagram) <= len(datagram) && len(datagram) <= size
}

// unpadded is a message without the padding that ChannelData may have.
func unpadded(message []byte) []byte {
	if len(message) < channelHeaderBytes || message[0] < minChannelByte {
		return message
	}
	return message[:min(len(message), channelDataBytes(message))]
}

func channelDataBytes(head []byte) int {
	return channelHeaderBytes + int(binary.BigEndian.Uint16(head[2:]))
}
