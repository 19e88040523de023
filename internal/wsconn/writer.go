package wsconn

import (
	"bytes"

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
func (c *Conn) Send(text []byte) error { return c.send(opText, text) }

// Post is Send for those who must not wait: it never writes itself.
func (c *Conn) Post(text []byte) error { return c.post(opText, text) }

// Close sends what is queued, then a close frame, and ends the connection
// when the client has answered it or closeGrace has passed. It never waits.
func (c *Conn) Close(code wire.CloseCode, reason string) {
	if c.bid(int(code), reason) {
		c.hub.spawn(c.flush)
	}
}

func (c *Conn) send(opcode byte, payload []byte) error {
	mine, err := c.enqueue(opcode, payload, false)
	if err != nil || !mine {
		return err
	}
	page := c.hub.pages.take()
	appendFrame(page, opcode, payload)
	_, err = c.stream.Write(page.Bytes())
	c.hub.pages.give(page)
	if err != nil {
		c.giveUp()
		return err
	}
	c.flush()
	return nil
}

func (c *Conn) post(opcode byte, payload []byte) error {
	mine, err := c.enqueue(opcode, payload, true)
	if mine {
		c.hub.spawn(c.flush)
	}
	return err
}

// bid lets nothing more be sent but the queue and a close frame. It makes the
// caller the writer, unless there is one, or the connection is ending already.
func (c *Conn) bid(code int, reason string) (mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.farewell != nil {
		return false
	}
	c.end(code, reason)
	mine = !c.writing
	c.writing = true
	return mine
}

// end sets the farewell. c.mu is held.
func (c *Conn) end(code int, reason string) {
	c.farewell = websocket.FormatCloseMessage(code, reason)
	c.ending.Store(true)
}

// forbidSending lets nothing more be sent, not even a close frame.
func (c *Conn) forbidSending() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.farewell == nil {
		c.end(int(wire.CloseNormal), wire.ReasonDone)
	}
	c.parted = true
}

// enqueue makes the caller the writer, or puts a frame in the queue of the one
// who is. With always it does both.
func (c *Conn) enqueue(opcode byte, payload []byte, always bool) (mine bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	mine = !c.writing
	switch {
	case c.farewell != nil:
		return false, ErrClosed
	case mine && !always:
		c.writing = true
		return true, nil
	case int(c.queued) >= c.hub.cfg.QueueMessages || c.queue != nil && c.queue.Len()+len(payload) > c.hub.cfg.QueueBytes:
		c.end(int(wire.ClosePolicy), wire.ReasonSlowReader)
		c.parted = true // no frame would get through
		c.cut()
		return false, ErrSlow
	}
	if c.queue == nil {
		c.queue = c.hub.pages.take()
	}
	appendFrame(c.queue, opcode, payload)
	c.queued++
	c.writing = true
	return mine, nil
}

// flush writes the queue until it is empty, then the close frame if there is
// one. Only the one who is writing calls it.
func (c *Conn) flush() {
	for {
		frames, last := c.next()
		if frames == nil {
			return
		}
		_, err := c.stream.Write(frames.Bytes())
		c.hub.pages.give(frames)
		if err != nil {
			c.giveUp()
			return
		}
		if last { // closeGrace lets the client read what was sent before it, and answer
			c.grace()
		}
	}
}

// next takes the queue, or when it is empty the close frame, which is the last
// to be written. If there is neither, the caller is the writer no more.
func (c *Conn) next() (frames *bytes.Buffer, last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	frames = c.queue
	c.queue, c.queued = nil, 0
	if frames == nil && c.farewell != nil && !c.parted {
		frames, last = c.hub.pages.take(), true
		appendFrame(frames, opClose, c.farewell)
		c.parted = true
	}
	if frames == nil {
		c.stopWriting()
	}
	return frames, last
}

// stopWriting lets others write. c.mu is held.
func (c *Conn) stopWriting() {
	c.writing = false
	if c.written != nil {
		close(c.written)
		c.written = nil
	}
}

// finish returns when nobody writes any more. Mine says that the caller is the
// writer. Only the reader calls it, last.
func (c *Conn) finish(mine bool) {
	if mine {
		c.flush()
		return
	}
	var written chan struct{}
	c.mu.Lock()
	if c.writing {
		written = make(chan struct{})
		c.written = written
	}
	c.mu.Unlock()
	if written != nil {
		<-written // not for longer than the deadline of writing
	}
}

// giveUp ends a connection that cannot be written to. Only the one who is
// writing calls it.
func (c *Conn) giveUp() {
	c.forbidSending()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue, c.queued = nil, 0
	c.stopWriting()
	c.cut()
}
