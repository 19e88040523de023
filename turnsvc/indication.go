package turnsvc

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/pion/stun/v3"
)

// isSend reports whether a message is a Send indication (RFC 8656 §11).
func isSend(m []byte) bool { return stun.IsMessage(m) && m[0] == 0x00 && m[1] == 0x16 }

// sendable reports whether a Send indication may go to pion as it is: whole, with
// nothing in it that must be understood and is not, a peer that can be an address,
// and a right FINGERPRINT if it has one. It looks without taking the message apart, since these are
// packets of a chat, too.
func sendable(m []byte) bool {
	if int(binary.BigEndian.Uint16(m[2:])) != len(m)-messageHeaderBytes {
		return false
	}
	for at := messageHeaderBytes; at < len(m); {
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
		case typ != stun.AttrXORPeerAddress && typ != stun.AttrData && typ < comprehensionOptional:
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
