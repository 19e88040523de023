package gate

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
	"github.com/wasmp2pchat/wasmp2pchat/internal/mmsg"
)

// batchDatagrams is how many datagrams one system call brings at most: what comes
// in a quarter of a millisecond at 250,000 a second.
const batchDatagrams = 64

// A Packet is a message, or a part of one, in the memory around it: Buf[Begin:End].
// Who has it may write into all of Buf.
type Packet struct {
	Buf        []byte
	Begin, End int
}

// Bytes is the Packet without what is around it.
func (p *Packet) Bytes() []byte { return p.Buf[p.Begin:p.End] }

// A Batch reads Datagrams, many for one system call. It takes the place of
// ReadFrom; one goroutine uses it.
type Batch struct {
	home      *Datagrams
	sock      *mmsg.Socket
	in        *mmsg.Receiver
	next, end int       // of what was received
	fed       *fedBatch // nil: datagrams come from the socket

	pass func() bool               // what Fill was given
	each func(first, end int) bool // what Await is given: it asks pass
	kept bool                      // pass was true

	before, after int // room around each message
}

// Batch makes a Batch with room around each message.
func (d *Datagrams) Batch(before, after int) (*Batch, error) {
	if err := mmsg.Supported(); err != nil {
		return nil, err
	}
	sock, err := mmsg.Wrap(d.UDPConn)
	if err != nil {
		return nil, err
	}
	b := &Batch{home: d, sock: sock, in: mmsg.NewReceiver(batchDatagrams, MaxFrameBytes+1, before, after), before: before, after: after}
	b.each = func(first, end int) bool {
		b.next, b.end = first, end
		if b.kept = b.pass(); !b.kept {
			b.in.Reset()
		}
		return b.kept || b.fed.over()
	}
	return b, nil
}

// Socket is for sending from where the Datagrams come.
func (b *Batch) Socket() *mmsg.Socket { return b.sock }

// Fill waits for messages; those that it had are gone. Whenever some have come it
// calls pass, which takes them by Next, until pass is true: then there may be more.
// As with ReadFrom, only Close makes it fail.
func (b *Batch) Fill(pass func() bool) error {
	var tired arrivals.Pause
	b.pass, b.kept = pass, false
	for {
		if b.fed.over() && !b.unfeed(&tired) {
			return net.ErrClosed
		}
		b.in.Reset()
		err := b.in.Await(b.source(), batchDatagrams, b.each)
		switch {
		case err == nil && b.kept:
			return nil
		case err == nil && b.fed.over():
		case err == nil:
			tired.Reset()
		case errors.Is(err, os.ErrDeadlineExceeded):
			b.feed()
		case errors.Is(err, net.ErrClosed) || !tired.Wait(b.home.done):
			return net.ErrClosed
		}
	}
}

// Next is the next message that has come; ok is false if there is none. It is the
// caller's until Fill, or until pass has returned false.
func (b *Batch) Next() (p Packet, ok bool) {
	for b.next < b.end {
		p.Buf, p.Begin, p.End = b.in.Datagram(b.next)
		b.next++
		if b.fed != nil && !b.open(&p) {
			continue
		}
		if isMessage(p.Bytes()) {
			return p, true
		}
		if b.home.refused != nil {
			b.home.refused()
		}
	}
	return Packet{}, false
}

// Client is who has sent the message of Next, without a zone.
func (b *Batch) Client() netip.AddrPort {
	if b.fed != nil {
		return b.home.key(b.fed.ends).client
	}
	client, _ := b.in.From(b.next - 1).AddrPort()
	return client
}

// From is Client as ReadFrom returns it.
func (b *Batch) From() net.Addr { return b.home.addr(b.both()) }

// both are the ends of the message of Next.
func (b *Batch) both() ends {
	if b.fed != nil {
		return b.fed.ends
	}
	client, scope := b.in.From(b.next - 1).AddrPort()
	if scope != 0 {
		client = netip.AddrPortFrom(client.Addr().WithZone(strconv.FormatUint(uint64(scope), 10)), client.Port())
	}
	var local netip.Addr
	if b.home.routes != nil {
		local = b.home.routes.local(b.in.Control(b.next - 1))
	}
	return ends{client, local}
}

// A Reply is how to send to a client, from the address that it has asked.
type Reply struct {
	Name    mmsg.Name
	Control []byte
	From    netip.AddrPort // that address; invalid if it is not known
}

// Reply is that for an address that ReadFrom or From has returned.
func (b *Batch) Reply(client net.Addr) Reply {
	from, ok := client.(*net.UDPAddr)
	if !ok {
		return Reply{}
	}
	d := b.home
	if d.routes == nil || from.Zone == "" {
		return Reply{Name: mmsg.NewName(AddrPort(from), b.sock.Six(), index(from.Zone)), From: d.Asked(client)}
	}
	local, _ := netip.ParseAddr(from.Zone) // always valid: addr has written it
	control := d.routes.from(local)
	defer d.routes.done(control)
	return Reply{Name: mmsg.NewName(AddrPort(from), b.sock.Six(), 0), Control: bytes.Clone(*control), From: d.Asked(client)}
}

// Unpadded is a message as it is on a datagram: ChannelData without its padding.
func Unpadded(message []byte) []byte { return unpadded(message) }
