package turnsvc

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/stun/v3"
	"github.com/pion/turn/v4"

	"github.com/wasmp2pchat/wasmp2pchat/internal/mmsg"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// A door is where clients come in: the UDP socket, with many of them, or one
// connection, with one. It stands between the socket and a pion server of its
// own, whose net.PacketConn it is, and whose questions it answers.
//
// pion handles one message before it reads the next, on one goroutine, the
// reader. So order belongs to the request that pion has now and needs no lock.
type door struct {
	net.PacketConn // of package gate
	srv            *Server
	lane           lane            // reads
	in             *gate.Batch     // of a UDP socket, with PlaneBatch
	sock           *mmsg.Socket    // to whose clients data goes out, with PlaneBatch by UDP
	stream         *gate.Stream    // or by this
	udp            *gate.Datagrams // of which it is the door; nil: of a connection

	ended   bool   // ReadFrom has returned an error: pion has left
	order   *order // what pion does now; nil: nothing that is answered
	next    *order // waits for a nonce of pion's
	parting *order // goes before next
	nonce   pionNonce

	turn sync.Mutex // held by the reader while pion acts on an order

	mu   sync.Mutex                // guards the fields below; never held while calling
	held map[netip.AddrPort]*grant // by client, until pion has forgotten the allocation, or parted has it
	// parted are allocations that were closed, by id, until pion has forgotten them.
	parted map[string]*grant
}

// open lets pion read from conn until that is closed. The caller waits for
// s.doors.
func (s *Server) open(conn net.PacketConn) error {
	d := &door{PacketConn: conn, srv: s, held: map[netip.AddrPort]*grant{}, parted: map[string]*grant{}}
	if holder, ok := conn.(interface{ Hold(func() bool) }); ok {
		holder.Hold(d.holds)
	}
	if socket, ok := conn.(*gate.Datagrams); ok {
		d.udp = socket
		socket.Keep(func(client netip.AddrPort) bool { return d.at(client) != nil }, d.clients)
	}
	d.lane = s.laneFor(d, conn)
	s.doors.Add(1)
	_, err := turn.NewServer(turn.ServerConfig{
		Realm:         s.cfg.Realm,
		AuthHandler:   d.key,
		EventHandler:  turn.EventHandler{OnAllocationDeleted: d.deleted, OnChannelDeleted: d.unbound},
		LoggerFactory: pionLog{s.log},
		InboundMTU:    gate.MaxFrameBytes + 1, // pion drops what fills its buffer
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn: d, RelayAddressGenerator: d,
			PermissionHandler: func(net.Addr, net.IP) bool { return true }, // judge has decided
		}},
	})
	if err != nil {
		s.doors.Done()
		return errors.Join(err, conn.Close())
	}
	return nil
}

// ReadFrom gives pion the next message that is worth its time.
func (d *door) ReadFrom(p []byte) (int, net.Addr, error) {
	d.done()
	for {
		if o := d.coming(); o != nil {
			if n, ok := d.give(o, p); ok {
				return n, o.from, nil
			}
			continue
		}
		n, from, err := d.lane.ReadFrom(p)
		if err != nil {
			d.leave()
			return n, from, err
		}
		if d.admit(p[:n], from) {
			return n, from, nil
		}
	}
}

// leave notes, once, that pion reads no more.
func (d *door) leave() {
	if !d.ended {
		d.ended = true
		if d.stream != nil {
			d.stream.Linger()
		}
		d.srv.doors.Done()
	}
}

// admit looks at a message that has come: data of clients that hold an
// allocation passes as it is; requests are answered here, or become the next
// order; everything else is dropped.
func (d *door) admit(message []byte, from net.Addr) (pass bool) {
	if !stun.IsMessage(message) || isSend(message) {
		if d.at(gate.AddrPort(from)) == nil {
			d.handOn(message, from)
			return false
		}
		return !isSend(message) || sendable(message) // else it is ChannelData, says the gate
	}
	if d.handOn(message, from) {
		return false
	}
	r, ok := readRequest(message, from)
	switch {
	case !ok:
		d.srv.refuseFrame()
		return false
	case r.Type.Class != stun.ClassRequest:
		d.srv.refuseFrame() // an answer to nothing we asked, or nothing that a client indicates
		return false
	}
	d.saw(r, false, 0)
	switch r.Type.Method {
	case stun.MethodBinding:
		d.bound(r)
	case stun.MethodAllocate, stun.MethodRefresh, stun.MethodCreatePermission, stun.MethodChannelBind:
		d.take(r)
	default:
		d.srv.refuseFrame() // unknown methods are met with silence: RFC 8489 §6.3
	}
	return false
}

// take answers a request, or makes it the next order.
func (d *door) take(r *request) {
	u, no := d.authenticate(r)
	if no != nil {
		d.refuse(r, no, nil)
		return
	}
	o, no := d.judge(r, u)
	if no != nil {
		d.refuse(r, no, u.key)
		return
	}
	d.next = o
}

// give writes the next order for pion into p or, if pion's nonce has grown old,
// a question that pion answers with a new one. It is false if the order cannot
// be given; then it was answered here.
func (d *door) give(o *order, p []byte) (n int, ok bool) {
	fresh := d.nonce.value != "" && time.Since(d.nonce.asked) < pionNonceAge
	if !fresh && !o.asked {
		o.asked, d.nonce = true, pionNonce{asked: time.Now()}
		return write(p, stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest))
	}
	d.took(o)
	no := refuse(stun.CodeServerError) // not possible: pion has not answered
	if fresh {
		no = refuse(stun.CodeBadRequest) // it would not fit
		n, ok = write(p, append([]stun.Setter{stun.NewTransactionIDSetter(o.TransactionID), stun.NewType(o.Type.Method, stun.ClassRequest)},
			append(o.attrs, stun.NewUsername(o.grant.id), stun.NewRealm(d.srv.cfg.Realm), stun.NewNonce(d.nonce.value), stun.MessageIntegrity(o.user.key))...)...)
	}
	if ok && !d.begin(o) {
		no, ok = refuse(stun.CodeAllocMismatch), false
	}
	if !ok {
		d.forgo(o)
		if !o.ours {
			d.refuse(o.request, no, o.user.key)
		}
	}
	return n, ok
}

// write builds a message into p; false if it does not fit.
func write(p []byte, setters ...stun.Setter) (n int, ok bool) {
	m, err := stun.Build(setters...)
	if err != nil || len(m.Raw) > len(p) {
		return 0, false
	}
	return copy(p, m.Raw), true
}

// begin is the start of pion's turn with an order. An allocation may have begun
// to end since judge looked: then only its end may be ordered.
func (d *door) begin(o *order) bool {
	d.turn.Lock()
	if o.grant.ending.Load() && !o.ends {
		d.turn.Unlock()
		return false
	}
	d.order, o.turn = o, true
	if o.ends {
		d.srv.quota.leave()
	}
	return true
}

// endTurn lets others end the allocation. Pion has changed it by the time it
// answers, and a client that does not read must not hold them up.
func (d *door) endTurn(o *order) {
	if o.turn {
		o.turn = false
		d.turn.Unlock()
	}
}

// done ends an order that pion has acted on, and its client was answered.
func (d *door) done() {
	if o := d.order; o != nil {
		d.order = nil
		d.endTurn(o)
		d.forgo(o)
		if o.ends {
			d.srv.quota.left()
		}
	}
}

// forgo gives the grant of an Allocate back, once, that has come to nothing.
func (d *door) forgo(o *order) {
	g := o.grant
	if o.Type.Method != stun.MethodAllocate || g.relay.Load() != nil || o.forgone {
		return
	}
	o.forgone = true
	d.srv.giveBack(g)
	if g.place.taken != nil {
		_ = g.place.taken.Close() // its port is free again
	}
}

// WriteTo takes what pion sends: data goes out as it is, answers as forward
// makes them. Only the reader answers.
func (d *door) WriteTo(p []byte, addr net.Addr) (int, error) {
	if !stun.IsMessage(p) || isData(p) {
		return d.PacketConn.WriteTo(p, addr)
	}
	m := new(stun.Message)
	if err := stun.Decode(p, m); err != nil {
		return 0, err // not possible: pion has built it
	}
	o := d.order
	if o == nil { // the answer to our question
		nonce, _ := m.Get(stun.AttrNonce)
		d.nonce.value = string(nonce)
		return len(p), nil
	}
	switch {
	case codeOf(m) == stun.CodeStaleNonce && !o.renewed:
		d.renew(o, m)
		return len(p), nil
	case m.Type.Class != stun.ClassSuccessResponse:
		d.forgo(o) // before the client knows
		d.srv.count.refused.add(codeOf(m))
	case o.accept != nil:
		o.accept(time.Now())
	}
	d.endTurn(o)
	if o.ours {
		return len(p), nil
	}
	d.forward(o, m)
	return len(p), nil
}

// isData reports whether a message is a Data indication, which the goroutines
// of the relays send.
func isData(p []byte) bool { return p[0] == 0x00 && p[1] == 0x17 }

// key is pion's AuthHandler: the order was signed with it.
func (d *door) key(string, string, net.Addr) ([]byte, bool) {
	if d.order == nil {
		return nil, false
	}
	return d.order.user.key, true
}

// deleted is told when pion has forgotten an allocation, whatever the reason.
func (d *door) deleted(from, _ net.Addr, _, id, _ string) {
	client := gate.AddrPort(from)
	d.mu.Lock()
	delete(d.parted, id)
	g := d.held[client]
	gone := g != nil && g.id == id
	if gone {
		delete(d.held, client)
	}
	d.mu.Unlock()
	if gone {
		d.freed(client)
	}
}

// unbound is told when pion has forgotten a channel, whatever the reason.
func (d *door) unbound(from, _ net.Addr, _, id, _ string, _, _ net.Addr, number uint16) {
	if g := d.at(gate.AddrPort(from)); g != nil && g.id == id {
		d.srv.kernel.unbind(g.relay.Load(), number)
	}
}

// Validate has nothing to say; it makes a door pion's RelayAddressGenerator.
func (d *door) Validate() error { return nil }

// AllocatePacketConn opens the relay of the order; an error means 508
// (RFC 8656 §7.2).
func (d *door) AllocatePacketConn(string, int) (net.PacketConn, net.Addr, error) {
	if d.order == nil {
		return nil, nil, errors.ErrUnsupported // not possible: pion acts on orders
	}
	g := d.order.grant
	r, token, err := d.srv.place(g)
	if err != nil {
		d.srv.portsRanOut(g.relays.family(), err)
		d.refused(EventPorts, d.order.request, &g.member)
		return nil, nil, err
	}
	// Whoever revokes sees the member that has entered, or we see the revocation.
	asOf := d.srv.cfg.asOf()
	if d.srv.rooms.enter(g, asOf); d.srv.rooms.isRevoked(&g.member, asOf) {
		d.srv.rooms.leave(g)
		_ = r.Close() // nobody was told of it
		return nil, nil, errRevoked
	}
	g.token = token
	g.ends = time.Now().Add(minLifetime) // until accept knows better
	if d.in != nil {
		g.reply = d.in.Reply(d.order.from)
		g.outlet = r.outletHome(g)
	}
	d.hold(g)
	r.belongTo(g, d.srv.kernel.drop, func() {
		g.ending.Store(true)
		d.part(g)
		d.srv.rooms.leave(g)
		d.srv.giveBack(g)
		d.moved(g)
		d.happened(EventDeallocated, &g.member, g.householdRoom(), Event{})
	})
	g.relay.Store(r)
	d.srv.count.made.Add(1)
	d.moved(g)
	d.allocated(g)
	return r, g.relays.addr(r), nil
}

// AllocateConn would open a TCP relay (RFC 6062), which we have not.
func (d *door) AllocateConn(string, int) (net.Conn, net.Addr, error) {
	return nil, nil, errors.ErrUnsupported
}

func (d *door) hold(g *grant) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held[g.client] = g
}

// at is the grant of the client's allocation, or nil.
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
