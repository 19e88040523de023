package gate

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
)

// TestOutboxIsBounded lets a client read nothing: what waits for him stays below the
// bound, nobody is held up, and when he reads he gets whole frames in their order.
func TestOutboxIsBounded(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	s := NewStream(server, nil, nil)
	frame, taken := make([]byte, 1000), 0
	for i := range 1000 {
		binary.BigEndian.PutUint32(frame, 0x400003e4)
		binary.BigEndian.PutUint32(frame[4:], uint32(i))
		if !s.Queue(frame) {
			break
		}
		taken++
		s.Kick()
	}
	if most := 2 * maxOutboxBytes / len(frame); taken < maxOutboxBytes/len(frame) || taken > most {
		t.Errorf("%d frames are taken, want at most what is written now and what waits, %d", taken, most)
	}
	for i := range taken {
		got := make([]byte, len(frame))
		if _, err := io.ReadFull(client, got); err != nil {
			t.Fatal(err)
		}
		if n := binary.BigEndian.Uint32(got[4:]); n != uint32(i) || got[0] != 0x40 {
			t.Fatalf("frame %d is number %d", i, n)
		}
	}
	if !s.Queue(frame) {
		t.Error("nothing waits, and a frame is not taken")
	}
	_ = s.Close()
	s.Kick()
	s.Linger() // returns
	if s.Kick(); s.outbox.writing {
		t.Error("after the end somebody writes")
	}
}

// TestOutboxKeepsMessagesApart holds that where messages are kept apart below each is
// written by itself, without padding.
func TestOutboxKeepsMessagesApart(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	s := NewStream(server, nil, nil)
	s.whole = true
	for _, p := range [][]byte{{0x40, 0, 0, 1, 'a', 0, 0, 0}, {0x40, 0, 0, 4, 'a', 'b', 'c', 'd'}} {
		if !s.Queue(p) {
			t.Fatal("not taken")
		}
	}
	s.Kick()
	for _, want := range [][]byte{{0x40, 0, 0, 1, 'a'}, {0x40, 0, 0, 4, 'a', 'b', 'c', 'd'}} {
		p := make([]byte, 100)
		if n, err := client.Read(p); err != nil || !bytes.Equal(p[:n], want) {
			t.Errorf("read %v, %v, want %v", p[:n], err, want)
		}
	}
	_ = s.Close()
	s.Linger()
}
