package peer

import (
	"math"
	"syscall/js"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// object is a parsed JSON object. Its methods read a member; a missing one and
// null are the zero value, one of another type is a fault.
type object struct {
	v     js.Value
	fault *error // shared with the objects within
}

// parse reads a whole JSON text, which must hold an object or null.
func parse(data string) (o object, err error) {
	defer func() {
		if thrown, ok := recover().(js.Error); ok { // a SyntaxError
			err = thrown
		}
	}()
	o = object{v: js.Global().Get("JSON").Call("parse", data), fault: new(error)}
	if !o.valid() {
		return o, errNotObject
	}
	return o, nil
}

// valid tells whether o is what encoding/json decodes into a struct.
func (o object) valid() bool {
	return o.v.IsUndefined() || o.v.IsNull() || o.v.Type() == js.TypeObject && !isArray(o.v)
}

func isArray(v js.Value) bool { return js.Global().Get("Array").Call("isArray", v).Bool() }

// member finds a member of the wanted type; ok is false where the zero value
// is meant.
func (o object) member(key string, want js.Type) (v js.Value, ok bool) {
	if o.v.Type() != js.TypeObject {
		return js.Undefined(), false
	}
	v = o.v.Get(key)
	return v, o.is(v, want)
}

// is tells whether v is of the wanted type. If it is neither that nor null,
// it is a fault.
func (o object) is(v js.Value, want js.Type) bool {
	if v.IsNull() || v.IsUndefined() {
		return false
	}
	if v.Type() != want {
		*o.fault = errWrongType
	}
	return v.Type() == want
}

func (o object) text(key string) string {
	v, ok := o.member(key, js.TypeString)
	if !ok {
		return ""
	}
	return v.String()
}

func (o object) flag(key string) bool {
	v, ok := o.member(key, js.TypeBoolean)
	return ok && v.Bool()
}

func (o object) integer(key string) int { return int(o.whole(key, -maxInteger, maxInteger)) }

func (o object) whole(key string, least, most float64) float64 {
	n := o.number(key)
	if n != math.Trunc(n) || n < least || n > most {
		*o.fault = errWrongType
		return 0
	}
	return n
}

func (o object) number(key string) float64 {
	v, ok := o.member(key, js.TypeNumber)
	if !ok {
		return 0
	}
	return v.Float()
}

func (o object) time(key string) (t time.Time) {
	v, ok := o.member(key, js.TypeString)
	if !ok {
		return t
	}
	t, err := parseTime(v.String())
	if err != nil {
		*o.fault = err
	}
	return t
}

func (o object) object(key string) object {
	v, _ := o.member(key, js.TypeObject)
	return o.within(v)
}

// within is v as an object that shares its faults with o.
func (o object) within(v js.Value) object {
	inner := object{v: v, fault: o.fault}
	if !inner.valid() {
		*o.fault = errWrongType
	}
	return inner
}

// list finds the elements of an array; nil where there is none.
func (o object) list(key string) []js.Value {
	v, ok := o.member(key, js.TypeObject)
	if !ok {
		return nil
	}
	if !isArray(v) {
		*o.fault = errWrongType
		return nil
	}
	list := make([]js.Value, v.Length())
	for i := range list {
		list[i] = v.Index(i)
	}
	return list
}

func (o object) texts(key string) []string {
	values := o.list(key)
	if values == nil {
		return nil
	}
	list := make([]string, len(values))
	for i, v := range values {
		if o.is(v, js.TypeString) {
			list[i] = v.String()
		}
	}
	return list
}

// iceCandidate reads o itself, an RTCIceCandidateInit.
func (o object) iceCandidate() wire.ICECandidate {
	return wire.ICECandidate{
		Candidate:        o.text("candidate"),
		SDPMid:           o.text("sdpMid"),
		SDPMLineIndex:    uint16(o.whole("sdpMLineIndex", 0, math.MaxUint16)),
		UsernameFragment: o.text("usernameFragment"),
	}
}

func (o object) servers(key string) []wire.ICEServer {
	values := o.list(key)
	if values == nil {
		return nil
	}
	list := make([]wire.ICEServer, len(values))
	for i, v := range values {
		server := o.within(v)
		list[i] = wire.ICEServer{
			URLs: server.texts("urls"), Username: server.text("username"), Credential: server.text("credential"),
		}
	}
	return list
}
