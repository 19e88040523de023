package redispool

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// letterKind is the first byte of a letter.
type letterKind byte

const (
	letterMatch  letterKind = 'M' // the script to A's node: B was paired with A
	letterYes    letterKind = 'Y' // A's node to B's: A promises to come
	letterNo     letterKind = 'N' // A's node to B's: A does not wait any more
	letterCommit letterKind = 'C' // B's node to A's: B was told
	letterRefuse letterKind = 'R' // B's node to A's: B was not
)

// letter is one message of the commit, between two tickets.
//
//	kind, to, "\n", from, "\n", body
//
// The body of M is a guest, that of Y a room and a guest; the others have none.
type letter struct {
	kind     letterKind
	to, from name
	guest    guest // M: who came; Y: who has waited
	room     venue // Y
}

// guest is what a node tells another of one of the two.
type guest struct {
	party    match.Party
	tags     []string
	prepared bool // has prepared a room
}

// venue is where the two are to meet, as A's node has decided.
type venue struct {
	name, id string // Meeting.RoomName and RoomID
	url      string // Meeting.URL
	relay    string // Meeting.Relay
	at       time.Time
	order    int64 // A's place
}

// Bounds of what is read from an inbox.
const (
	maxLetterBytes = 4 << 10
	maxTextBytes   = 1 << 10 // of one text in it
)

var errLetter = errors.New("not a letter")

func (l *letter) encode() string {
	b := make([]byte, 0, 256)
	b = append(b, byte(l.kind))
	b = append(b, l.to.String()...)
	b = append(b, '\n')
	b = append(b, l.from.String()...)
	b = append(b, '\n')
	switch l.kind {
	case letterMatch:
		b = l.guest.append(b)
	case letterYes:
		b = l.room.append(b)
		b = l.guest.append(b)
	}
	return string(b)
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func appendBool(b []byte, is bool) []byte {
	if is {
		return append(b, 1)
	}
	return append(b, 0)
}

func (g *guest) append(b []byte) []byte {
	b = appendText(b, g.party.User)
	b = appendText(b, g.party.Device)
	addr, _ := g.party.Addr.MarshalBinary() // it has no error
	b = appendText(b, string(addr))
	b = appendBool(b, g.party.Hides)
	b = appendBool(b, g.prepared)
	b = append(b, byte(len(g.tags)))
	for _, tag := range g.tags {
		b = appendText(b, tag)
	}
	return b
}

func (r *venue) append(b []byte) []byte {
	b = appendText(b, r.name)
	b = appendText(b, r.id)
	b = appendText(b, r.url)
	b = appendText(b, r.relay)
	b = binary.AppendVarint(b, r.at.UnixMilli())
	return binary.AppendVarint(b, r.order)
}

// scanner reads what was appended. After the first fault it finds nothing.
type scanner struct {
	rest  string
	fault bool
}

func (s *scanner) text() string {
	var n uint64
	for shift := 0; ; shift += 7 {
		c := s.byte()
		if s.fault || shift > 14 {
			s.fault = true
			return ""
		}
		n |= uint64(c&127) << shift
		if c < 128 {
			break
		}
	}
	if n > maxTextBytes || n > uint64(len(s.rest)) {
		s.fault = true
		return ""
	}
	text := s.rest[:n]
	s.rest = s.rest[n:]
	return text
}

func (s *scanner) byte() byte {
	if s.fault || s.rest == "" {
		s.fault = true
		return 0
	}
	c := s.rest[0]
	s.rest = s.rest[1:]
	return c
}

func (s *scanner) bool() bool {
	c := s.byte()
	s.fault = s.fault || c > 1
	return c == 1
}

func (s *scanner) int() int64 {
	var space [binary.MaxVarintLen64]byte
	n, size := binary.Varint(space[:copy(space[:], s.rest)])
	if s.fault || size <= 0 {
		s.fault = true
		return 0
	}
	s.rest = s.rest[size:]
	return n
}

func (s *scanner) guest() (g guest) {
	g.party.User, g.party.Device = s.text(), s.text()
	if err := g.party.Addr.UnmarshalBinary([]byte(s.text())); err != nil {
		s.fault = true
	}
	g.party.Hides, g.prepared = s.bool(), s.bool()
	n := s.byte()
	s.fault = s.fault || n > wire.MaxTags
	for i := byte(0); i < n && !s.fault; i++ {
		g.tags = append(g.tags, s.text())
	}
	if s.fault {
		return guest{party: match.Party{Addr: netip.Addr{}}}
	}
	return g
}

func (s *scanner) venue() venue {
	r := venue{name: s.text(), id: s.text(), url: s.text(), relay: s.text()}
	r.at, r.order = time.UnixMilli(s.int()), s.int()
	return r
}

// parseLetter reads what encode wrote, and what the script makes of an offer.
func parseLetter(text string) (l letter, err error) {
	if len(text) == 0 || len(text) > maxLetterBytes {
		return l, errLetter
	}
	l.kind = letterKind(text[0])
	to, rest, _ := strings.Cut(text[1:], "\n")
	from, body, ok := strings.Cut(rest, "\n")
	if !ok {
		return l, errLetter
	}
	if l.to, err = parseName(to); err != nil {
		return l, err
	}
	if l.from, err = parseName(from); err != nil {
		return l, err
	}
	s := scanner{rest: body}
	switch l.kind {
	case letterMatch:
		l.guest = s.guest()
	case letterYes:
		l.room = s.venue()
		l.guest = s.guest()
	case letterNo, letterCommit, letterRefuse:
	default:
		return l, errLetter
	}
	if s.fault || s.rest != "" {
		return l, errLetter
	}
	return l, nil
}
