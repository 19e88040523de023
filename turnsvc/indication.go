package turnsvc

import (
	"crypto/rand"
	"encoding/binary"
	"hash/crc32"
	"net/netip"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// isSend reports whether a message is a Send indication (RFC 8656 §11).
func isSend(m []byte) bool { return stun.IsMessage(m) && m[0] == 0x00 && m[1] == 0x16 }

// sendable reports whether a Send indication may go to pion as it is: whole, with
// nothing in it that must be understood and is not, a peer that can be an address,
// and a right FINGERPRINT if it has one. What is understood but has no business here,
// such as a credential, is ignored (RFC 8489 §6.3), unless something that counts
// follows a signature, which pion would not ignore. It looks without taking the
// message apart, since these are packets of a chat, too.
func sendable(m []byte) bool {
	if int(binary.BigEndian.Uint16(m[2:])) != len(m)-messageHeaderBytes {
		return false
	}
	for at, signed := messageHeaderBytes, false; at < len(m); {
		if len(m)-at < attributeHeaderBytes {
			return false
		}
		typ, length := stun.AttrType(binary.BigEndian.Uint16(m[at:])), int(binary.BigEndian.Uint16(m[at+2:]))
		next := at + attributeHeaderBytes + (length+3)&^3
		switch {
		case next > len(m):
			return false
		case typ == stun.AttrFingerprint:
			return length == 4 && next == len(m) &&
				binary.BigEndian.Uint32(m[at+attributeHeaderBytes:]) == crc32.ChecksumIEEE(m[:at])^fingerprintXOR
		case typ == stun.AttrXORPeerAddress && length != addressBytes4 && length != addressBytes6:
			return false // an empty one at the end would make pion read beyond the message, and panic
		case typ == stun.AttrXORPeerAddress || typ == stun.AttrData:
			if signed {
				return false
			}
		case typ == stun.AttrMessageIntegrity:
			signed = true
		case typ < comprehensionOptional && !understood(typ):
			return false
		}
		at = next
	}
	return true
}

// The lengths of an address of either family: RFC 8489 §14.2.
const (
	addressBytes4 = 8
	addressBytes6 = 20
)

// fingerprintXOR tells a FINGERPRINT from other checksums: RFC 8489 §14.7.
const fingerprintXOR = 0x5354554E

// readSend takes a Send indication apart that has passed sendable: whom it is for,
// and its data in the place. The first attribute of a type counts, as for pion.
func readSend(p gate.Packet) (peer netip.AddrPort, data gate.Packet, ok bool) {
	m := p.Bytes()
	if !sendable(m) {
		return peer, data, false
	}
	for at := messageHeaderBytes; at < len(m); {
		length := int(binary.BigEndian.Uint16(m[at+2:]))
		begin := at + attributeHeaderBytes
		switch typ := stun.AttrType(binary.BigEndian.Uint16(m[at:])); {
		case typ == stun.AttrXORPeerAddress && !peer.IsValid():
			if peer = readPeer(m, m[begin:begin+length]); !peer.IsValid() {
				return peer, data, false
			}
		case typ == stun.AttrData && data.Buf == nil:
			data = gate.Packet{Buf: p.Buf, Begin: p.Begin + begin, End: p.Begin + begin + length}
		}
		at = begin + (length+3)&^3
	}
	return peer, data, peer.IsValid() && data.Buf != nil
}

// readPeer reads the value of an XOR-PEER-ADDRESS in message m (RFC 8489 §14.2).
func readPeer(m, v []byte) netip.AddrPort {
	port := binary.BigEndian.Uint16(v[2:]) ^ uint16(stunCookie>>16)
	switch {
	case v[1] == family4 && len(v) == addressBytes4:
		ip := xored(m, v[4:8])
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[:4])), port)
	case v[1] == family6 && len(v) == addressBytes6:
		return netip.AddrPortFrom(netip.AddrFrom16(xored(m, v[4:20])), port)
	}
	return netip.AddrPort{}
}

// xored is ip with the cookie and the transaction of m upon it.
func xored(m, ip []byte) (b [16]byte) {
	for i := range ip {
		b[i] = ip[i] ^ m[4+i]
	}
	return b
}

// writeData makes a Data indication (RFC 8656 §11.4) of a payload from peer, in the
// room before and after it.
func writeData(peer netip.AddrPort, p gate.Packet) gate.Packet {
	n, value := p.End-p.Begin, addressBytes4
	if peer.Addr().Is6() {
		value = addressBytes6
	}
	p.Begin -= messageHeaderBytes + attributeHeaderBytes + value + attributeHeaderBytes
	for end := p.End + -n&3; p.End < end; p.End++ {
		p.Buf[p.End] = 0
	}
	m := p.Bytes()
	binary.BigEndian.PutUint16(m, 0x0017) // Data indication: RFC 8656 §17
	binary.BigEndian.PutUint16(m[2:], uint16(len(m)-messageHeaderBytes))
	binary.BigEndian.PutUint32(m[4:], stunCookie)
	_, _ = rand.Read(m[8:messageHeaderBytes]) // never fails: it ends the process instead

	a := m[messageHeaderBytes:]
	binary.BigEndian.PutUint16(a, uint16(stun.AttrXORPeerAddress))
	binary.BigEndian.PutUint16(a[2:], uint16(value))
	a[4], a[5] = 0, familyOf(peer.Addr())
	binary.BigEndian.PutUint16(a[6:], peer.Port()^uint16(stunCookie>>16))
	if ip := peer.Addr(); ip.Is4() {
		four := ip.As4()
		b := xored(m, four[:])
		copy(a[8:], b[:4])
	} else {
		sixteen := ip.As16()
		b := xored(m, sixteen[:])
		copy(a[8:], b[:])
	}

	a = a[attributeHeaderBytes+value:]
	binary.BigEndian.PutUint16(a, uint16(stun.AttrData))
	binary.BigEndian.PutUint16(a[2:], uint16(n))
	return p
}
