package swarm

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// readBytes is the buffer of a connection; it grows for longer messages,
	// and most fit.
	readBytes = 1 << 10
	// leaveTimeout is how long a server may take to answer a close frame.
	leaveTimeout = 5 * time.Second
	// maxHeaderBytes bounds the answer to an upgrade.
	maxHeaderBytes = 16 << 10
)

// conn is one WebSocket. One goroutine reads; any may send.
type conn struct {
	net.Conn
	crowd *crowd

	buf        []byte // what has come, from start to end
	start, end int
	pieces     []byte    // of a message that comes in pieces
	inPieces   bool      // a message has begun
	arrived    time.Time // when the last bytes came
}

// RefusedError is what a server answers that does not want a connection.
type RefusedError struct {
	Status int    // of HTTP
	Reason string // what it said, printable
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the server refused a connection: %d %s", e.Status, e.Reason)
}

// closedError is a close frame.
type closedError struct {
	code   int
	reason string
}

func (e *closedError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("closed by the server: %d %s", e.code, e.reason))
}

// dial opens a WebSocket with one of a target's requests. The crowd closes
// it at the latest when the run ends.
func (c *crowd) dial(ctx context.Context, t *target, request []byte) (*conn, error) {
	nc, err := (&net.Dialer{Timeout: dialTimeout, KeepAlive: -1}).DialContext(ctx, "tcp", t.addr)
	if err != nil {
		return nil, err
	}
	if t.secure != nil {
		nc = tls.Client(nc, t.secure)
	}
	ws := &conn{Conn: nc, crowd: c, buf: make([]byte, readBytes)}
	if !c.add(ws) {
		_ = nc.Close() // the run is over
		return nil, context.Canceled
	}
	if err := ws.upgrade(request); err != nil {
		ws.close()
		return nil, err
	}
	return ws, nil
}

// upgrade makes the connection a WebSocket (RFC 6455 §4.1).
func (c *conn) upgrade(request []byte) error {
	c.crowd.deadline(c, time.Now().Add(dialTimeout))
	if _, err := c.Write(request); err != nil {
		return err
	}
	for {
		if err := c.fill(); err != nil {
			return err
		}
		header, _, whole := bytes.Cut(c.buf[:c.end], []byte("\r\n\r\n"))
		if whole {
			c.start = len(header) + 4
			c.crowd.deadline(c, time.Time{})
			return c.accepted(header)
		}
		if c.end > maxHeaderBytes {
			return errors.New("the answer to the upgrade is too long")
		}
	}
}

// accepted checks the server's half of the handshake.
func (c *conn) accepted(header []byte) error {
	line, _, _ := bytes.Cut(header, []byte("\r\n"))
	version, rest, _ := strings.Cut(string(line), " ")
	code, _, _ := strings.Cut(rest, " ")
	status, err := strconv.Atoi(code)
	switch {
	case err != nil || !strings.HasPrefix(version, "HTTP/1."):
		return errors.New("the answer to the upgrade is not HTTP/1.1")
	case status != http.StatusSwitchingProtocols:
		said, _, _ := bytes.Cut(c.buf[c.start:c.end], []byte("\n"))
		reason := strings.TrimSpace(string(said))
		if reason == "" || strings.HasPrefix(reason, "<") {
			reason = http.StatusText(status)
		}
		return &RefusedError{Status: status, Reason: printable(reason)}
	case !bytes.Contains(header, []byte(handshakeAccept)):
		return errors.New("the answer to the upgrade is not for our key")
	}
	return nil
}

// printable is short and holds no control characters.
func printable(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), 100)], "?")
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// fill reads what has come behind what is in the buffer, which it grows when
// it is full.
func (c *conn) fill() error {
	if c.start == c.end {
		c.start, c.end = 0, 0
	}
	if c.end == len(c.buf) {
		whole := c.buf[c.start:c.end]
		if len(whole) > len(c.buf)/2 {
			c.buf = make([]byte, 2*len(c.buf))
		}
		c.start, c.end = 0, copy(c.buf, whole)
	}
	n, err := c.Read(c.buf[c.end:])
	c.end += n
	if n > 0 {
		c.arrived = time.Now()
		return nil
	}
	return err
}

// next waits for a message that means something: pings of both kinds are
// answered here. The bytes are valid until it is called again.
func (c *conn) next() ([]byte, error) {
	for {
		f, n, err := parseFrame(c.buf[c.start:c.end])
		if err != nil {
			return nil, err
		}
		if n == 0 {
			if err := c.fill(); err != nil {
				return nil, err
			}
			continue
		}
		c.start += n
		message, err := c.handle(f)
		if err != nil {
			return nil, err
		}
		if message != nil && !c.isPing(message) {
			return message, nil
		}
	}
}

// errPieces is a fault of the server.
var errPieces = errors.New("pieces of a message that has not begun, or a message within another")

// handle makes messages of frames; nil is none yet.
func (c *conn) handle(f frame) ([]byte, error) {
	switch f.op {
	case opPing:
		return nil, c.send(c.crowd.mask.frame(opPong, f.payload))
	case opPong:
		return nil, nil
	case opClose:
		closed := &closedError{code: 1005} // RFC 6455 §7.1.5: no code
		if len(f.payload) >= 2 {
			closed.code, closed.reason = int(f.payload[0])<<8|int(f.payload[1]), printable(string(f.payload[2:]))
		}
		return nil, closed
	}
	if c.inPieces != (f.op == opContinuation) {
		return nil, errPieces
	}
	if f.final && !c.inPieces {
		return f.payload, nil
	}
	if !c.inPieces {
		c.pieces = c.pieces[:0]
	}
	c.pieces = append(c.pieces, f.payload...)
	c.inPieces = !f.final
	if len(c.pieces) > maxFrameBytes {
		return nil, errFrameBig
	}
	if f.final {
		return c.pieces, nil
	}
	return nil, nil
}

// isPing answers the ping of Ayame, a message like others.
func (c *conn) isPing(message []byte) bool {
	if len(message) > 64 || !bytes.Equal(field(message, `"type"`), []byte("ping")) {
		return false
	}
	_ = c.send(c.crowd.pong) // the reader learns of an end by itself
	return true
}

// send writes a frame that was made beforehand.
func (c *conn) send(frame []byte) error {
	_, err := c.Write(frame)
	return err
}

// leave parts politely: a close frame, then until the server has answered it
// and closed, it looks at what still comes; a message for which unwelcome is
// true is a fault of the server, and returned.
func (c *conn) leave(unwelcome func(message []byte) bool) (fault []byte) {
	defer c.close()
	c.crowd.deadline(c, time.Now().Add(leaveTimeout))
	if c.send(c.crowd.goodbye) != nil {
		return nil
	}
	for {
		message, err := c.next()
		if err != nil {
			break
		}
		if unwelcome(message) && fault == nil {
			fault = bytes.Clone(message)
		}
	}
	_, _ = c.Read(c.buf[:1]) // until the server has closed: it is its turn (RFC 6455 §7.1.1)
	return fault
}

func (c *conn) close() {
	c.crowd.remove(c)
	_ = c.Close() // nothing is left to be sent
}
