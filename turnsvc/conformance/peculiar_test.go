//go:build interop

package conformance

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
)

// A peculiarity makes a question strange, and says how; "" means that it does not
// fit this one.
type peculiarity func(r *rand.Rand, q *question) string

func peculiarities() []peculiarity {
	return []peculiarity{
		unknownToIgnore, unknownToRefuse, wished, wished, missing, twice, ofAnotherLength, ofAnotherLength, ofAnotherValue,
		boastful, padded, shuffled, behindTheSignature, printedOnIt, wrongCredential, wrongCredential, signedForNothing,
		anotherClass, unknownMethod, anotherCookie, anotherLength, cutShort, withATail, outOfClass,
	}
}

func name(typ uint16) string {
	names := map[uint16]string{
		attrUsername: "USERNAME", attrIntegrity: "MESSAGE-INTEGRITY", attrChannelNumber: "CHANNEL-NUMBER", attrLifetime: "LIFETIME",
		attrPeer: "XOR-PEER-ADDRESS", attrData: "DATA", attrRealm: "REALM", attrNonce: "NONCE", attrRequestedFamily: "REQUESTED-ADDRESS-FAMILY",
		attrEvenPort: "EVEN-PORT", attrRequestedTransport: "REQUESTED-TRANSPORT", attrDontFragment: "DONT-FRAGMENT",
		attrReservationToken: "RESERVATION-TOKEN", attrAdditionalFamily: "ADDITIONAL-ADDRESS-FAMILY", attrFingerprint: "FINGERPRINT",
	}
	if n, has := names[typ]; has {
		return n
	}
	return fmt.Sprintf("attribute %04x", typ)
}

func unknownToIgnore(r *rand.Rand, q *question) string {
	if q.data != nil {
		return ""
	}
	q.body = slices.Insert(q.body, r.IntN(len(q.body)+1), fixed(attrOptionalUnknown, some(r, r.IntN(9))...))
	return "an attribute that may be ignored"
}

func unknownToRefuse(r *rand.Rand, q *question) string {
	if q.data != nil {
		return ""
	}
	q.add(fixed(pick[uint16](r, 0x7001, 0x7002), some(r, r.IntN(9))...))
	return "an attribute that must be understood"
}

// wished is what an Allocate may have, in any message.
func wished(r *rand.Rand, q *question) string {
	if q.data != nil {
		return ""
	}
	f, what := wish(r), "with "
	if q.find(f.typ) >= 0 {
		what = "two of "
	}
	q.add(f)
	return what + name(f.typ)
}

func missing(r *rand.Rand, q *question) string {
	if len(q.body) == 0 {
		return ""
	}
	at := r.IntN(len(q.body))
	f := q.body[at]
	q.body = slices.Delete(q.body, at, at+1)
	return "without " + name(f.typ)
}

// twice doubles an attribute; the first of a type counts (RFC 8489 §14).
func twice(r *rand.Rand, q *question) string {
	if len(q.body) == 0 {
		return ""
	}
	f := q.body[r.IntN(len(q.body))]
	again := f
	again.value = func(a *asker, before []byte) []byte {
		v := f.value(a, before)
		for i := range v {
			v[i] ^= 0x55
		}
		return v
	}
	q.body = slices.Insert(q.body, r.IntN(len(q.body)+1), again)
	return "two of " + name(f.typ)
}

func ofAnotherLength(r *rand.Rand, q *question) string {
	if len(q.body) == 0 {
		return ""
	}
	at, n, cut := r.IntN(len(q.body)), 1+r.IntN(8), r.IntN(2) == 0
	of := q.body[at].value
	q.body[at].value = func(a *asker, before []byte) []byte {
		v := of(a, before)
		if cut {
			return v[:max(0, len(v)-n)]
		}
		return append(v, make([]byte, n)...)
	}
	return "another length of " + name(q.body[at].typ)
}

func ofAnotherValue(r *rand.Rand, q *question) string {
	if len(q.body) == 0 {
		return ""
	}
	at, bit := r.IntN(len(q.body)), r.Uint32()
	of := q.body[at].value
	q.body[at].value = func(a *asker, before []byte) []byte {
		v := of(a, before)
		if len(v) > 0 {
			v[int(bit>>3)%len(v)] ^= 1 << (bit & 7)
		}
		return v
	}
	return "another value of " + name(q.body[at].typ)
}

// boastful lets an attribute claim more than there is.
func boastful(r *rand.Rand, q *question) string {
	if len(q.body) == 0 {
		return ""
	}
	at := r.IntN(len(q.body))
	q.body[at].claims = 1 + r.IntN(40000)
	return "a length beyond " + name(q.body[at].typ)
}

func padded(r *rand.Rand, q *question) string {
	if len(q.body) == 0 {
		return ""
	}
	for i := range q.body {
		q.body[i].padding = byte(r.UintN(256))
	}
	return "padding that is not 0"
}

func shuffled(r *rand.Rand, q *question) string {
	n := q.find(attrIntegrity)
	if n < 0 {
		n = len(q.body)
	}
	if n < 2 {
		return ""
	}
	r.Shuffle(n, func(i, j int) { q.body[i], q.body[j] = q.body[j], q.body[i] })
	return "another order"
}

func behindTheSignature(r *rand.Rand, q *question) string {
	at := q.find(attrIntegrity)
	if at < 0 {
		return ""
	}
	q.body = slices.Insert(q.body, at+1, pick(r, fixed(0x7001, 1, 2, 3, 4), wide(attrLifetime, 0), fixed(attrDontFragment)))
	return "something behind MESSAGE-INTEGRITY"
}

func printedOnIt(r *rand.Rand, q *question) string {
	if q.data != nil || q.find(attrFingerprint) >= 0 {
		return ""
	}
	what, wrong := "a right FINGERPRINT", uint32(0)
	if r.IntN(2) == 0 {
		what, wrong = "a wrong FINGERPRINT", 1+r.Uint32N(1<<31)
	}
	q.body = append(q.body, field{typ: attrFingerprint, value: func(_ *asker, before []byte) []byte {
		return fingerprint(wrong)(slices.Clone(before))[len(before)+4:]
	}})
	return what
}

func wrongCredential(r *rand.Rand, q *question) string {
	at := q.find(attrIntegrity)
	if at < 0 {
		return ""
	}
	switch r.IntN(4) {
	case 0:
		q.body[at].value = signedBy(func(*asker) []byte { return []byte("somebody's") })
		return "signed with another key"
	case 1:
		return q.forge(attrUsername, "4102444800:bob")
	case 2:
		return q.forge(attrRealm, "elsewhere")
	}
	return q.forge(attrNonce, "0123456789abcdef")
}

// forge gives an attribute of the credential another value.
func (q *question) forge(typ uint16, value string) string {
	if at := q.find(typ); at >= 0 {
		q.body[at] = fixed(typ, []byte(value)...)
	}
	return "a forged " + name(typ)
}

// signedForNothing signs what needs no signature.
func signedForNothing(_ *rand.Rand, q *question) string {
	if q.data != nil || q.find(attrIntegrity) >= 0 || q.find(attrFingerprint) >= 0 {
		return ""
	}
	q.signed()
	return "signed without need"
}

func anotherClass(r *rand.Rand, q *question) string {
	if q.data != nil {
		return ""
	}
	q.typ = q.typ&^failure | pick[uint16](r, request, indication, success, failure)
	return "another class"
}

func unknownMethod(r *rand.Rand, q *question) string {
	if q.data != nil {
		return ""
	}
	q.typ = pick[uint16](r, 0x000, 0x002, 0x005, 0x00A, 0x00B, 0x00C, 0x00D, 0x2EF, 0x3EEF) | q.typ&failure
	return "another method"
}

// What follows bends the bytes. Over a stream nobody could tell where the next
// message begins, so it is for datagrams.

func (q *question) bent(what string, bend func(p []byte) []byte) string {
	if q.stream {
		return ""
	}
	if before := q.bend; before != nil {
		q.bend = func(p []byte) []byte { return bend(before(p)) }
	} else {
		q.bend = bend
	}
	return what
}

func anotherCookie(r *rand.Rand, q *question) string {
	if q.data != nil {
		return ""
	}
	bit := r.IntN(32)
	return q.bent("another cookie", func(p []byte) []byte {
		if len(p) >= headerBytes {
			p[4+bit/8] ^= 1 << (bit % 8)
		}
		return p
	})
}

func anotherLength(r *rand.Rand, q *question) string {
	n := pick(r, -20, -8, -4, -1, 1, 2, 3, 4, 8, 20, 1000, 0xFFFF)
	return q.bent("another length", func(p []byte) []byte {
		if len(p) >= 4 {
			binary.BigEndian.PutUint16(p[2:], uint16(int(binary.BigEndian.Uint16(p[2:]))+n))
		}
		return p
	})
}

func cutShort(r *rand.Rand, q *question) string {
	n := 1 + r.IntN(30)
	return q.bent("cut short", func(p []byte) []byte { return p[:max(0, len(p)-n)] })
}

func withATail(r *rand.Rand, q *question) string {
	tail := some(r, 1+r.IntN(12))
	return q.bent("more behind it", func(p []byte) []byte { return append(p, tail...) })
}

func outOfClass(r *rand.Rand, q *question) string {
	first := pick[byte](r, 0x50, 0x60, 0x70, 0x80, 0xC0, 0xFF)
	return q.bent("neither STUN nor ChannelData", func(p []byte) []byte {
		if len(p) > 0 {
			p[0] = first
		}
		return p
	})
}
