package swarm

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gorilla/websocket"
)

// FuzzParseFrame holds the parser to the bytes that it was given: a frame is
// the same however it is cut, it is never seen before its last byte, and what
// it says is what a server wrote.
func FuzzParseFrame(f *testing.F) {
	f.Add([]byte{0x81, 2, 'h', 'i', 0x88, 0})
	f.Add([]byte{0x89, 0})
	f.Add(append([]byte{0x82, 126, 0, 200}, make([]byte, 200)...))
	f.Add([]byte{0x01, 127, 0, 0, 0, 0, 0, 0, 0, 1, 'x'})
	f.Add([]byte{0x81, 0x82, 1, 2, 3, 4, 5, 6})
	f.Add([]byte{0xc1, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		got, n, err := parseFrame(in)
		if n < 0 || n > len(in) || (err != nil && n != 0) {
			t.Fatalf("parseFrame(%x) = %d, %v", in, n, err)
		}
		if n == 0 {
			return
		}
		for cut := range min(n, 300) {
			if _, early, err := parseFrame(in[:cut]); early != 0 || err != nil {
				t.Fatalf("parseFrame(%x) = %d, %v before its end", in[:cut], early, err)
			}
		}
		if !bytes.HasSuffix(in[:n], got.payload) || !bytes.Equal(headerless(in[:n]), got.payload) {
			t.Fatalf("parseFrame(%x) has the payload %x", in[:n], got.payload)
		}
		if got.op != in[0]&15 || got.final != (in[0] >= 0x80) {
			t.Fatalf("parseFrame(%x) = %+v", in[:n], got)
		}
		var m mask
		if again, _, err := parseFrame(unmasked(m.frame(got.op, got.payload))); got.final && (err != nil || again.op != got.op || !bytes.Equal(again.payload, got.payload)) {
			t.Fatalf("written and read again: %+v, %v", again, err)
		}
	})
}

// headerless is what is left of a server's frame without its header, by the
// lengths of RFC 6455 §5.2.
func headerless(frame []byte) []byte {
	switch frame[1] {
	case 126:
		return frame[4:][:binary.BigEndian.Uint16(frame[2:])]
	case 127:
		return frame[10:][:binary.BigEndian.Uint64(frame[2:])]
	default:
		return frame[2:][:frame[1]]
	}
}

// unmasked makes a server's frame of a client's with an empty key.
func unmasked(frame []byte) []byte {
	at := map[byte]int{126: 4, 127: 10}[frame[1]&0x7f]
	at = max(at, 2)
	frame[1] &= 0x7f
	return append(frame[:at:at], frame[at+4:]...)
}

// TestServersUnderstandOurFrames lets gorilla read what we write.
func TestServersUnderstandOurFrames(t *testing.T) {
	t.Parallel()
	got := make(chan []byte, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = ws.Close() }()
		for {
			kind, message, err := ws.ReadMessage()
			if err != nil {
				close(got)
				return
			}
			got <- append([]byte{byte(kind)}, message...)
		}
	}))
	defer server.Close()
	host, err := parseTarget(server.URL, false)
	if err != nil {
		t.Fatal(err)
	}
	c := newCrowd(Config{}, []*target{host})
	ws, err := c.dial(t.Context(), host, host.signaling)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 125, 126, 127, 1 << 10, 1<<16 - 1, 1 << 16, 1<<16 + 1} {
		want := bytes.Repeat([]byte("chat"), n/4+1)[:n]
		if err := ws.send(c.mask.frame(opText, want)); err != nil {
			t.Fatal(err)
		}
		if message := <-got; message[0] != opText || !bytes.Equal(message[1:], want) {
			t.Errorf("%d bytes came as %d", n, len(message)-1)
		}
	}
	ws.leave(func([]byte) bool { return false })
	if message, more := <-got; more {
		t.Errorf("after the close frame came %q", message)
	}
}
