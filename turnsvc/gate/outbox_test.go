package gate

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"slices"
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

// overTLS looks like a connection with TLS.
type overTLS struct{ net.Conn }

func (overTLS) ConnectionState() tls.ConnectionState { return tls.ConnectionState{} }

// TestOutboxKeepsMessagesApart holds that each frame is written by itself over TLS,
// where some clients take a record for a message, and where messages are kept apart
// below, there without padding. Over TCP one write has them all.
func TestOutboxKeepsMessagesApart(t *testing.T) {
	t.Parallel()
	padded, full := []byte{0x40, 0, 0, 1, 'a', 0, 0, 0}, []byte{0x40, 0, 0, 4, 'a', 'b', 'c', 'd'}
	tcp, dtls := func(c net.Conn) *Stream { return NewStream(c, nil, nil) }, func(c net.Conn) *Stream {
		s := NewStream(c, nil, nil)
		s.whole = true
		return s
	}
	for name, c := range map[string]struct {
		over func(net.Conn) *Stream
		want [][]byte
	}{
		"TCP":  {tcp, [][]byte{slices.Concat(padded, full)}},
		"TLS":  {func(c net.Conn) *Stream { return NewStream(overTLS{c}, nil, nil) }, [][]byte{padded, full}},
		"DTLS": {dtls, [][]byte{padded[:5], full}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, server := net.Pipe()
			s := c.over(server)
			for _, p := range [][]byte{padded, full} {
				if !s.Queue(p) {
					t.Fatal("not taken")
				}
			}
			s.Kick()
			for _, want := range c.want {
				p := make([]byte, 100)
				if n, err := client.Read(p); err != nil || !bytes.Equal(p[:n], want) {
					t.Errorf("read %v, %v, want %v", p[:n], err, want)
				}
			}
			_ = s.Close()
			s.Linger()
		})
	}
}
