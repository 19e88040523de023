//go:build linux

package main

import (
	"errors"
	"slices"
	"testing"
)

// newTestLane has sent all that it can.
func newTestLane() *lane {
	l := newLane(2, 160, 2, 3, 100)
	l.next = 100
	return l
}

// packet is one of its packets as it was sent.
func packet(l *lane, number uint32) []byte {
	p := make([]byte, l.size)
	l.fill(p, number)
	return p
}

func TestLaneCountsEachPacketOnce(t *testing.T) {
	t.Parallel()
	l := newTestLane()
	for number := range uint32(100) {
		l.take(l.flowOf(number), packet(l, number))
	}
	if l.received != 100 || l.fault != nil {
		t.Errorf("received = %d, fault = %v, want 100 and none", l.received, l.fault)
	}
}

func TestFlowsTakeTurnsInBursts(t *testing.T) {
	t.Parallel()
	l := newTestLane()
	var got []int
	for number := range uint32(8) {
		got = append(got, l.flowOf(number))
	}
	if want := []int{0, 0, 1, 1, 2, 2, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("flows = %v, want %v", got, want)
	}
}

func TestLaneFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		flow int
		made func(l *lane) []byte
		want error
	}{
		{"another byte at the end", 0, func(l *lane) []byte {
			p := packet(l, 0)
			p[len(p)-1]++
			return p
		}, errGarbled},
		{"the end of another packet", 0, func(l *lane) []byte {
			return append(packet(l, 0)[:packetHead], packet(l, 1)[packetHead:]...)
		}, errGarbled},
		{"a byte less", 0, func(l *lane) []byte { return packet(l, 0)[:l.size-1] }, errGarbled},
		{"a byte more", 0, func(l *lane) []byte { return append(packet(l, 0), 0) }, errGarbled},
		{"another flow", 1, func(l *lane) []byte { return packet(l, 0) }, errAstray},
		{"a second time", 0, func(l *lane) []byte {
			l.take(0, packet(l, 0))
			return packet(l, 0)
		}, errTwice},
		{"a number that was not sent", 0, func(l *lane) []byte {
			l.next = 5
			return packet(l, 6)
		}, errForeign},
		{"nothing of ours", 0, func(*lane) []byte { return make([]byte, 160) }, errForeign},
		{"no bytes", 0, func(*lane) []byte { return nil }, errForeign},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newTestLane()
			l.take(c.flow, c.made(l))
			if !errors.Is(l.fault, c.want) {
				t.Errorf("fault = %v, want %v", l.fault, c.want)
			}
		})
	}
}

func TestLaneIgnoresWhatAnEarlierLoadLeft(t *testing.T) {
	t.Parallel()
	l, old := newTestLane(), newLane(1, 1200, 1, 1, 1)
	l.take(0, packet(old, 0))
	if l.received != 0 || l.fault != nil {
		t.Errorf("received = %d, fault = %v, want nothing", l.received, l.fault)
	}
}

func TestUnwrap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		in      []byte
		channel bool
		want    string
		bad     bool
	}{
		{"as it is", []byte("abc"), false, "abc", false},
		{"ChannelData", []byte("\x40\x00\x00\x03abc"), true, "abc", false},
		{"ChannelData with padding", []byte("\x40\x00\x00\x03abc\x00"), true, "abc", false},
		{"too much padding", []byte("\x40\x00\x00\x03abc\x00\x00\x00\x00"), true, "", true},
		{"too short", []byte("\x40\x00\x00\x04abc"), true, "", true},
		{"another channel", []byte("\x40\x01\x00\x03abc"), true, "", true},
		{"a Data indication", []byte("\x00\x17\x00\x00"), true, "", true},
		{"nothing", nil, true, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := unwrap(c.in, c.channel)
			if string(got) != c.want || (err != nil) != c.bad {
				t.Errorf("unwrap(%x) = %q, %v, want %q", c.in, got, err, c.want)
			}
		})
	}
}
