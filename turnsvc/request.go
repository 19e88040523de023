package turnsvc

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// request is one STUN message, read once. What follows MESSAGE-INTEGRITY is
// not in it, for it was not signed (RFC 8489 §14.5); FINGERPRINT has been
// checked.
type request struct {
	*stun.Message
	client      netip.AddrPort
	from        net.Addr // client, as the socket says it
	signed      bool     // has a MESSAGE-INTEGRITY, good or bad
	fingerprint bool     // had a FINGERPRINT: the answer has one, too
}

// maxAttributes bounds the attributes of a message; a browser sends ten, and a
// CreatePermission with many peers some more.
const maxAttributes = 64

// readRequest takes a message apart. It is not one if it is cut short, has too
// many attributes, or a wrong FINGERPRINT (RFC 8489 §14.7).
func readRequest(raw []byte, from net.Addr) (*request, bool) {
	m := &stun.Message{Raw: slices.Clone(raw)}
	if m.Decode() != nil || len(m.Attributes) > maxAttributes {
		return nil, false
	}
	r := &request{Message: m, from: from, client: gate.AddrPort(from), fingerprint: m.Contains(stun.AttrFingerprint)}
	if r.fingerprint && stun.Fingerprint.Check(m) != nil {
		return nil, false
	}
	r.cut()
	return r, true
}

// cut ends the message after its MESSAGE-INTEGRITY, if it has one.
func (r *request) cut() {
	length := 0
	for i, attr := range r.Attributes {
		length += attributeHeaderBytes + (int(attr.Length)+3)&^3
		if attr.Type == stun.AttrMessageIntegrity {
			r.signed = true
			r.Attributes = r.Attributes[:i+1]
			r.Length = uint32(length)
			r.Raw = r.Raw[:messageHeaderBytes+length]
			r.WriteLength()
			return
		}
	}
}

const (
	messageHeaderBytes   = 20 // RFC 8489 §5
	attributeHeaderBytes = 4  // RFC 8489 §14
)

// text is the value of an attribute that is text; false if there is none.
func (r *request) text(at stun.AttrType) (string, bool) {
	v, err := r.Get(at)
	return string(v), err == nil
}

// number is the value of an attribute of four bytes; ok is false if there is
// none, and it is nonsense if it has another length.
func (r *request) number(at stun.AttrType) (n uint32, ok, nonsense bool) {
	v, err := r.Get(at)
	switch {
	case err != nil:
		return 0, false, false
	case len(v) != 4:
		return 0, true, true
	}
	return binary.BigEndian.Uint32(v), true, false
}

// peers are the XOR-PEER-ADDRESS attributes (RFC 8656 §18.3); false if one of
// them makes no sense.
func (r *request) peers() ([]netip.AddrPort, bool) {
	var list []netip.AddrPort
	for _, attr := range r.Attributes {
		if attr.Type != stun.AttrXORPeerAddress {
			continue
		}
		peer, ok := r.unXOR(attr.Value)
		if !ok {
			return nil, false
		}
		list = append(list, peer)
	}
	return list, true
}

// unXOR reads an address as RFC 8489 §14.2 writes it. An IPv4-mapped one stays
// what it says it is: an IPv6 address.
func (r *request) unXOR(v []byte) (netip.AddrPort, bool) {
	if len(v) < 4 {
		return netip.AddrPort{}, false
	}
	port := binary.BigEndian.Uint16(v[2:]) ^ uint16(stunCookie>>16)
	var mask [16]byte
	binary.BigEndian.PutUint32(mask[:], stunCookie)
	copy(mask[4:], r.TransactionID[:])
	ip := slices.Clone(v[4:])
	for i := range min(len(ip), len(mask)) {
		ip[i] ^= mask[i]
	}
	switch {
	case v[1] == family4 && len(ip) == 4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip)), port), true
	case v[1] == family6 && len(ip) == 16:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(ip)), port), true
	}
	return netip.AddrPort{}, false
}

const (
	stunCookie = 0x2112A442 // RFC 8489 §5
	family4    = 0x01       // RFC 8489 §14.1
	family6    = 0x02
	protoUDP   = 17 // of REQUESTED-TRANSPORT: RFC 8656 §18.7
)

// The bounds of LIFETIME: the default is the least (RFC 8656 §7.2), and pion
// takes an hour, and more, for the default.
const (
	minLifetime = 10 * time.Minute
	maxLifetime = time.Hour - time.Second
)

// lifetime is what is granted for the LIFETIME attribute; 0 was asked for as
// such.
func (r *request) lifetime() (granted time.Duration, ok bool) {
	seconds, given, nonsense := r.number(stun.AttrLifetime)
	switch {
	case nonsense:
		return 0, false
	case !given:
		return minLifetime, true
	case seconds == 0:
		return 0, true
	}
	return min(max(time.Duration(seconds)*time.Second, minLifetime), maxLifetime), true
}

// unknown lists the comprehension-required attributes (RFC 8489 §14) that we
// do not understand. We cannot set the DF bit, so DONT-FRAGMENT is one of them
// (RFC 8656 §7.2).
func (r *request) unknown() (list []stun.AttrType) {
	for _, attr := range r.Attributes {
		if attr.Type < comprehensionOptional && !understood(attr.Type) && !slices.Contains(list, attr.Type) {
			list = append(list, attr.Type)
		}
	}
	return list
}

// comprehensionOptional is the first type that may be ignored: RFC 8489 §18.3.
const comprehensionOptional stun.AttrType = 0x8000

func understood(at stun.AttrType) bool {
	switch at {
	case stun.AttrUsername, stun.AttrRealm, stun.AttrNonce, stun.AttrMessageIntegrity,
		stun.AttrChannelNumber, stun.AttrLifetime, stun.AttrXORPeerAddress, stun.AttrData,
		stun.AttrEvenPort, stun.AttrRequestedTransport, stun.AttrReservationToken, stun.AttrRequestedAddressFamily,
		stun.AttrXORMappedAddress: // package stun takes 0x8020, which may be ignored, for it
		return true
	}
	return false
}
