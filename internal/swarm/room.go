package swarm

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"sync/atomic"
	"time"
)

// seat is one of the two places in a room.
type seat struct {
	ws     *conn
	number uint32    // of the room: what its messages carry
	second bool      // the other one was there first: this one makes the offer
	sent   int       // messages
	began  time.Time // when the first or second was sent
	frame  []byte    // kept for the next message

	sentAt []atomic.Int64 // relay: when the messages under way were sent, in nanoseconds since the crowd was born
}

// room is two who have joined.
type room struct {
	first, second *seat
	served        chan struct{} // relay: closed when the first messages are under way
}

// atOnce is how many messages are under way in a room.
func (r *room) atOnce() uint32 { return uint32(len(r.first.sentAt)) }

// join takes a seat in a room; nil if there is none.
func (c *crowd) join(ctx context.Context, roomID string) *seat {
	ws := c.connect(ctx, c.targets[0], c.targets[0].signaling)
	if ws == nil {
		return nil
	}
	if s := c.register(ctx, ws, roomID); s != nil {
		return s
	}
	ws.close()
	return nil
}

func (c *crowd) register(ctx context.Context, ws *conn, roomID string) *seat {
	text := fmt.Appendf(nil, `{"type":"register","roomId":%q,"clientId":"load-%d"}`, roomID, c.asked.Add(1))
	err := ws.send(c.mask.frame(opText, text))
	if err != nil {
		c.fault(ctx, "cut before it joined", err)
		return nil
	}
	message, err := ws.next()
	if err != nil {
		c.missing(ctx, "cut while it joined", err)
		return nil
	}
	if !bytes.Equal(field(message, `"type"`), []byte("accept")) {
		c.fault(ctx, "answered "+printable(string(message))+" to register", nil)
		return nil
	}
	return &seat{ws: ws, number: numberOf(roomID), second: isTrue(message, `"isExistUser"`) || isTrue(message, `"isExistClient"`)}
}

// numberOf makes a number of a room's id, so that a message in the wrong room
// is seen.
func numberOf(roomID string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(roomID)) // never fails
	return h.Sum32()
}

// waveRooms is how many rooms are asked for at a time: a server wants both
// members there within 10 s of the match.
const waveRooms = 500

// gather makes rooms with two members each, up to the peers of the run. It
// calls seated for each as soon as both are there: their pings want to be
// answered while the others join.
func (c *crowd) gather(ctx context.Context, seated func(*room)) []*room {
	rooms := make([]*room, 0, c.cfg.Peers/2)
	for left := c.cfg.Peers / 2; left > 0 && ctx.Err() == nil; {
		wave := c.connectWave(ctx, 2*min(left, waveRooms))
		if len(wave) == 0 {
			break
		}
		ids := c.burst(ctx, wave, func(f func()) { f() }, false)
		left -= len(wave) / 2
		c.enter("joining")
		rooms = append(rooms, c.joinAll(ctx, ids, seated)...)
	}
	c.done.Store(0) // these were only the way
	return rooms
}

// joinAll gives each room its two members.
func (c *crowd) joinAll(ctx context.Context, ids []string, seated func(*room)) []*room {
	joined := make([]*room, len(ids))
	c.inParallel(ctx, connectors, len(ids), func(i int) bool {
		a := c.join(ctx, ids[i])
		if a == nil {
			return true
		}
		b := c.join(ctx, ids[i])
		switch {
		case b == nil:
			a.ws.close()
		case a.second || !b.second:
			c.fault(ctx, "told wrongly who was there first", nil)
			a.ws.close()
			b.ws.close()
		default:
			joined[i] = &room{first: a, second: b}
			seated(joined[i])
		}
		return true
	})
	rooms := joined[:0]
	for _, r := range joined {
		if r != nil {
			rooms = append(rooms, r)
		}
	}
	return rooms
}

// template is a message with a place for two numbers: of the room and of the
// message. It is stamped without being made anew.
type template struct {
	text   []byte
	at     int    // of the numbers, in text
	sorted []byte // the same JSON with its names sorted, as a server writes it that decodes what it relays
	frame  []byte // of text, masked
	mask   mask
}

const (
	stampDigits = 16
	stampPlace  = "0000000000000000"
)

// newTemplate makes one of a type and another name with its value, which holds
// stampPlace and sorts before "type".
func newTemplate(m mask, kind, other string) *template {
	text := `{"type":"` + kind + `",` + other + `}`
	return &template{
		text: []byte(text), at: strings.Index(text, stampPlace),
		sorted: []byte(`{` + other + `,"type":"` + kind + `"}`),
		frame:  m.frame(opText, []byte(text)), mask: m,
	}
}

// stamp appends a frame with the numbers.
func (t *template) stamp(dst []byte, number, seq uint32) []byte {
	dst = append(dst, t.frame...)
	place := dst[len(dst)-len(t.text)+t.at:][:stampDigits]
	putHex(place, uint64(number)<<32|uint64(seq))
	t.mask.apply(place, t.at)
	return dst
}

// read gives the numbers of a message, and whether it is the very bytes that
// were sent; not ok if anything but the order of the names differs.
func (t *template) read(message []byte) (number, seq uint32, same, ok bool) {
	at, same := t.at, true
	if !fits(message, t.text, at) {
		at, same = bytes.Index(t.sorted, []byte(stampPlace)), false
		message = bytes.TrimSuffix(message, []byte("\n"))
		if !fits(message, t.sorted, at) {
			return 0, 0, false, false
		}
	}
	v, ok := parseHex(message[at:][:stampDigits])
	return uint32(v >> 32), uint32(v), same, ok
}

// fits compares all but the stamp.
func fits(message, text []byte, at int) bool {
	return len(message) == len(text) && bytes.Equal(message[:at], text[:at]) &&
		bytes.Equal(message[at+stampDigits:], text[at+stampDigits:])
}

// check holds a message to be the one that is due in this seat.
func (c *crowd) check(t *template, s *seat, seq uint32, message []byte) bool {
	gotNumber, gotSeq, same, ok := t.read(message)
	if ok && !same {
		c.changed.Add(1)
	}
	return ok && gotNumber == s.number && gotSeq == seq
}

func putHex(dst []byte, v uint64) {
	for i := range stampDigits {
		dst[stampDigits-1-i] = "0123456789abcdef"[v&15]
		v >>= 4
	}
}

func parseHex(digits []byte) (v uint64, ok bool) {
	for _, d := range digits {
		switch {
		case d >= '0' && d <= '9':
			d -= '0'
		case d >= 'a' && d <= 'f':
			d -= 'a' - 10
		default:
			return 0, false
		}
		v = v<<4 | uint64(d)
	}
	return v, true
}

// The messages of a session, as Chromium writes them for a DataChannel.
const (
	sdpText = `"sdp":"v=0\r\no=- ` + stampPlace + ` 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n` +
		`m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:Kx0v\r\na=ice-pwd:hW3yG9bUq2LZ6d1oSxT8rJ4n\r\na=ice-options:trickle\r\n` +
		`a=fingerprint:sha-256 5C:0E:7A:91:BB:1D:42:F0:33:68:9E:A7:04:C5:D2:7B:16:8F:E1:3A:90:4D:62:BC:F7:28:55:0B:C1:9D:6E:84\r\n` +
		`a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"`
	iceText = `"ice":{"candidate":"candidate:` + stampPlace + ` 1 udp 2122260223 198.51.100.7 54321 typ host generation 0 ufrag Kx0v network-id 1",` +
		`"sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"Kx0v"}`
)
