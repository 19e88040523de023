package wsconn

import (
	"bytes"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// The combining writer: there is no writer goroutine. Whoever sends and finds
// nobody writing writes itself, under a deadline; those who come meanwhile
// leave their message in the queue and go on. The queue is bounded: a client
// that does not read makes nobody wait but the one who writes to it, and is
// cut when the deadline passes or the queue is full.

// Send sends a text message. It returns ErrClosed or ErrSlow when the client
// cannot get it any more, and an error of the network when that is how one
// learns it; nil means written or queued. The bytes may be used again then.
// It may take as long as the write deadline of the hub.
func (c *Conn) Send(text []byte) error {
	mine, err := c.enqueue(text)
	if err != nil || !mine {
		return err
	}
	if err := c.write(text); err != nil {
		c.giveUp()
		return err
	}
	c.flush()
	return nil
}

// Post is Send for those who must not wait: it never writes itself.
func (c *Conn) Post(text []byte) error {
	mine, err := c.enqueue(text)
	if err != nil || !mine {
		return err
	}
	c.mu.Lock()
	c.push(text)
	c.mu.Unlock()
	c.hub.spawn(c.flush)
	return nil
}

// Close sends what is queued, then a close frame, and ends the connection
// when the client has answered it or closeGrace has passed. It never waits.
func (c *Conn) Close(code wire.CloseCode, reason string) {
	if c.part(code, reason) {
		c.hub.spawn(c.flush)
	}
}

// part lets nothing more be sent but the queue and a close frame. It makes the
// caller the writer, unless there is one, or the connection is ending already.
func (c *Conn) part(code wire.CloseCode, reason string) (mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.farewell != nil {
		return false
	}
	c.farewell = websocket.FormatCloseMessage(int(code), reason)
	mine = !c.writing
	c.writing = true
	return mine
}

// forbidSending lets nothing more be sent, not even a close frame.
func (c *Conn) forbidSending() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.farewell == nil {
		c.farewell = websocket.FormatCloseMessage(int(wire.CloseNormal), wire.ReasonDone)
	}
	c.parted = true
}

// enqueue makes the caller the writer, or puts a copy of text in the queue of
// the one who is.
func (c *Conn) enqueue(text []byte) (mine bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.farewell != nil:
		return false, ErrClosed
	case !c.writing:
		c.writing = true
		return true, nil
	case len(c.queue) >= c.hub.cfg.QueueMessages || c.queued+len(text) > c.hub.cfg.QueueBytes:
		c.farewell = websocket.FormatCloseMessage(int(wire.ClosePolicy), wire.ReasonSlowReader)
		c.parted = true // no frame would get through
		c.cut()
		return false, ErrSlow
	default:
		c.push(text)
		return false, nil
	}
}

// push appends a copy of text to the queue. c.mu is held.
func (c *Conn) push(text []byte) {
	c.queue = append(c.queue, bytes.Clone(text))
	c.queued += len(text)
}

// flush writes the queue until it is empty, then the close frame if there is
// one. Only the one who is writing calls it.
func (c *Conn) flush() {
	for {
		c.mu.Lock()
		batch := c.queue
		c.queue, c.queued = nil, 0
		if len(batch) == 0 {
			c.writing = false
			ending := c.farewell != nil
			c.mu.Unlock()
			if ending {
				c.sayFarewell()
			}
			return
		}
		c.mu.Unlock()
		for _, text := range batch {
			if c.write(text) != nil {
				c.giveUp()
				return
			}
		}
	}
}

func (c *Conn) write(text []byte) error {
	_ = c.ws.SetWriteDeadline(time.Now().Add(c.hub.cfg.WriteTimeout)) // never fails
	return c.ws.WriteMessage(websocket.TextMessage, text)
}

// giveUp ends a connection that cannot be written to.
func (c *Conn) giveUp() {
	c.forbidSending()
	c.mu.Lock()
	c.writing = false
	c.queue, c.queued = nil, 0
	c.mu.Unlock()
	c.cut()
}

// sayFarewell sends the close frame, once, and gives the client closeGrace to
// answer it, so that what was sent before it is not lost to a reset.
func (c *Conn) sayFarewell() {
	c.mu.Lock()
	frame, mine := c.farewell, c.farewell != nil && !c.parted
	c.parted = true
	c.mu.Unlock()
	if !mine {
		return
	}
	now := time.Now()
	if c.ws.WriteControl(websocket.CloseMessage, frame, now.Add(c.hub.cfg.WriteTimeout)) != nil {
		c.cut()
		return
	}
	_ = c.watch.SetReadDeadline(now.Add(closeGrace)) // fails only if it has ended already
}

// ending tells whether the connection is being closed: what the client still
// says does not count.
func (c *Conn) ending() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.farewell != nil
}
