package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

const (
	maxWaiting   = 256              // messages that a client keeps until a row looks at them
	maxReadBytes = 2 << 20          // of one message; more than any server forwards
	busyPause    = time.Second      // before a server is asked again that has answered 429
	busyFor      = 30 * time.Second // then it is not asked any more
	longestWait  = 70 * time.Second // for what a slow row waits for
)

// newID is a name that nobody else has.
func newID() string { return rand.Text() }

// visit is what one row has at hand: a room of its own, and clients that end
// with it. Nothing of it lives longer than the run.
type visit struct {
	*suite
	room    string
	over    <-chan struct{} // closed when there is no time left
	open    func(options *websocket.DialOptions, mute bool) *client
	get     func(path string) string // with plain HTTP; what came
	clients []*client
}

// visit prepares a row.
func (s *suite) visit(ctx context.Context) *visit {
	v := &visit{suite: s, room: "ayame-" + newID(), over: ctx.Done()}
	v.get = func(path string) string { return s.get(ctx, path) }
	v.open = func(options *websocket.DialOptions, mute bool) *client {
		c := s.open(ctx, options, mute)
		v.clients = append(v.clients, c)
		return c
	}
	return v
}

// end lets all clients go.
func (v *visit) end() {
	for _, c := range v.clients {
		c.cut()
		<-c.ended
	}
}

// connect opens a WebSocket as the SDK does: nothing special.
func (v *visit) connect() *client { return v.open(&websocket.DialOptions{}, false) }

// connectMute opens one that answers no pings.
func (v *visit) connectMute() *client { return v.open(&websocket.DialOptions{}, true) }

// frame is a message that a client was sent.
type frame struct {
	binary bool
	text   string
	at     time.Time
}

// client is an Ayame client that always reads, and answers pings unless it is
// mute. One that was refused looks like one that has ended.
type client struct {
	patience   time.Duration
	ws         *websocket.Conn // nil: refused
	status     int             // of the upgrade; 0: no answer
	extensions string          // of the WebSocket
	opened     time.Time
	mute       bool            // answers no pings, and keeps them
	over       <-chan struct{} // closed when there is no time left

	write func(kind websocket.MessageType, frames ...string) // one message; if it cannot, the end of the connection shows
	ping  func() error                                       // returns when the pong has come

	got    chan frame // what came; closed at the end
	ended  chan struct{}
	how    string // it ended; to be read after ended, like reason
	reason string // in the close frame
}

// open connects a client; a server that is busy is asked again.
func (s *suite) open(ctx context.Context, options *websocket.DialOptions, mute bool) *client {
	c := &client{
		patience: s.patience, mute: mute, over: ctx.Done(),
		got: make(chan frame, maxWaiting), ended: make(chan struct{}),
	}
	c.write = func(kind websocket.MessageType, frames ...string) { c.writeFrames(ctx, kind, frames) }
	options.HTTPClient = s.http()
	if !c.dial(ctx, s.url.String(), options) {
		c.how = "refused"
		close(c.got)
		close(c.ended)
		return c
	}
	c.opened = time.Now()
	c.ws.SetReadLimit(maxReadBytes)
	c.ping = func() error { return c.ws.Ping(ctx) }
	go c.read(ctx) // visit.end waits for it
	return c
}

// dial asks for a WebSocket until the server is no longer busy.
func (c *client) dial(ctx context.Context, url string, options *websocket.DialOptions) (open bool) {
	ctx, cancel := context.WithTimeout(ctx, busyFor)
	defer cancel()
	again := time.NewTicker(busyPause)
	defer again.Stop()
	for {
		ws, resp, err := websocket.Dial(ctx, url, options)
		if resp != nil && resp.Body != nil { // there is none after an upgrade
			_ = resp.Body.Close()
		}
		if resp != nil {
			c.status, c.extensions = resp.StatusCode, resp.Header.Get("Sec-WebSocket-Extensions")
		}
		if err == nil {
			c.ws = ws
			return true
		}
		if resp == nil || resp.StatusCode != http.StatusTooManyRequests {
			return false
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return false
		}
	}
}

// read is the life of a client.
func (c *client) read(ctx context.Context) {
	defer close(c.ended)
	defer close(c.got)
	for {
		kind, text, err := c.ws.Read(ctx)
		if err != nil {
			c.how, c.reason = farewell(err)
			c.cut()
			return
		}
		if !c.mute && typeOf(string(text)) == "ping" {
			c.send(`{"type":"pong"}`)
			continue
		}
		select {
		case c.got <- frame{binary: kind == websocket.MessageBinary, text: string(text), at: time.Now()}:
		default:
			c.how = "too much came"
			c.cut()
			return
		}
	}
}

// writeFrames sends one message in as many frames as there are parts of it.
func (c *client) writeFrames(ctx context.Context, kind websocket.MessageType, parts []string) {
	if c.ws == nil {
		return
	}
	if len(parts) == 1 {
		_ = c.ws.Write(ctx, kind, []byte(parts[0])) // the end of the connection shows
		return
	}
	w, err := c.ws.Writer(ctx, kind)
	if err != nil {
		return
	}
	for _, part := range parts {
		_, _ = io.WriteString(w, part) // the same
	}
	_ = w.Close() // the same
}

// farewell says how a connection ended: how the server closed it, and why.
func farewell(err error) (how, reason string) {
	if closed, ok := errors.AsType[websocket.CloseError](err); ok {
		return fmt.Sprintf("close %d", closed.Code), closed.Reason
	}
	return "cut", ""
}

// cut ends the connection without a close frame, as a lost network does.
func (c *client) cut() {
	if c.ws != nil {
		_ = c.ws.CloseNow() // it is gone, whatever this says
	}
}

// leave ends it with a close frame, as a browser does.
func (c *client) leave() {
	if c.ws != nil {
		_ = c.ws.Close(websocket.StatusNormalClosure, "") // the same
	}
}

// send sends a text message. If it cannot, the end of the connection shows.
func (c *client) send(text string) { c.write(websocket.MessageText, text) }

// register asks for a seat in a room; more is the rest of the message.
func (c *client) register(room, more string) {
	c.send(fmt.Sprintf(`{"type":"register","roomId":%q%s}`, room, more))
}

// receive is the next message, or how there was none.
func (c *client) receive() (f frame, none string) { return c.receiveWithin(c.patience) }

func (c *client) receiveWithin(d time.Duration) (f frame, none string) {
	late := time.NewTimer(d)
	defer late.Stop()
	select {
	case f, ok := <-c.got:
		if !ok {
			<-c.ended
			return frame{}, c.how
		}
		return f, ""
	case <-late.C:
		return frame{}, "nothing in " + d.String()
	case <-c.over:
		return frame{}, "no time left"
	}
}

// next says in few words what comes next.
func (c *client) next() string {
	f, none := c.receive()
	if none != "" {
		return none
	}
	return describe(f.text)
}

// nextTwo lists the next two things.
func (c *client) nextTwo() string {
	first := c.next()
	return first + ", " + c.next()
}

// join connects and takes a seat.
func (v *visit) join(more string) *client {
	c := v.connect()
	c.register(v.room, more)
	c.next()
	return c
}

// pair is the two of a room.
func (v *visit) pair(more string) (first, second *client) {
	return v.join(more), v.join(more)
}

// passes sends a message from one to the other and says how it arrives.
func passes(from, to *client, kind websocket.MessageType, text string) string {
	from.write(kind, text)
	f, none := to.receive()
	switch {
	case none != "":
		return none
	case f.text != text:
		return fmt.Sprintf("changed to %.60q", f.text)
	case f.binary:
		return "byte for byte, as binary"
	default:
		return "byte for byte, as text"
	}
}

// http is a client that reaches the server under test.
func (s *suite) http() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: s.dial, DisableKeepAlives: true}}
}
