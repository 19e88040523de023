//go:build interop

package conformance

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// A scene is what has happened on a 5-tuple before the question.
type scene int

const (
	known  scene = iota // has a nonce
	holder              // has a relay, a permission for near, and channel 0x4000 to it
)

// A question is one message for two servers, well-formed or not.
type question struct {
	scene  scene
	stream bool                  // over TCP
	typ    uint16                // of a STUN message
	body   []field               // its attributes
	data   []byte                // else ChannelData, as it stands
	bend   func(p []byte) []byte // what is done to the bytes at last; nil: nothing
	about  []string              // what is peculiar, for the table of differences
}

// A field is an attribute of a question.
type field struct {
	typ     uint16
	value   func(a *asker, before []byte) []byte
	claims  int  // what its length says too much
	padding byte // what it is padded with; RFC 8489 §14 leaves that open
}

// part writes the field.
func (f field) part(a *asker) part {
	return func(p []byte) []byte {
		v := f.value(a, p)
		p = binary.BigEndian.AppendUint16(p, f.typ)
		p = binary.BigEndian.AppendUint16(p, uint16(len(v)+f.claims))
		p = append(p, v...)
		for len(p)%4 != 0 {
			p = append(p, f.padding)
		}
		return announce(p, 0)
	}
}

// bytes are the question as it is sent on a 5-tuple.
func (q *question) bytes(a *asker) []byte {
	p := slices.Clone(q.data)
	if p == nil {
		p = message(q.typ)
		for _, f := range q.body {
			p = f.part(a)(p)
		}
	}
	if q.bend != nil {
		p = q.bend(p)
	}
	return p
}

// String says what a question is about.
func (q *question) String() string {
	over := "UDP"
	if q.stream {
		over = "TCP"
	}
	return fmt.Sprintf("%s over %s", strings.Join(q.about, ", "), over)
}

// carries reports whether peers may hear of the question.
func (q *question) carries() bool { return q.data != nil || q.typ == send|indication }

// mentions reports whether that is peculiar to the question.
func (q *question) mentions(what string) bool {
	return slices.ContainsFunc(q.about, func(s string) bool { return strings.Contains(s, what) })
}

// find is the place of the first attribute of a type, or -1.
func (q *question) find(typ uint16) int {
	return slices.IndexFunc(q.body, func(f field) bool { return f.typ == typ })
}

// add puts an attribute before the credential, at the end where there is none.
func (q *question) add(f field) {
	at := q.find(attrUsername)
	if at < 0 {
		at = len(q.body)
	}
	q.body = slices.Insert(q.body, at, f)
}

// draw is a question by lot: something that clients ask, and up to four things that
// are peculiar about it.
func draw(r *rand.Rand) *question {
	kinds := kinds()
	q := kinds[r.IntN(len(kinds))](r)
	q.stream = r.IntN(4) == 0 && len(q.data)%4 == 0 // else nobody could tell where the next message begins
	strange := peculiarities()
	for range 2 * r.IntN(3) { // about every second fits
		if what := strange[r.IntN(len(strange))](r, q); what != "" {
			q.about = append(q.about, what)
		}
	}
	return q
}

// kinds are what clients ask. Half of the requests come from whoever holds a relay.
func kinds() []func(r *rand.Rand) *question {
	either := func(r *rand.Rand) scene { return scene(r.IntN(2)) }
	return []func(r *rand.Rand) *question{
		func(r *rand.Rand) *question { return ask(either(r), "Binding", binding) },
		func(*rand.Rand) *question {
			return ask(known, "Allocate", allocate, fixed(attrRequestedTransport, 17, 0, 0, 0)).signed()
		},
		func(r *rand.Rand) *question { return ask(known, "Allocate", allocate, transports(r)).signed() },
		func(r *rand.Rand) *question { return wishing(r) },
		func(*rand.Rand) *question {
			return ask(holder, "Allocate", allocate, fixed(attrRequestedTransport, 17, 0, 0, 0)).signed()
		},
		func(*rand.Rand) *question {
			return ask(known, "Allocate", allocate, fixed(attrRequestedTransport, 17, 0, 0, 0))
		},
		func(r *rand.Rand) *question { return ask(either(r), "Refresh", refresh).signed() },
		func(r *rand.Rand) *question { return ask(holder, "Refresh", refresh, lifetimes(r)).signed() },
		func(r *rand.Rand) *question {
			return ask(either(r), "CreatePermission", createPermission, to(r)).signed()
		},
		func(r *rand.Rand) *question {
			return ask(holder, "CreatePermission", createPermission, to(r), to(r)).signed()
		},
		func(r *rand.Rand) *question { return bindTo(r, either(r)) },
		func(r *rand.Rand) *question { return bindTo(r, holder) },
		func(r *rand.Rand) *question { return ask(holder, "Send", send|indication, to(r), payload(r)) },
		func(r *rand.Rand) *question { return ask(holder, "Send", send|indication, to(r), payload(r)) },
		channelMessage, channelMessage, channelMessage,
	}
}

func ask(s scene, name string, typ uint16, body ...field) *question {
	q := &question{scene: s, typ: typ, body: body, about: []string{name}}
	if s == known {
		q.about = append(q.about, "without a relay")
	}
	return q
}

// signed puts a credential at the end.
func (q *question) signed() *question {
	q.body = append(q.body,
		field{typ: attrUsername, value: func(a *asker, _ []byte) []byte { return []byte(a.username) }},
		field{typ: attrRealm, value: func(a *asker, _ []byte) []byte { return []byte(a.realm) }},
		field{typ: attrNonce, value: func(a *asker, _ []byte) []byte { return []byte(a.nonce) }},
		field{typ: attrIntegrity, value: signedBy(func(a *asker) []byte { return a.key() })})
	return q
}

// signedBy is the value of a MESSAGE-INTEGRITY.
func signedBy(key func(a *asker) []byte) func(a *asker, before []byte) []byte {
	return func(a *asker, before []byte) []byte {
		return integrity(key(a))(slices.Clone(before))[len(before)+4:]
	}
}

// fixed is an attribute whose value every client would send.
func fixed(typ uint16, value ...byte) field {
	return field{typ: typ, value: func(*asker, []byte) []byte { return slices.Clone(value) }}
}

func wide(typ uint16, value uint32) field {
	return fixed(typ, binary.BigEndian.AppendUint32(nil, value)...)
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func transports(r *rand.Rand) field {
	return fixed(attrRequestedTransport, pick[byte](r, 0, 1, 6, 16, 17, 18, 132, 255), pick[byte](r, 0, 1), 0, pick[byte](r, 0, 9))
}

func lifetimes(r *rand.Rand) field {
	return wide(attrLifetime, pick[uint32](r, 0, 1, 599, 600, 601, 3599, 3600, 1<<31, 1<<32-1))
}

func families(r *rand.Rand) field {
	return fixed(attrRequestedFamily, pick[byte](r, ipv4, ipv4, ipv6, ipv6, 0, 3, 255), pick[byte](r, 0, 0, 7), 0, 0)
}

// wish is an attribute that only Allocate may have.
func wish(r *rand.Rand) field {
	switch r.IntN(6) {
	case 0:
		return lifetimes(r)
	case 1:
		return fixed(attrEvenPort, pick[byte](r, 0, 0x80, 0x7F, 0xFF))
	case 2:
		return fixed(attrReservationToken, 1, 2, 3, 4, 5, 6, 7, byte(r.IntN(256)))
	case 3:
		return fixed(attrAdditionalFamily, pick[byte](r, ipv4, ipv6, 0, 3), 0, 0, 0)
	case 4:
		return fixed(attrDontFragment)
	}
	return families(r)
}

func bindTo(r *rand.Rand, s scene) *question {
	number := pick[uint32](r, 0x4000, 0x4000, 0x4001, 0x4001, 0x4FFF, 0, 0x3FFF, 0x5000, 0x7FFF, 0x8000, 0xFFFF)
	q := ask(s, "ChannelBind", channelBind, wide(attrChannelNumber, number<<16|pick[uint32](r, 0, 0, 0, 77)), to(r)).signed()
	if number >= 0x5000 {
		q.about = append(q.about, beyond)
	}
	return q
}

func wishing(r *rand.Rand) *question {
	f := wish(r)
	q := ask(known, "Allocate", allocate, fixed(attrRequestedTransport, 17, 0, 0, 0), f).signed()
	q.about = append(q.about, "with "+name(f.typ))
	return q
}

// beyond says that RFC 5766 knew more channels than RFC 8656 does.
const beyond = "channel beyond 0x4FFF"

// to is the address of a peer: that of near, of far, one of the other family.
func to(r *rand.Rand) field {
	return aim(attrPeer, r.IntN(5))
}

func aim(typ uint16, whom int) field {
	return field{typ: typ, value: func(a *asker, before []byte) []byte {
		add := peerAt(a.addr(whom == 3))
		if whom == 4 {
			add = peerIP("::1")
		}
		return add(slices.Clone(before))[len(before)+4:]
	}}
}

func payload(r *rand.Rand) field {
	return fixed(attrData, some(r, pick(r, 0, 1, 2, 3, 4, 5, 100, 1200))...)
}

// some are bytes that are no sentinel.
func some(r *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.UintN(256))
	}
	return p
}

// channelMessage is a ChannelData message (RFC 8656 §12.4), with padding or without.
func channelMessage(r *rand.Rand) *question {
	number := pick[uint16](r, 0x4000, 0x4000, 0x4000, 0x4000, 0x4001, 0x4FFF, 0x5000, 0x7FFF)
	data := some(r, pick(r, 0, 1, 2, 3, 4, 5, 100, 1201))
	p := channelData(number, string(data))
	q := &question{scene: holder, data: p, about: []string{"ChannelData"}}
	switch {
	case number >= 0x5000:
		q.about = append(q.about, beyond)
	case number > 0x4000:
		q.about = append(q.about, "channel that is not bound")
	}
	if r.IntN(2) == 0 && len(data)%4 != 0 {
		q.about = append(q.about, "without padding")
		q.data = p[:4+len(data)]
	}
	return q
}
