package gate

import (
	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
	"github.com/wasmp2pchat/wasmp2pchat/internal/mmsg"
)

// fedBatch is what a Batch has while another process reads its socket.
type fedBatch struct {
	from *mmsg.Socket   // the passage
	own  *mmsg.Receiver // that of the socket
	ends ends           // of the datagram that Next has returned
	back bool           // the socket is to be read again
	gone bool           // nobody hands anything on
}

// over reports whether nothing more comes by it.
func (f *fedBatch) over() bool { return f != nil && (f.back || f.gone) }

// source is where datagrams come from.
func (b *Batch) source() *mmsg.Socket {
	if b.fed != nil {
		return b.fed.from
	}
	return b.sock
}

// feed turns to what is handed on, if somebody has asked for that.
func (b *Batch) feed() {
	b.home.turn()
	if b.home.fed == nil || b.fed != nil {
		return
	}
	b.fed = &fedBatch{from: b.home.fed.sock, own: b.in}
	b.in = mmsg.NewReceiver(batchDatagrams, maxPassageBytes+1, b.before, b.after)
}

// unfeed turns back to the socket, when all that was handed on is done. It is false if
// the socket was closed while there is nobody who hands anything on.
func (b *Batch) unfeed(tired *arrivals.Pause) bool {
	switch {
	case b.fed.back:
		b.home.turnBack()
		b.in, b.fed = b.fed.own, nil
	default:
		b.fed.gone = false
		return tired.Wait(b.home.done)
	}
	return true
}

// open takes what was handed on out of its frame. It is false if that is nothing for
// this process.
func (b *Batch) open(p *Packet) bool {
	frame := p.Bytes()
	if len(frame) == 0 { // the end of it, as SOCK_SEQPACKET tells of it
		b.fed.gone = true
		return false
	}
	datagram, e, ok := b.home.opened(frame)
	if b.fed.back = b.home.fed.back; !ok {
		return false
	}
	b.fed.ends = e
	p.Begin = p.End - len(datagram)
	return true
}

// HandOn is a message as an older process is sent it that keeps the client of Next, and
// where to send it. ok is false if no other process keeps him. The message must have
// come from Next and be as it was.
func (b *Batch) HandOn(p Packet) (to *mmsg.Socket, frame Packet, ok bool) {
	k := b.home.elders.Load()
	if k == nil || p.Begin < passageHead {
		return nil, p, false
	}
	keeper := k.of(ends{client: b.Client()})
	if keeper == nil {
		return nil, p, false
	}
	b.home.tally.handed.Add(1)
	p.Begin -= passageHead
	putHead(p.Buf[p.Begin:], frameDatagram, b.both())
	return keeper.sock, p, true
}
