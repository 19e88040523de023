//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// streamBuffer holds what has come of a connection, or what it does not take.
const streamBuffer = 64 << 10

// streams is an end with a TCP connection for every flow, on which ChannelData
// is padded to four bytes (RFC 8656 §12.5).
type streams struct {
	conns []*stream
}

// stream is one of the connections.
type stream struct {
	fd   int
	in   []byte // the beginning of a message
	out  []byte // the end of a message, which must go first
	room [streamBuffer]byte
}

func newStreams(fds []int) *streams {
	s := new(streams)
	for _, fd := range fds {
		s.conns = append(s.conns, &stream{fd: fd, in: make([]byte, 0, streamBuffer), out: make([]byte, 0, streamBuffer)})
	}
	return s
}

// padded is the size of a ChannelData message on a stream.
func padded(size int) int { return channelHead + (size+3)&^3 }

// send writes every packet by itself, as somebody who talks does. What a
// connection does not take is held back: TCP is to blame, not the relay.
func (s *streams) send(l *lane, count int) error {
	for range count {
		flow := l.flowOf(l.next)
		c := s.conns[flow]
		wrote, err := c.flush()
		if err != nil {
			return fmt.Errorf("flow %d: send: %w", flow, err)
		}
		if !wrote {
			l.held++
			l.next++
			continue
		}
		message := c.room[:padded(l.size)]
		wrap(message, l, l.next, true)
		l.next++
		c.out = append(c.out, message...)
		if _, err := c.flush(); err != nil {
			return fmt.Errorf("flow %d: send: %w", flow, err)
		}
	}
	return nil
}

// flush writes what is left of a message, and tells whether all of it went.
func (c *stream) flush() (bool, error) {
	for len(c.out) > 0 {
		n, err := unix.Write(c.fd, c.out)
		switch {
		case err == nil:
			c.out = c.out[:copy(c.out, c.out[n:])]
		case errors.Is(err, unix.EAGAIN):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, err
		}
	}
	return true, nil
}

func (s *streams) receive(l *lane) error {
	for flow, c := range s.conns {
		if _, err := c.flush(); err != nil {
			return fmt.Errorf("flow %d: send: %w", flow, err)
		}
		if err := c.receive(flow, l); err != nil {
			return fmt.Errorf("flow %d: receive: %w", flow, err)
		}
	}
	return nil
}

func (c *stream) receive(flow int, l *lane) error {
	for {
		n, err := unix.Read(c.fd, c.in[len(c.in):cap(c.in)])
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		case n == 0:
			return io.ErrUnexpectedEOF
		}
		c.in = c.in[:len(c.in)+n]
		rest := c.in
		for len(rest) >= channelHead {
			size := int(binary.BigEndian.Uint16(rest[2:]))
			if binary.BigEndian.Uint16(rest) != channelNumber || size > maxPacket {
				return fmt.Errorf("%w: %x", errNoChannelData, rest[:channelHead])
			}
			if len(rest) < padded(size) {
				break
			}
			l.take(flow, rest[channelHead:][:size])
			rest = rest[padded(size):]
		}
		c.in = c.in[:copy(c.in, rest)]
	}
}

// dropped is nothing: TCP waits.
func (s *streams) dropped() (int, error) { return 0, nil }
