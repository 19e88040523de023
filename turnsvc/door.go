package turnsvc

import (
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/pion/turn/v4"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// A door is where pion reads requests: the UDP socket, with many clients, or one
// TCP connection, with one. It is pion's net.PacketConn and answers its questions.
//
// pion handles one message before it reads the next, on one goroutine, the
// reader. So message and pending belong to the request at hand and need no lock.
type door struct {
	net.PacketConn // of package gate
	srv            *Server

	message []byte // read last; pion's buffer
	pending *grant // admitted, without a relay yet
	ended   bool   // ReadFrom has returned an error: pion has left

	mu   sync.Mutex                // guards held; never held while calling
	held map[netip.AddrPort]*grant // live allocations by client
}

// open lets pion read from conn until that is closed. The caller waits for
// s.doors.
func (s *Server) open(conn net.PacketConn) error {
	d := &door{PacketConn: conn, srv: s, held: map[netip.AddrPort]*grant{}}
	if stream, ok := conn.(*gate.Stream); ok {
		stream.Hold(d.holds)
	}
	s.doors.Add(1)
	_, err := turn.NewServer(turn.ServerConfig{
		Realm:         s.cfg.Realm,
		AuthHandler:   d.authenticate,
		QuotaHandler:  d.admit,
		LoggerFactory: pionLog{s.log},
		InboundMTU:    gate.MaxFrameBytes + 1, // pion drops what fills its buffer
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn: d, RelayAddressGenerator: d, PermissionHandler: d.permit,
		}},
	})
	if err != nil {
		s.doors.Done()
		return errors.Join(err, conn.Close())
	}
	return nil
}

// ReadFrom gives pion the next message; the request before it is done with.
func (d *door) ReadFrom(p []byte) (int, net.Addr, error) {
	d.forgo() // if pion found a reason to refuse after all
	n, from, err := d.PacketConn.ReadFrom(p)
	d.message = p[:n]
	if err != nil && !d.ended {
		d.ended = true
		d.srv.doors.Done()
	}
	return n, from, err
}

// admit is pion's QuotaHandler: no means 486 (RFC 8656 §7.2).
func (d *door) admit(username, _ string, client net.Addr) bool {
	_, claims, err := parseUsername(username)
	if err != nil {
		return false // not possible: authenticate was asked before
	}
	g := &grant{username: username, user: claims, client: gate.AddrPort(client), made: d.srv.cfg.now()}
	if !d.srv.quota.take(g.user, g.source()) {
		d.srv.count.quota.Add(1)
		return false
	}
	d.pending = g
	return true
}

// forgo gives the pending grant back, if there is one.
func (d *door) forgo() {
	if d.pending != nil {
		d.srv.giveBack(d.pending)
		d.pending = nil
	}
}

// permit is pion's PermissionHandler, for CreatePermission and ChannelBind.
func (d *door) permit(_ net.Addr, peer net.IP) bool {
	ip, _ := netip.AddrFromSlice(peer)
	if d.srv.relays.wall.grants(ip) {
		return true
	}
	d.srv.count.peers.Add(1)
	return false
}

// Validate has nothing to say; it makes a door pion's RelayAddressGenerator.
func (d *door) Validate() error { return nil }

// AllocatePacketConn opens the relay of the pending grant; an error means 508
// (RFC 8656 §7.2). Without one pion only looks for an even port, and closes the
// socket at once.
func (d *door) AllocatePacketConn(_ string, port int) (net.PacketConn, net.Addr, error) {
	r, err := d.srv.relays.open(port)
	if err != nil {
		d.forgo()
		d.srv.count.ports.Add(1)
		return nil, nil, err
	}
	if g := d.pending; g != nil {
		d.pending = nil
		d.hold(g)
		r.belongTo(func() {
			d.drop(g)
			d.srv.giveBack(g)
		})
		d.srv.count.made.Add(1)
	}
	return r, d.srv.relays.addr(r), nil
}

// AllocateConn would open a TCP relay (RFC 6062), which we have not.
func (d *door) AllocateConn(string, int) (net.Conn, net.Addr, error) {
	return nil, nil, errors.ErrUnsupported
}

func (d *door) hold(g *grant) {
	g.ends = d.requestedEnd()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held[g.client] = g
}

// drop forgets g. The client may hold another one by then: pion forgets an
// allocation before it closes the socket.
func (d *door) drop(g *grant) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held[g.client] == g {
		delete(d.held, g.client)
	}
}

// at is the grant of the client's live allocation, or nil.
func (d *door) at(client netip.AddrPort) *grant {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.held[client]
}

func (d *door) holds() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.held) > 0
}
