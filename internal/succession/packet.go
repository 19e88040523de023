package succession

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// protocol is the version of what processes say to one another here. Another one
// does not understand it: then a restart is needed.
const protocol = 1

// Bounds of what is said.
const (
	// MaxMessage is how many bytes a body may have that Tell takes.
	MaxMessage = 1 << 20
	// MaxBequest bounds the body of one bequest, in bytes.
	MaxBequest = 64 << 20
	// MaxFiles bounds the files of one bequest: a relay leaves one for each core, address
	// and process, of which MaxRetired may be retired.
	MaxFiles = 1 << 13

	maxKind     = 32       // bytes of a kind of message, and of the name of a part
	maxKinds    = 64       // kinds that are listened to
	maxPacket   = 32 << 10 // bytes of a packet with its head: the kernel has room for several
	packetFiles = 64       // files of one packet; SCM_MAX_FD is 253
	maxControl  = 64 << 10 // bytes of what the processes themselves say, as JSON
)

// packetType is what a packet is about.
type packetType byte

// The packets. Those up to packetServing come in this order.
const (
	packetHello   packetType = iota + 1 // old to new: greeting
	packetEstate                        // old to new: a bequest
	packetDone                          // old to new: these were all, of the estate or of the wills
	packetReady                         // new to old: introduction
	packetFailed                        // new to old instead: failure
	packetKin                           // old to new: a socket to an older process, or to an older one to the new: introduction
	packetWill                          // old to new: a bequest
	packetServing                       // new to all: it accepts by now
	packetTell                          // a message of a part
	packetLeft                          // a retired one to the others: what it still keeps
	packetEnd                           // the current one to the others: end, or from the first process of a container to its current one
	lastPacket    = packetEnd
)

// head is what each packet begins with:
//
//	type 1 byte │ more 1 byte: 1 if the body goes on in the next packet │ length of the name 1 byte │ name │ body
const headBytes = 3

var errPacket = errors.New("the other process says what it may not")

// packet is one message, or a piece of it.
type packet struct {
	is    packetType
	more  bool
	name  string // of a part, or a kind of message
	body  []byte
	files []*os.File
}

// appendTo appends the packet as it is sent.
func (p *packet) appendTo(b []byte) []byte {
	more := byte(0)
	if p.more {
		more = 1
	}
	b = append(b, byte(p.is), more, byte(len(p.name)))
	b = append(b, p.name...)
	return append(b, p.body...)
}

// parsePacket reads what appendTo has written. The body is a part of b.
func parsePacket(b []byte) (packet, error) {
	if len(b) < headBytes || len(b) > maxPacket {
		return packet{}, errPacket
	}
	p := packet{is: packetType(b[0]), more: b[1] == 1}
	n := int(b[2])
	if p.is == 0 || p.is > lastPacket || b[1] > 1 || n > maxKind || headBytes+n > len(b) {
		return packet{}, errPacket
	}
	p.name, p.body = string(b[headBytes:headBytes+n]), b[headBytes+n:]
	return p, nil
}

// pieces are the packets of a message, of which each one fits.
func (p *packet) pieces() []packet {
	room := maxPacket - headBytes - len(p.name)
	var list []packet
	body, files := p.body, p.files
	for {
		piece := packet{is: p.is, name: p.name, body: body[:min(len(body), room)], files: files[:min(len(files), packetFiles)]}
		body, files = body[len(piece.body):], files[len(piece.files):]
		piece.more = len(body) > 0 || len(files) > 0
		list = append(list, piece)
		if !piece.more {
			return list
		}
	}
}

// limit is how many bytes the whole of a message may have.
func (p *packet) limit() int {
	switch p.is {
	case packetTell:
		return MaxMessage
	case packetEstate, packetWill:
		return MaxBequest
	}
	return maxControl
}

// whole puts the pieces of messages together, which come one after the other.
type whole struct {
	pending *packet
}

// add takes a packet whose body is its own. It returns a message when it is whole.
func (w *whole) add(p packet) (*packet, error) {
	if w.pending != nil {
		if p.is != w.pending.is || p.name != w.pending.name {
			return nil, errPacket
		}
		p.body = append(w.pending.body, p.body...)
		p.files = append(w.pending.files, p.files...)
	}
	w.pending = &p
	if len(p.body) > p.limit() || len(p.files) > MaxFiles {
		return nil, fmt.Errorf("%w: %d bytes and %d files at once", errPacket, len(p.body), len(p.files))
	}
	if p.more {
		return nil, nil
	}
	w.pending = nil
	return &p, nil
}

// greeting is what the old process says first.
type greeting struct {
	Protocol int
	Node     int // the new process's
	Process  Process
	Upgrades int64 // of all processes of the line, this one not counted
	Failed   int64
}

// introduction is what a process says of itself, or another one of it.
type introduction struct {
	Process  Process
	Protocol int
}

// failure is why a new process could not start.
type failure struct{ Error, Hint string }

// control makes a packet of what the processes themselves say.
func control(is packetType, what any) packet {
	body, err := json.Marshal(what)
	if err != nil {
		panic(fmt.Sprintf("succession: %T does not marshal: %v", what, err))
	}
	return packet{is: is, body: body}
}

// read reads what control has written.
func (p *packet) read(what any) error {
	if err := json.Unmarshal(p.body, what); err != nil {
		return fmt.Errorf("%w: %w", errPacket, err)
	}
	return nil
}

// closeFiles closes files that nobody has taken.
func closeFiles(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // it was not used
	}
}
