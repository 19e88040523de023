//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// A packet of the rig:
//
//	0      4      8        12          size
//	| tag  | lane | number | pattern… |
//
// The pattern begins where the number says, so that a packet with another one's
// end is found out.
const (
	packetHead = 12
	packetTag  = 0x52_4c_59_42
	patternLen = 64 // how many beginnings it has
	maxPacket  = 1400
)

// Packets that do not arrive as they were sent. One of them ends the run.
var (
	errForeign = errors.New("not a packet of this run")
	errGarbled = errors.New("a packet arrived with other contents")
	errAstray  = errors.New("a packet arrived where another flow's do")
	errTwice   = errors.New("a packet arrived twice")
)

// A lane is one way of one load: its packets, in the order in which they are
// sent, over its flows in turns. It knows which have arrived, and that each was
// what was sent.
type lane struct {
	number uint32 // later loads have greater ones
	size   int    // of a packet: the payload of the relay
	burst  int    // so many after one another belong to one flow
	flows  int

	next     uint32 // the number of the next packet
	held     int    // the kernel did not take them from the generator
	received int
	fault    error

	seen    []uint64 // one bit a packet
	pattern []byte
}

// newLane has room for so many packets.
func newLane(number uint32, size, burst, flows, packets int) *lane {
	l := &lane{number: number, size: size, burst: burst, flows: flows, seen: make([]uint64, packets/64+1), pattern: make([]byte, maxPacket+patternLen)}
	state := uint32(packetTag)
	for i := range l.pattern { // xorshift: no two beginnings are alike
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		l.pattern[i] = byte(state)
	}
	return l
}

// flowOf is the flow of a packet.
func (l *lane) flowOf(number uint32) int { return int(number) / l.burst % l.flows }

// capacity is how many packets it can tell apart.
func (l *lane) capacity() int { return 64 * len(l.seen) }

// sent is how many packets have left the generator.
func (l *lane) sent() int { return int(l.next) - l.held }

// fill writes a packet of size bytes.
func (l *lane) fill(p []byte, number uint32) {
	binary.BigEndian.PutUint32(p, packetTag)
	binary.BigEndian.PutUint32(p[4:], l.number)
	binary.BigEndian.PutUint32(p[8:], number)
	copy(p[packetHead:l.size], l.pattern[number%patternLen:])
}

// take notes a packet that has arrived in a flow. What an earlier load left
// behind is nobody's fault.
func (l *lane) take(flow int, p []byte) {
	if fresh, err := l.judge(flow, p); err != nil && l.fault == nil {
		l.fault = fmt.Errorf("flow %d: %w: %d bytes, beginning with %x", flow, err, len(p), p[:min(len(p), 16)])
	} else if fresh {
		l.received++
	}
}

func (l *lane) judge(flow int, p []byte) (fresh bool, err error) {
	if len(p) < packetHead || binary.BigEndian.Uint32(p) != packetTag {
		return false, errForeign
	}
	number := binary.BigEndian.Uint32(p[8:])
	switch from := binary.BigEndian.Uint32(p[4:]); {
	case from < l.number:
		return false, nil
	case from > l.number || number >= l.next || int(number) >= l.capacity():
		return false, errForeign
	case len(p) != l.size || !bytes.Equal(p[packetHead:], l.pattern[number%patternLen:][:l.size-packetHead]):
		return false, errGarbled
	case flow != l.flowOf(number):
		return false, errAstray
	}
	word, bit := &l.seen[number/64], uint64(1)<<(number%64)
	if *word&bit != 0 {
		return false, errTwice
	}
	*word |= bit
	return true, nil
}
