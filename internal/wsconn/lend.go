package wsconn

import (
	"bufio"
	"bytes"
	"io"
	"sync"
)

// An idle connection holds no buffer. Those that a hub lends while something
// is on its way, and who gives them back:
//
//	inbox   4 KiB  what has come from the socket   watchedConn: when it has been read
//	reader  4 KiB  what gorilla and parseFrame see Conn.idle: before the reader waits
//	page           a frame on its way out, and     Conn.send, Conn.flush: when written
//	               a message that came in pieces   Conn.readPieces: when handled
//	delivery       what a write needs              watchedConn.Write: when written
const (
	inboxBytes  = 4 << 10
	readerBytes = 4 << 10
	// maxPageBytes bounds the pages that are kept for reuse.
	maxPageBytes = 16 << 10
)

type inboxPool struct{ pool sync.Pool }

func (p *inboxPool) take() *[inboxBytes]byte {
	if inbox, ok := p.pool.Get().(*[inboxBytes]byte); ok {
		return inbox
	}
	return new([inboxBytes]byte)
}

func (p *inboxPool) give(inbox *[inboxBytes]byte) { p.pool.Put(inbox) }

type pagePool struct{ pool sync.Pool }

func (p *pagePool) take() *bytes.Buffer {
	if page, ok := p.pool.Get().(*bytes.Buffer); ok {
		return page
	}
	return new(bytes.Buffer)
}

func (p *pagePool) give(page *bytes.Buffer) {
	if page.Cap() <= maxPageBytes {
		page.Reset()
		p.pool.Put(page)
	}
}

type deliveryPool struct{ pool sync.Pool }

func (p *deliveryPool) take(to *watchedConn, bytes []byte) *delivery {
	d, ok := p.pool.Get().(*delivery)
	if !ok {
		d = new(delivery)
		d.send = d.sendTo
	}
	d.to, d.unsent = to, bytes
	return d
}

func (p *deliveryPool) give(d *delivery) {
	*d = delivery{send: d.send}
	p.pool.Put(d)
}

// readerPool lends buffered readers. Gorilla knows its reader by its address
// and keeps it for ever, so what is lent is the inside of one.
type readerPool struct{ pool sync.Pool }

// take returns a reader for lend.
func (p *readerPool) take() *bufio.Reader {
	if spare, ok := p.pool.Get().(*bufio.Reader); ok {
		return spare
	}
	return bufio.NewReaderSize(nil, readerBytes)
}

// lend makes the inside of one reader that of another.
func lend(to, lent *bufio.Reader, stream io.Reader) {
	lent.Reset(stream)
	*to = *lent
}

// giveBack empties a reader to which lent was lent.
func (p *readerPool) giveBack(from, lent *bufio.Reader) {
	*from = bufio.Reader{}
	lent.Reset(nil)
	p.pool.Put(lent)
}
