package turnsvc

import (
	"encoding/binary"

	"github.com/pion/stun/v3"
)

// answer sends an answer of ours to a request: signed with key, if the client
// has shown that it knows it, and with a FINGERPRINT if the request had one.
func (d *door) answer(r *request, class stun.MessageClass, key []byte, attrs ...stun.Setter) {
	setters := append([]stun.Setter{stun.NewTransactionIDSetter(r.TransactionID), stun.NewType(r.Type.Method, class)}, attrs...)
	if key != nil {
		setters = append(setters, stun.MessageIntegrity(key))
	}
	if r.fingerprint {
		setters = append(setters, stun.Fingerprint)
	}
	m, err := stun.Build(setters...)
	if err != nil {
		d.srv.log.Debug("turn answer not built", "err", err.Error())
		return
	}
	var code stun.ErrorCode
	if class == stun.ClassErrorResponse {
		code = codeOf(m)
	}
	d.saw(r, true, code)                       // first: who has the answer may ask whether it was seen
	_, _ = d.PacketConn.WriteTo(m.Raw, r.from) // the client asks again, or is gone
}

// refuse answers a request with an error, or with silence. A key means that
// the client has authenticated itself.
func (d *door) refuse(r *request, no *refusal, key []byte) {
	if no.code == 0 {
		d.srv.count.silenced.Add(1)
		return
	}
	d.srv.count.refused.add(no.code)
	attrs := []stun.Setter{stun.ErrorCodeAttribute{Code: no.code}} // the phrase is optional, and would make an answer to strangers longer
	if no.challenge {
		attrs = append(attrs, stun.NewRealm(d.srv.cfg.Realm), stun.NewNonce(d.srv.nonces.make(r.client)))
	}
	if len(no.unknown) > 0 {
		attrs = append(attrs, unknownAttributes(no.unknown))
	}
	d.answer(r, stun.ClassErrorResponse, key, attrs...)
}

// unknownAttributes is an UNKNOWN-ATTRIBUTES (RFC 8489 §14.13): two bytes for
// each. That of package stun takes four.
func unknownAttributes(list []stun.AttrType) stun.Setter {
	var v []byte
	for _, at := range list {
		v = binary.BigEndian.AppendUint16(v, at.Value())
	}
	return stun.RawAttribute{Type: stun.AttrUnknownAttributes, Value: v}
}

// bound answers a Binding request (RFC 8489 §7.3.1).
func (d *door) bound(r *request) {
	if no := d.stranger(r, nil); no != nil {
		d.srv.count.silenced.Add(1)
		return
	}
	if unknown := unknownToBinding(r); len(unknown) > 0 {
		d.refuse(r, &refusal{code: stun.CodeUnknownAttribute, unknown: unknown}, nil)
		return
	}
	d.answer(r, stun.ClassSuccessResponse, nil,
		&stun.XORMappedAddress{IP: r.client.Addr().AsSlice(), Port: int(r.client.Port())})
}

// unknownToBinding is unknown for Binding requests: browsers put what ICE needs
// into them when they mean a peer, and pass by here by mistake.
func unknownToBinding(r *request) (list []stun.AttrType) {
	for _, at := range r.unknown() {
		if at != stun.AttrPriority && at != stun.AttrUseCandidate {
			list = append(list, at)
		}
	}
	return list
}

// codeOf is the code of an error answer; what has none is a refusal.
func codeOf(m *stun.Message) stun.ErrorCode {
	var e stun.ErrorCodeAttribute
	if e.GetFrom(m) != nil {
		return codeForbidden
	}
	return e.Code
}

// forward sends pion's answer on, as the client expects it: signed whatever it
// says, with a FINGERPRINT if there was one, and with the token of a port that
// was reserved.
func (d *door) forward(o *order, m *stun.Message) {
	var attrs []stun.Setter
	for _, attr := range m.Attributes {
		if attr.Type != stun.AttrMessageIntegrity {
			attrs = append(attrs, attr)
		}
	}
	switch {
	case m.Type.Class == stun.ClassErrorResponse && !m.Contains(stun.AttrErrorCode):
		attrs = append(attrs, stun.ErrorCodeAttribute{Code: codeForbidden})
	case m.Type.Method == stun.MethodAllocate && m.Type.Class == stun.ClassSuccessResponse && o.grant.token != nil:
		attrs = append(attrs, stun.RawAttribute{Type: stun.AttrReservationToken, Value: o.grant.token})
	}
	d.answer(o.request, m.Type.Class, o.user.key, attrs...)
}
