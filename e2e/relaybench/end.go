//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// ChannelData (RFC 8656 §12.4): every flow has the one channel of an allocation
// of its own.
const (
	channelHead   = 4
	channelNumber = 0x4000
)

var errNoChannelData = errors.New("not ChannelData of the channel")

// An end is where the flows of a load begin or end: people on one side of the
// relay. It is used by one goroutine.
type end interface {
	// send sends the next packets of a lane, count of them.
	send(l *lane, count int) error
	// receive gives a lane all packets that have arrived.
	receive(l *lane) error
	// dropped counts the packets for which its sockets had no room.
	dropped() (int, error)
}

// wrap writes a packet of a lane as ChannelData, or as it is.
func wrap(p []byte, l *lane, number uint32, channel bool) {
	if channel {
		binary.BigEndian.PutUint32(p, channelNumber<<16|uint32(l.size))
		p = p[channelHead:]
	}
	l.fill(p, number)
}

// unwrap is the packet in a datagram. ChannelData may be padded there.
func unwrap(p []byte, channel bool) ([]byte, error) {
	if !channel {
		return p, nil
	}
	if len(p) < channelHead || binary.BigEndian.Uint16(p) != channelNumber {
		return nil, errNoChannelData
	}
	n := int(binary.BigEndian.Uint16(p[2:]))
	if n > len(p)-channelHead || len(p)-channelHead-n > 3 {
		return nil, errNoChannelData
	}
	return p[channelHead:][:n], nil
}

// wrapped is the size of a packet on the way.
func wrapped(size int, channel bool) int {
	if channel {
		return channelHead + size
	}
	return size
}

// clients is an end with a connected socket for every flow.
type clients struct {
	fds     []int
	channel bool // they talk ChannelData
	out     *cable
	vec     *vector
}

func newClients(fds []int, channel bool, out *cable) *clients {
	return &clients{fds: fds, channel: channel, out: out, vec: newVector()}
}

func (c *clients) send(l *lane, count int) error { return c.out.send(l, count, c.channel) }

func (c *clients) receive(l *lane) error {
	for flow, fd := range c.fds {
		var bad error
		err := c.vec.receive(fd, func(_ *unix.RawSockaddrInet4, p []byte) {
			inner, err := unwrap(p, c.channel)
			if err != nil {
				bad = fmt.Errorf("%w: %x", err, p[:min(len(p), 16)])
				return
			}
			l.take(flow, inner)
		})
		if err := errors.Join(bad, err); err != nil {
			return fmt.Errorf("flow %d: receive: %w", flow, err)
		}
	}
	return nil
}

func (c *clients) dropped() (int, error) { return dropped(c.fds...) }

// peer is an end with one socket for all flows: each has an address of its own
// at the other side.
type peer struct {
	fd  int
	of  map[netip.AddrPort]int // the flow of an address
	out *cable
	vec *vector
}

func newPeer(fd int, others []netip.AddrPort, out *cable) *peer {
	p := &peer{fd: fd, of: map[netip.AddrPort]int{}, out: out, vec: newVector()}
	for flow, other := range others {
		p.of[other] = flow
	}
	return p
}

func (e *peer) send(l *lane, count int) error { return e.out.send(l, count, false) }

func (e *peer) receive(l *lane) error {
	err := e.vec.receive(e.fd, func(from *unix.RawSockaddrInet4, p []byte) {
		flow, known := e.of[addrOf(from)]
		if !known {
			flow = -1
		}
		l.take(flow, p)
	})
	if err != nil {
		return fmt.Errorf("peer: receive: %w", err)
	}
	return nil
}

func (e *peer) dropped() (int, error) { return dropped(e.fd) }

// addrOf is an address as the kernel has it.
func addrOf(raw *unix.RawSockaddrInet4) netip.AddrPort {
	var port [2]byte
	binary.NativeEndian.PutUint16(port[:], raw.Port)
	return netip.AddrPortFrom(netip.AddrFrom4(raw.Addr), binary.BigEndian.Uint16(port[:]))
}
