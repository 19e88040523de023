package wsconn

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// masked is a client's frame.
func masked(first byte, payload []byte) []byte {
	var b bytes.Buffer
	appendFrame(&b, 0, payload)
	frame := b.Bytes()
	frame[0] = first
	frame[1] |= maskBit
	mask := []byte{0x12, 0x34, 0x56, 0x78}
	head := len(frame) - len(payload)
	for i := range payload {
		frame[head+i] ^= mask[i%4]
	}
	return append(frame[:head:head], append(mask, frame[head:]...)...)
}

// onPaper is a connection that a client has written to in advance.
type onPaper struct {
	net.Conn
	io.Reader
}

func (p onPaper) Read(b []byte) (int, error)       { return p.Reader.Read(b) }
func (p onPaper) Write(b []byte) (int, error)      { return len(b), nil }
func (p onPaper) Close() error                     { return nil }
func (p onPaper) SetDeadline(time.Time) error      { return nil }
func (p onPaper) SetWriteDeadline(time.Time) error { return nil }

type paperWriter struct {
	http.ResponseWriter
	conn net.Conn
}

func (w paperWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.conn, bufio.NewReadWriter(bufio.NewReader(w.conn), bufio.NewWriter(w.conn)), nil
}

// read is what gorilla makes of the frames: the first message, or what comes
// in a control frame before it.
func readByGorilla(t *testing.T, frames []byte) (opcode int, payload []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Connection": {"upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
	ws, err := new(websocket.Upgrader).Upgrade(paperWriter{conn: onPaper{Reader: bytes.NewReader(frames)}}, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	ws.SetPingHandler(func(data string) error { opcode, payload = opPing, []byte(data); return io.EOF })
	ws.SetPongHandler(func(data string) error { opcode, payload = opPong, []byte(data); return io.EOF })
	typ, text, err := ws.ReadMessage()
	if err == nil {
		return typ, text
	}
	return opcode, payload
}

// FuzzParseFrame holds that what is read here is read by gorilla in the same
// way, whatever a client sends.
func FuzzParseFrame(f *testing.F) {
	for _, size := range []int{0, 1, 7, 8, 125, 126, 127, 1000} {
		for _, first := range []byte{0x81, 0x82, 0x89, 0x8A, 0x88, 0x01, 0xC1, 0x83} {
			f.Add(masked(first, bytes.Repeat([]byte("a"), size)))
		}
	}
	f.Add([]byte{0x81, 0x05, 'h', 'e', 'l', 'l', 'o'})
	f.Fuzz(func(t *testing.T, in []byte) {
		got, ours := parseFrame(bytes.Clone(in))
		if !ours {
			return
		}
		got.unmask()
		opcode, payload := readByGorilla(t, in)
		if int(got.opcode) != opcode || !bytes.Equal(got.payload, payload) {
			t.Fatalf("parseFrame(%x) = %d %q, gorilla reads %d %q", in, got.opcode, got.payload, opcode, payload)
		}
		if got.size > len(in) || got.size < len(got.payload) {
			t.Fatalf("parseFrame(%x): size %d", in, got.size)
		}
	})
}

// TestFramesThatAreOurs holds which frames are read without gorilla.
func TestFramesThatAreOurs(t *testing.T) {
	t.Parallel()
	whole := masked(0x81, []byte("hello"))
	for name, c := range map[string]struct {
		in   []byte
		ours bool
	}{
		"text":                       {whole, true},
		"text, and more after it":    {append(bytes.Clone(whole), whole...), true},
		"binary":                     {masked(0x82, make([]byte, 1000)), true},
		"an empty ping":              {masked(0x89, nil), true},
		"a pong":                     {masked(0x8A, []byte("x")), true},
		"a close frame":              {masked(0x88, nil), false},
		"a fragment":                 {masked(0x01, []byte("hello")), false},
		"half a frame":               {whole[:8], false},
		"half a header":              {masked(0x81, make([]byte, 300))[:7], false},
		"a compressed one":           {masked(0xC1, []byte("hello")), false},
		"one without a mask":         {[]byte{0x81, 0x05, 'h', 'e', 'l', 'l', 'o'}, false},
		"a ping that is too long":    {masked(0x89, make([]byte, 126)), false},
		"more than 64 KiB":           {masked(0x81, make([]byte, 1<<16)), false},
		"nothing":                    {nil, false},
		"an opcode that nobody uses": {masked(0x83, nil), false},
	} {
		if _, ours := parseFrame(c.in); ours != c.ours {
			t.Errorf("%s: ours = %v, want %v", name, ours, c.ours)
		}
	}
}

// TestGorillaReadsWhatWeWrite holds the writer to the standard.
func TestGorillaReadsWhatWeWrite(t *testing.T) {
	t.Parallel()
	w := onLoopback(t, Config{MaxMessage: 1 << 20, MessageRate: 1000, ByteRate: 1e9, QueueBytes: 1 << 20}, true)
	ws, _ := w.connect(t)
	for _, size := range []int{0, 1, 125, 126, 127, 4095, 4096, 1<<16 - 1, 1 << 16, 100_000, 1 << 20} {
		sent := make([]byte, size)
		for i := range sent {
			sent[i] = byte(rand.Uint32())
		}
		if err := ws.WriteMessage(websocket.BinaryMessage, sent); err != nil {
			t.Fatal(err)
		}
		if _, got, err := ws.ReadMessage(); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("echo of %d bytes = %d bytes, %v", size, len(got), err)
		}
	}
	_ = ws.Close()
	w.stop()
}

// TestAMessageInPieces holds that fragments (RFC 6455 §5.4), which gorilla
// reads, and whole frames, which are read here, go together.
func TestAMessageInPieces(t *testing.T) {
	t.Parallel()
	w := onLoopback(t, Config{}, true)
	ws, _ := w.connect(t)
	var in []byte
	for range 3 {
		in = append(in, masked(0x81, []byte("whole"))...)
		in = append(in, masked(0x01, []byte("in "))...)
		in = append(in, masked(0x89, []byte("ping"))...)
		in = append(in, masked(0x80, []byte("pieces"))...)
	}
	pongs := 0
	ws.SetPongHandler(func(string) error { pongs++; return nil })
	for _, chunk := range [][]byte{in[:5], in[5:20], in[20:]} {
		if _, err := ws.NetConn().Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 6 {
		want := []string{"whole", "in pieces"}[i%2]
		if _, got, err := ws.ReadMessage(); err != nil || string(got) != want {
			t.Fatalf("message %d = %q, %v; want %q", i, got, err, want)
		}
	}
	if pongs != 3 {
		t.Errorf("%d pongs, want 3", pongs)
	}
	_ = ws.Close()
	w.stop()
}

// TestABudgetDrains holds the rate and the burst of a budget.
func TestABudgetDrains(t *testing.T) {
	t.Parallel()
	var b budget
	twenty := allow(20, 100)
	spend := func(now time.Duration) (n int) {
		for b.spend(now, 1, twenty) {
			n++
		}
		return n
	}
	for _, c := range []struct {
		at   time.Duration
		want int
	}{{time.Hour, 100}, {time.Hour, 0}, {time.Hour + time.Second, 20}, {time.Hour + 1500*time.Millisecond, 10}, {2 * time.Hour, 100}} {
		if got := spend(c.at); got != c.want {
			t.Errorf("at %v %d were allowed, want %d", c.at, got, c.want)
		}
	}
	if b.spend(3*time.Hour, 101, twenty) {
		t.Error("more than the burst was allowed at once")
	}
}
