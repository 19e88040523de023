package turnsvc

import (
	"errors"
	"net"
	"net/netip"

	"github.com/wasmp2pchat/wasmp2pchat/internal/mmsg"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// A lane reads for a door: it carries data, and returns what pion must see. Without
// PlaneBatch the door reads by itself.
type lane interface {
	ReadFrom(p []byte) (int, net.Addr, error)
}

// laneFor is the lane of a door, which it tells where to send.
func (s *Server) laneFor(d *door, conn net.PacketConn) lane {
	if s.batch == nil {
		return conn
	}
	switch c := conn.(type) {
	case *gate.Datagrams:
		d.in = s.batch.lanes[c]
		d.sock = d.in.Socket()
		return newBatchLane(d, newPorter(s, laneDatagrams))
	case *gate.Stream:
		d.stream = c
		return &streamLane{door: d, in: c}
	}
	return conn
}

// laneDatagrams is how many datagrams of one Fill are queued at most.
const laneDatagrams = 64

// relayFor is the relay of a client, or nil.
func (d *door) relayFor(client netip.AddrPort) *relay {
	g := d.at(client)
	if g == nil {
		return nil
	}
	return g.relay.Load()
}

// isCargo reports whether a message of a client is data for a peer.
func isCargo(message []byte) bool { return message[0] >= minChannel>>8 || isSend(message) }

// batchLane is that of a UDP socket.
type batchLane struct {
	door   *door
	in     *gate.Batch
	porter *porter

	client netip.AddrPort // who has sent the message before, of those that came together
	relay  *relay         // his
	left   gate.Packet    // what is not carried
	pass   func() bool    // carries what has come
}

func newBatchLane(d *door, c *porter) *batchLane {
	l := &batchLane{door: d, in: d.in, porter: c}
	l.pass = func() bool {
		l.client, l.relay = netip.AddrPort{}, nil
		l.porter.begin()
		return l.carryAll()
	}
	return l
}

// ReadFrom returns the next message for pion.
func (l *batchLane) ReadFrom(p []byte) (int, net.Addr, error) {
	if !l.carryAll() {
		if err := l.in.Fill(l.pass); err != nil {
			return 0, nil, err
		}
	}
	return copy(p, l.left.Bytes()), l.in.From(), nil
}

// carryAll carries what is there, up to a message for pion: then it is true.
func (l *batchLane) carryAll() (left bool) {
	for m, ok := l.in.Next(); ok; m, ok = l.in.Next() {
		if !isCargo(m.Bytes()) || !l.carry(m) {
			l.left, left = m, true
			break
		}
	}
	l.porter.end()
	return left
}

// carry carries data, that of nobody's allocation nowhere. It is false if pion must.
func (l *batchLane) carry(m gate.Packet) bool {
	if client := l.in.Client(); client != l.client {
		l.client, l.relay = client, l.door.relayFor(client)
	}
	switch {
	case l.relay == nil:
		l.handOn(m)
		return true
	case l.relay.gone.Load():
		return true
	case !l.relay.batched():
		return false
	}
	l.porter.take(l.relay, m)
	return true
}

// handOn is for data of a client whom an older process keeps.
func (l *batchLane) handOn(m gate.Packet) {
	if to, frame, ok := l.in.HandOn(m); ok {
		l.porter.out.Add(to, new(mmsg.Name), nil, frame.Bytes())
	}
}

const (
	// arenaBytes holds the frames that a stream was read together with, and room
	// around each: ten small ones, or one of the largest.
	arenaBytes = 4 << 10
	// arenaFrames bounds how many they are.
	arenaFrames = 32
)

// A streamPorter is what a streamLane has while there is data.
type streamPorter struct {
	*porter
	arena [arenaBytes]byte
	used  int
}

func newStreamPorter(s *Server) *streamPorter {
	return &streamPorter{porter: newPorter(s, arenaFrames)}
}

// streamLane is that of one connection.
type streamLane struct {
	door   *door
	in     *gate.Stream
	porter *streamPorter // nil: there is no data
}

// ReadFrom returns the next message for pion.
func (l *streamLane) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		if !l.in.Ready() {
			l.end()
		}
		frame, err := l.in.Next()
		if err != nil {
			l.end()
			return 0, nil, err
		}
		if isCargo(frame) && l.carry(frame) {
			continue
		}
		l.end()
		if len(frame) > len(p) {
			return 0, nil, errors.Join(gate.ErrFrame, l.in.Close())
		}
		return copy(p, frame), l.in.RemoteAddr(), nil
	}
}

// carry is as that of a batchLane.
func (l *streamLane) carry(frame []byte) bool {
	r := l.door.relayFor(gate.AddrPort(l.in.RemoteAddr()))
	switch {
	case r == nil || r.gone.Load():
		return true
	case !r.batched():
		return false
	}
	need := roomBefore + len(frame) + roomAfter
	if l.porter != nil && (l.porter.used+need > arenaBytes || l.porter.full()) {
		l.end()
	}
	if l.porter == nil {
		l.porter = l.door.srv.batch.porter()
		l.porter.begin()
	}
	c := l.porter
	p := gate.Packet{Buf: c.arena[c.used : c.used+need], Begin: roomBefore, End: roomBefore + len(frame)}
	c.used += need
	copy(p.Bytes(), frame)
	c.take(r, p)
	return true
}

// end sends what was carried, and gives back what was needed for it.
func (l *streamLane) end() {
	if c := l.porter; c != nil {
		l.porter = nil
		c.end()
		l.door.srv.batch.giveBack(c)
	}
}
