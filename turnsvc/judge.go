package turnsvc

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// An order is what pion is asked to do: a request of ours, made from a
// client's that has passed every check. Only the attributes that count are in
// it, each once and with a value that pion reads as we do.
type order struct {
	*request
	user    *user
	grant   *grant          // whom it is about; of Allocate the new one
	attrs   []stun.Setter   // what pion gets
	ends    bool            // it ends the allocation
	ours    bool            // no client has asked
	asked   bool            // pion was asked for a nonce because of it
	renewed bool            // pion wanted another nonce, and has given it
	turn    bool            // it is pion's turn: door.turn is held
	forgone bool            // the grant of an Allocate was given back
	accept  func(time.Time) // when pion has said yes; nil: nothing to do
}

// judge decides about a request of an authenticated user.
func (d *door) judge(r *request, u *user) (*order, *refusal) {
	if unknown := r.unknown(); len(unknown) > 0 {
		return nil, &refusal{code: stun.CodeUnknownAttribute, unknown: unknown}
	}
	held := d.at(r.client)
	if r.Type.Method == stun.MethodAllocate {
		return d.judgeAllocate(r, u, held)
	}
	foreign := held != nil && held.owner != u.owner
	switch {
	case held == nil, foreign && held.ending.Load(): // it was ended, a moment ago
		return nil, refuse(stun.CodeAllocMismatch)
	case foreign:
		d.srv.count.auth.Add(1)
		return nil, refuse(stun.CodeWrongCredentials)
	}
	o := &order{request: r, user: u, grant: held}
	switch r.Type.Method {
	case stun.MethodRefresh:
		return d.judgeRefresh(o)
	case stun.MethodCreatePermission:
		return d.judgePermission(o)
	default:
		return d.judgeChannel(o)
	}
}

// judgeAllocate follows RFC 8656 §7.2.
func (d *door) judgeAllocate(r *request, u *user, held *grant) (*order, *refusal) {
	if held != nil {
		if held.transaction != r.TransactionID || held.owner != u.owner || !held.touchable() {
			return nil, refuse(stun.CodeAllocMismatch)
		}
		return &order{request: r, user: u, grant: held, attrs: allocateAttrs(minLifetime)}, nil // pion repeats its answer
	}
	transport, given, nonsense := r.number(stun.AttrRequestedTransport)
	lifetime, sane := r.lifetime()
	switch {
	case !given || nonsense || !sane:
		return nil, refuse(stun.CodeBadRequest)
	case transport>>24 != protoUDP: // TCP relays are RFC 6062, which we have not
		return nil, refuse(stun.CodeUnsupportedTransProto)
	case lifetime == 0:
		lifetime = minLifetime
	}
	home, no := d.family(r)
	if no != nil {
		return nil, no
	}
	if !d.srv.budget.admits() {
		d.srv.count.budget.Add(1)
		d.refused(EventBudget, r, &u.member)
		return nil, refuse(stun.CodeInsufficientCapacity)
	}
	g := newGrant(d, r, u.member, d.srv.grants.Add(1))
	g.relays = home
	if no := d.settle(g, r); no != nil {
		return nil, no
	}
	if !d.srv.take(g) {
		d.srv.count.quota.Add(1)
		d.refused(EventQuota, r, &u.member)
		if g.place.taken != nil {
			_ = g.place.taken.Close() // its port is free again
		}
		return nil, refuse(stun.CodeAllocQuotaReached)
	}
	return &order{request: r, user: u, grant: g, attrs: allocateAttrs(lifetime), accept: func(now time.Time) { g.ends = now.Add(lifetime) }}, nil
}

func allocateAttrs(lifetime time.Duration) []stun.Setter {
	return []stun.Setter{
		stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{protoUDP, 0, 0, 0}},
		seconds(lifetime),
	}
}

// family finds the relays of the family that is asked for; none is 440.
func (d *door) family(r *request) (*relays, *refusal) {
	family, given, nonsense := r.number(stun.AttrRequestedAddressFamily)
	_, token := r.text(stun.AttrReservationToken)
	switch {
	case nonsense || given && token:
		return nil, refuse(stun.CodeBadRequest)
	case !given:
		family = uint32(d.srv.homes.standard()) << 24
	}
	if home := d.srv.homes.of(byte(family >> 24)); home != nil {
		return home, nil
	}
	return nil, refuse(stun.CodeAddrFamilyNotSupported)
}

// settle finds out which port is wanted.
func (d *door) settle(g *grant, r *request) *refusal {
	even, evenErr := r.Get(stun.AttrEvenPort)
	token, tokenErr := r.Get(stun.AttrReservationToken)
	switch {
	case evenErr == nil && (tokenErr == nil || len(even) != 1):
		return refuse(stun.CodeBadRequest)
	case evenErr == nil:
		g.place = place{even: true, reserve: even[0]&0x80 != 0}
	case tokenErr == nil:
		if g.place.taken = d.srv.reserved.take(token); g.place.taken == nil {
			return refuse(stun.CodeInsufficientCapacity)
		}
		g.relays = g.place.taken.home
	}
	return nil
}

// judgeRefresh follows RFC 8656 §8.2.
func (d *door) judgeRefresh(o *order) (*order, *refusal) {
	lifetime, sane := o.lifetime()
	family, given, nonsense := o.number(stun.AttrRequestedAddressFamily)
	switch {
	case !sane || nonsense:
		return nil, refuse(stun.CodeBadRequest)
	case given && byte(family>>24) != o.grant.relays.family():
		return nil, refuse(stun.CodePeerAddrFamilyMismatch)
	case lifetime > 0 && !o.grant.touchable():
		return nil, refuse(stun.CodeAllocMismatch)
	}
	o.attrs = []stun.Setter{seconds(lifetime)}
	if lifetime == 0 {
		o.ends = true
		o.grant.ending.Store(true)
	} else {
		o.accept = func(now time.Time) { o.grant.ends = now.Add(lifetime) }
	}
	return o, nil
}

// judgePermission follows RFC 8656 §10.2: all of the peers, or none.
func (d *door) judgePermission(o *order) (*order, *refusal) {
	peers, sane := o.peers()
	if !sane || len(peers) == 0 {
		return nil, refuse(stun.CodeBadRequest)
	}
	if no := d.reach(o, peers); no != nil {
		return nil, no
	}
	if !o.grant.hasRoomFor(peers, time.Now()) {
		return nil, refuse(stun.CodeInsufficientCapacity)
	}
	for _, peer := range peers {
		o.attrs = append(o.attrs, o.xorPeer(peer))
	}
	o.accept = func(now time.Time) { o.grant.permit(peers, now) }
	return o, nil
}

// judgeChannel follows RFC 8656 §12.2.
func (d *door) judgeChannel(o *order) (*order, *refusal) {
	number, given, nonsense := o.number(stun.AttrChannelNumber)
	peers, sane := o.peers()
	channel := uint16(number >> 16)
	if !given || nonsense || !sane || len(peers) == 0 || channel < minChannel || channel > maxChannel {
		return nil, refuse(stun.CodeBadRequest)
	}
	peer, now := peers[0], time.Now()
	if no := d.reach(o, peers[:1]); no != nil {
		return nil, no
	}
	ok, full := o.grant.bindable(channel, peer, now)
	switch {
	case !ok:
		return nil, refuse(stun.CodeBadRequest)
	case full || !o.grant.hasRoomFor(peers[:1], now):
		return nil, refuse(stun.CodeInsufficientCapacity)
	}
	o.attrs = []stun.Setter{
		stun.RawAttribute{Type: stun.AttrChannelNumber, Value: binary.BigEndian.AppendUint32(nil, uint32(channel)<<16)},
		o.xorPeer(peer),
	}
	o.accept = func(now time.Time) {
		o.grant.bind(channel, peer, now)
		d.srv.kernel.bind(o.grant, channel, peer, o)
	}
	return o, nil
}

// The channels: RFC 8656 §12.
const (
	minChannel = 0x4000
	maxChannel = 0x4FFF
)

// reach says whether the user may send to peers: 443 to those of another
// family, 403 to those that are out of bounds, 437 while the allocation ends.
func (d *door) reach(o *order, peers []netip.AddrPort) *refusal {
	if !o.grant.touchable() {
		return refuse(stun.CodeAllocMismatch)
	}
	for _, peer := range peers {
		if familyOf(peer.Addr()) != o.grant.relays.family() && !peer.Addr().Is4In6() {
			return refuse(stun.CodePeerAddrFamilyMismatch)
		}
	}
	for _, peer := range peers {
		if !d.mayReach(o.grant, peer.Addr()) {
			d.srv.count.peers.Add(1)
			d.forbid(o.grant, peer.Addr())
			return refuse(codeForbidden)
		}
	}
	return nil
}

// mayReach is the first wall: it sees addresses, not ports.
func (d *door) mayReach(g *grant, ip netip.Addr) bool {
	switch {
	case ip.Is4In6() || !g.relays.wall.grants(ip):
		return false
	case d.srv.cfg.Peers != PeersRoom || d.srv.homes.view.Load().relayed(ip): // the relay socket sees whose port it is
		return true
	}
	now := d.srv.cfg.now()
	if n := d.srv.homes.neighbours.Load(); n.has(ip) {
		if d.srv.rooms.expects(g, n, ip, now) {
			return true
		}
		if !d.srv.homes.filter.Load().lifts(ip) {
			return false
		}
	}
	return g.knows(ip) || g.meets(ip) || d.srv.rooms.sawPartner(g, ip, now)
}

func familyOf(ip netip.Addr) byte {
	if ip.Is4() {
		return family4
	}
	return family6
}

// seconds is a LIFETIME.
func seconds(d time.Duration) stun.Setter {
	return stun.RawAttribute{Type: stun.AttrLifetime, Value: binary.BigEndian.AppendUint32(nil, uint32(d/time.Second))}
}

// xorPeer writes an XOR-PEER-ADDRESS for the transaction of the order.
func (o *order) xorPeer(peer netip.AddrPort) stun.Setter {
	return xorPeer{stun.XORMappedAddress{IP: peer.Addr().AsSlice(), Port: int(peer.Port())}}
}

type xorPeer struct{ addr stun.XORMappedAddress }

// AddTo implements stun.Setter.
func (x xorPeer) AddTo(m *stun.Message) error { return x.addr.AddToAs(m, stun.AttrXORPeerAddress) }
