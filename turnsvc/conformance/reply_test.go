package conformance

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// A reply is what came back for a request.
type reply struct {
	event string // what happened instead of an answer; empty: raw is one
	raw   []byte
	key   []byte // what the request was signed with; nil: it was not
}

// String is the reply in the words of the table.
func (r reply) String() string {
	if r.event != "" {
		return r.event
	}
	class := binary.BigEndian.Uint16(r.raw) & failure
	s := "success"
	switch code := r.code(); {
	case class != failure:
	case code == 0:
		s = "error without a code"
	case code == 401 || code == 438:
		s = fmt.Sprint(code)
		if r.get(attrRealm) == nil || r.get(attrNonce) == nil {
			s += " without REALM and NONCE"
		}
		return s + r.flaws()
	case code == 420:
		s = fmt.Sprintf("420 for %x", r.get(attrUnknown))
	default:
		s = fmt.Sprint(code)
	}
	if r.key != nil && !r.proves(r.key) {
		s += " unsigned"
	}
	return s + r.flaws()
}

func (r reply) flaws() string {
	if f := r.get(attrFingerprint); f != nil && !r.printed() {
		return ", wrong FINGERPRINT"
	}
	return ""
}

func (r reply) succeeded() bool {
	return r.event == "" && binary.BigEndian.Uint16(r.raw)&failure == success
}

// code is that of ERROR-CODE (RFC 8489 §14.8), or 0.
func (r reply) code() int {
	v := r.get(attrErrorCode)
	if len(v) < 4 {
		return 0
	}
	return int(v[2])*100 + int(v[3])
}

// get is the value of the first attribute of a type, or nil.
func (r reply) get(typ uint16) []byte {
	at := r.find(typ)
	if at < 0 {
		return nil
	}
	n := int(binary.BigEndian.Uint16(r.raw[at+2:]))
	return r.raw[at+4 : at+4+n]
}

// find is where the first attribute of a type begins, or -1.
func (r reply) find(typ uint16) int {
	for at := headerBytes; r.event == "" && at+4 <= len(r.raw); {
		n := int(binary.BigEndian.Uint16(r.raw[at+2:]))
		if at+4+n > len(r.raw) {
			return -1
		}
		if binary.BigEndian.Uint16(r.raw[at:]) == typ {
			return at
		}
		at += 4 + (n+3)&^3
	}
	return -1
}

// proves reports whether the answer is signed with the key.
func (r reply) proves(key []byte) bool { return r.ends(attrIntegrity, integrity(key)) }

// printed reports whether the answer has a FINGERPRINT that is right.
func (r reply) printed() bool { return r.ends(attrFingerprint, fingerprint(0)) }

// ends reports whether an attribute is what it should be after all that stands
// before it.
func (r reply) ends(typ uint16, again part) bool {
	at := r.find(typ)
	if at < 0 {
		return false
	}
	whole := with(r.raw[:at], again)
	return len(whole) <= len(r.raw) && bytes.Equal(whole[at:], r.raw[at:len(whole)])
}

// relayed is the relayed transport address, or invalid.
func (r reply) relayed() netip.AddrPort { return r.addr(attrRelayed) }

func (r reply) addr(typ uint16) netip.AddrPort {
	v := r.get(typ)
	if len(v) < 4 {
		return netip.AddrPort{}
	}
	ip := bytes.Clone(v[4:])
	for i := range ip {
		ip[i] ^= r.raw[4+i]
	}
	addr, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(v[2:])^(magicCookie>>16))
}

// lifetime is that of the allocation, in words.
func (r reply) lifetime() string {
	if v := r.get(attrLifetime); len(v) == 4 {
		return fmt.Sprint(binary.BigEndian.Uint32(v), " s")
	}
	return "no LIFETIME"
}

// relay says which families and what kind of port were granted.
func (r reply) relay() string {
	switch ip := r.relayed(); {
	case !ip.IsValid():
		return "no relay"
	case ip.Addr().Is4():
		return "IPv4 relay"
	}
	return "IPv6 relay"
}

// parity says what the port of the relay is.
func (r reply) parity() string {
	if r.relayed().Port()%2 == 0 {
		return "even"
	}
	return "odd"
}

// list joins the facts of an answer. A fact that follows a failure is left out:
// there is nothing to say.
func list(facts ...any) string {
	var words []string
	for _, f := range facts {
		words = append(words, fmt.Sprint(f))
		if r, is := f.(reply); is && !r.succeeded() {
			break
		}
	}
	return strings.Join(words, ", ")
}
