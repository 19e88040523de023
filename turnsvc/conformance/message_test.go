package conformance

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"net/netip"
	"slices"
)

// Methods and classes: RFC 8489 §5, RFC 8656 §17. A message type is their sum.
const (
	binding          = 0x001
	allocate         = 0x003
	refresh          = 0x004
	send             = 0x006
	dataMethod       = 0x007
	createPermission = 0x008
	channelBind      = 0x009

	request    = 0x000
	indication = 0x010
	success    = 0x100
	failure    = 0x110
)

// Attributes: RFC 8489 §18.3, RFC 8656 §18.
const (
	attrUsername           = 0x0006
	attrIntegrity          = 0x0008
	attrErrorCode          = 0x0009
	attrUnknown            = 0x000A
	attrChannelNumber      = 0x000C
	attrLifetime           = 0x000D
	attrPeer               = 0x0012
	attrData               = 0x0013
	attrRealm              = 0x0014
	attrNonce              = 0x0015
	attrRelayed            = 0x0016
	attrRequestedFamily    = 0x0017
	attrEvenPort           = 0x0018
	attrRequestedTransport = 0x0019
	attrDontFragment       = 0x001A
	attrIntegritySHA256    = 0x001C
	attrMapped             = 0x0020
	attrReservationToken   = 0x0022
	attrAdditionalFamily   = 0x8000
	attrAddressErrorCode   = 0x8001
	attrSoftware           = 0x8022
	attrFingerprint        = 0x8028

	// Not assigned: the first a server must understand, the second it may ignore.
	attrRequiredUnknown = 0x0002
	attrOptionalUnknown = 0xC0DE
)

const (
	headerBytes    = 20
	magicCookie    = 0x2112A442
	fingerprintXOR = 0x5354554E
	ipv4, ipv6     = 1, 2
)

// A part appends something to a message and mends the length in its header.
type part func(p []byte) []byte

// message is a header with a random transaction id, and parts.
func message(typ uint16, parts ...part) []byte {
	p := binary.BigEndian.AppendUint16(nil, typ)
	p = binary.BigEndian.AppendUint32(append(p, 0, 0), magicCookie)
	id := make([]byte, 12)
	_, _ = rand.Read(id) // never fails: it ends the process instead
	return with(append(p, id...), parts...)
}

// with appends parts to a message of its own.
func with(p []byte, parts ...part) []byte {
	p = slices.Clone(p)
	for _, add := range parts {
		p = add(p)
	}
	return p
}

// attr is one attribute, padded with zeros (RFC 8489 §14).
func attr(typ uint16, value ...byte) part {
	return func(p []byte) []byte {
		p = binary.BigEndian.AppendUint16(p, typ)
		p = binary.BigEndian.AppendUint16(p, uint16(len(value)))
		p = append(p, value...)
		return announce(append(p, make([]byte, -len(value)&3)...), 0)
	}
}

// announce writes the length of p, and of more bytes to come, into its header.
func announce(p []byte, more int) []byte {
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)-headerBytes+more))
	return p
}

func text(typ uint16, value string) part { return attr(typ, []byte(value)...) }

func number(typ uint16, value uint32) part {
	return attr(typ, binary.BigEndian.AppendUint32(nil, value)...)
}

// udp asks for a relay over UDP; 17 is UDP in the registry of IP protocols.
func udp() part { return transport(17) }

func transport(protocol byte) part    { return attr(attrRequestedTransport, protocol, 0, 0, 0) }
func lifetime(seconds uint32) part    { return number(attrLifetime, seconds) }
func family(value byte) part          { return attr(attrRequestedFamily, value, 0, 0, 0) }
func channel(n uint16) part           { return number(attrChannelNumber, uint32(n)<<16) }
func evenPort() part                  { return attr(attrEvenPort, 0) }
func evenPortAndNext() part           { return attr(attrEvenPort, 0x80) }
func reservation(token []byte) part   { return attr(attrReservationToken, token...) }
func unknownRequired() part           { return attr(attrRequiredUnknown, 1, 2, 3, 4) }
func peerIP(ip string) part           { return peerAt(netip.AddrPortFrom(netip.MustParseAddr(ip), 9)) }
func peerAt(addr netip.AddrPort) part { return xorAddr(attrPeer, addr) }

// xorAddr is an address as RFC 8489 §14.2 hides it from NATs. An IPv4-mapped
// address goes out as IPv6.
func xorAddr(typ uint16, addr netip.AddrPort) part {
	return func(p []byte) []byte {
		ip := addr.Addr().AsSlice()
		v := []byte{0, ipv4}
		if len(ip) == 16 {
			v[1] = ipv6
		}
		v = binary.BigEndian.AppendUint16(v, addr.Port()^(magicCookie>>16))
		for i, b := range ip {
			v = append(v, b^p[4+i]) // the cookie, and for IPv6 the transaction id
		}
		return attr(typ, v...)(p)
	}
}

// integrity is MESSAGE-INTEGRITY over all that stands before it (RFC 8489 §14.5).
func integrity(key []byte) part { return signature(attrIntegrity, sha1.New, key) }

// integritySHA256 is MESSAGE-INTEGRITY-SHA256 (RFC 8489 §14.6).
func integritySHA256(key []byte) part { return signature(attrIntegritySHA256, sha256.New, key) }

func signature(typ uint16, algorithm func() hash.Hash, key []byte) part {
	return func(p []byte) []byte {
		mac := hmac.New(algorithm, key)
		mac.Write(announce(p, 4+mac.Size()))
		return attr(typ, mac.Sum(nil)...)(p)
	}
}

// fingerprint is FINGERPRINT (RFC 8489 §14.7), with some bits turned over.
func fingerprint(wrong uint32) part {
	return func(p []byte) []byte {
		return number(attrFingerprint, crc32.ChecksumIEEE(announce(p, 8))^fingerprintXOR^wrong)(p)
	}
}

// channelData is a ChannelData message (RFC 8656 §12.4), padded.
func channelData(n uint16, data string) []byte {
	p := binary.BigEndian.AppendUint16(nil, n)
	p = binary.BigEndian.AppendUint16(p, uint16(len(data)))
	p = append(p, data...)
	return append(p, make([]byte, -len(data)&3)...)
}
