//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// A probe measures how long a packet takes while a load runs: one way, from the
// moment before it is sent until the kernel has it for the receiver
// (SO_TIMESTAMPNS), who may look for it whenever he likes. It is a flow of its
// own, between two connected sockets.
type probe struct {
	from, to      int // sockets
	fromChannel   bool
	toChannel     bool
	packet        []byte
	number        uint32 // of the lane: later ones are greater
	took          []time.Duration
	sent          int
	room, control [2048]byte
}

// start begins anew, with room for so many packets of a size.
func (p *probe) start(number uint32, size, packets int) {
	p.number, p.sent = number, 0
	p.took = make([]time.Duration, 0, packets)
	p.packet = make([]byte, padded(max(size, packetHead+8)))
}

// send sends one.
func (p *probe) send() error {
	if p.sent == cap(p.took) {
		return nil
	}
	message := p.packet
	payload := message
	if p.fromChannel {
		binary.BigEndian.PutUint32(message, channelNumber<<16|uint32(len(message)-channelHead))
		payload = message[channelHead:]
	}
	binary.BigEndian.PutUint32(payload, packetTag)
	binary.BigEndian.PutUint32(payload[4:], p.number)
	binary.BigEndian.PutUint64(payload[packetHead:], uint64(realtime()))
	p.sent++
	switch n, err := unix.Write(p.from, message); {
	case errors.Is(err, unix.EAGAIN): // a full stream: the sample is lost
		return nil
	case err != nil:
		return fmt.Errorf("probe: send: %w", err)
	case n < len(message): // and nothing can come after half a message
		p.sent = cap(p.took)
	}
	return nil
}

// receive notes those that have arrived.
func (p *probe) receive() error {
	for {
		n, oobn, _, _, err := unix.Recvmsg(p.to, p.room[:], p.control[:], unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("probe: receive: %w", err)
		}
		payload, err := unwrap(p.room[:n], p.toChannel)
		if err != nil || len(payload) < packetHead+8 || binary.BigEndian.Uint32(payload) != packetTag {
			return fmt.Errorf("probe: %w", errForeign)
		}
		arrived, ok := arrival(p.control[:oobn])
		if !ok {
			return errors.New("probe: the kernel tells no time")
		}
		if binary.BigEndian.Uint32(payload[4:]) == p.number && len(p.took) < cap(p.took) {
			p.took = append(p.took, max(0, arrived-time.Duration(binary.BigEndian.Uint64(payload[packetHead:]))))
		}
	}
}

// arrival is when a packet came, since 1970: SCM_TIMESTAMPNS holds a timespec.
func arrival(control []byte) (time.Duration, bool) {
	head := unix.CmsgLen(0)
	if len(control) < unix.CmsgLen(16) || binary.NativeEndian.Uint32(control[head-4:]) != unix.SO_TIMESTAMPNS {
		return 0, false
	}
	seconds, nanos := binary.NativeEndian.Uint64(control[head:]), binary.NativeEndian.Uint64(control[head+8:])
	return time.Duration(seconds)*time.Second + time.Duration(nanos), true
}

// realtime is the kernel's clock of those times, since 1970.
func realtime() time.Duration { return time.Duration(time.Now().UnixNano()) }
