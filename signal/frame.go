package signal

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// A frame is what one node sends to another for the sake of a room:
//
//	version 1 | kind 1 | length of from 1 | from | …
//
// of one link, with what the sender has received and handled of what it was sent:
//
//	open, say, gone, text, close   … | link 8 | seq 4 | received 4 | handled 4 | payload
//	cut                            … | link 8 | who 1 | why 1
//
// and of several links, or a room:
//
//	beat                           … | as often as need be: who 1 | link 8 | received 4 | handled 4
//	moved                          … | room
//
// Numbers are big-endian. From is the node that sends. A link is named by the
// node that holds the socket, its proxy, and a number of its own.
const frameVersion = 1

// frameKind is what a frame says.
type frameKind uint8

const (
	frameOpen  frameKind = iota + 1 // proxy to home: a client registers
	frameSay                        // proxy to home: it says something else
	frameGone                       // proxy to home: its connection has ended; 1 byte: it said so
	frameText                       // home to proxy: a message for it
	frameClose                      // home to proxy: close the connection; 2 bytes of code, then the reason
	frameCut                        // either way: there is no such link, or no more
	frameBeat                       // either way: I live, and so do these links
	frameMoved                      // to who was silent for too long: a room of yours is mine now
)

// fromProxy tells which way a frame of a link goes.
func (k frameKind) fromProxy() bool { return k <= frameGone }

// role says at which end of a link somebody is.
type role uint8

const (
	isProxy role = iota // holds the socket
	isHome              // keeps the room
)

// cutReason is why a link has ended.
type cutReason uint8

const (
	cutDone    cutReason = iota // the connection has ended, and the home knows it
	cutLost                     // the other end knows nothing of it, or is silent
	cutNotHome                  // the room is kept by another node
	cutGoing                    // the node goes: the room is anybody's
	cutSlow                     // the client reads too slowly, or says too much
	cutReasons
)

// The bounds of a frame.
const (
	maxNodeName  = 128 // bytes of "id.epoch"
	maxBeatLinks = 512 // of one beat; the others are in the next one
	linkHead     = 8 + 4 + 4 + 4
	beatEntry    = 1 + 8 + 4 + 4
)

// frame is one that was parsed. Its payload is part of what was.
type frame struct {
	kind     frameKind
	from     string
	link     uint64
	seq      uint32 // counted from 1
	received uint32 // the last that came, in order
	handled  uint32 // the last that is done with
	who      role   // of the sender, if the kind does not say it
	why      cutReason
	payload  []byte
}

// linkState is one entry of a beat.
type linkState struct {
	who               role // of the sender
	link              uint64
	received, handled uint32
}

var errFrame = errors.New("no frame of another node")

// appendFrame appends f.
func appendFrame(b []byte, f *frame) []byte {
	b = append(b, frameVersion, byte(f.kind), byte(len(f.from)))
	b = append(b, f.from...)
	switch f.kind {
	case frameBeat, frameMoved:
		return append(b, f.payload...)
	case frameCut:
		b = binary.BigEndian.AppendUint64(b, f.link)
		return append(b, byte(f.who), byte(f.why))
	default:
		b = binary.BigEndian.AppendUint64(b, f.link)
		b = binary.BigEndian.AppendUint32(b, f.seq)
		b = binary.BigEndian.AppendUint32(b, f.received)
		b = binary.BigEndian.AppendUint32(b, f.handled)
		return append(b, f.payload...)
	}
}

// parseFrame reads a frame. It keeps none of b but for the payload.
func parseFrame(b []byte) (f frame, err error) {
	const head = 3
	if len(b) < head || b[0] != frameVersion || b[2] == 0 || b[2] > maxNodeName || len(b) < head+int(b[2]) {
		return f, errFrame
	}
	f.kind, f.from = frameKind(b[1]), string(b[head:head+int(b[2])])
	b = b[head+len(f.from):]
	switch {
	case f.kind == 0 || f.kind > frameMoved:
		return f, errFrame
	case f.kind == frameMoved:
		f.payload = b
		return f, nil
	case f.kind == frameBeat:
		f.payload = b
		return f, checkBeat(b)
	case f.kind == frameCut:
		if len(b) != 8+2 || role(b[8]) > isHome || cutReason(b[9]) >= cutReasons {
			return f, errFrame
		}
		f.link, f.who, f.why = binary.BigEndian.Uint64(b), role(b[8]), cutReason(b[9])
		return f, nil
	case len(b) < linkHead:
		return f, errFrame
	}
	f.link = binary.BigEndian.Uint64(b)
	f.seq, f.received, f.handled = binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:]), binary.BigEndian.Uint32(b[16:])
	if f.payload = b[linkHead:]; f.seq == 0 || f.handled > f.received {
		return f, errFrame
	}
	return f, nil
}

// appendState appends one entry of a beat.
func appendState(b []byte, s linkState) []byte {
	b = append(b, byte(s.who))
	b = binary.BigEndian.AppendUint64(b, s.link)
	b = binary.BigEndian.AppendUint32(b, s.received)
	return binary.BigEndian.AppendUint32(b, s.handled)
}

func checkBeat(b []byte) error {
	if len(b)%beatEntry != 0 || len(b) > maxBeatLinks*beatEntry {
		return errFrame
	}
	for ; len(b) > 0; b = b[beatEntry:] {
		if s := stateOf(b); s.who > isHome || s.handled > s.received {
			return errFrame
		}
	}
	return nil
}

// stateOf reads the first entry of a beat.
func stateOf(b []byte) linkState {
	return linkState{
		who: role(b[0]), link: binary.BigEndian.Uint64(b[1:]),
		received: binary.BigEndian.Uint32(b[9:]), handled: binary.BigEndian.Uint32(b[13:]),
	}
}

// appendOpen appends the payload of an open: whence the client came, which
// travels only between nodes, and what it says.
//
//	length of the address 1 | address 0, 4 or 16 | text
func appendOpen(b []byte, addr netip.Addr, text []byte) []byte {
	raw := addr.Unmap().WithZone("").AsSlice()
	b = append(b, byte(len(raw)))
	return append(append(b, raw...), text...)
}

// parseOpen reads that payload.
func parseOpen(b []byte) (addr netip.Addr, text []byte, err error) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return addr, nil, errFrame
	}
	raw := b[1 : 1+int(b[0])]
	addr, ok := netip.AddrFromSlice(raw)
	if !ok && len(raw) > 0 || addr.Is4In6() {
		return addr, nil, errFrame
	}
	return addr, b[1+len(raw):], nil
}
