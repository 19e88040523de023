// Package roomkey names rooms, and mints and verifies room ids.
//
// The name of a room is 128 random bits. It is drawn before there is a match, so
// that somebody who waits can be given TURN credentials for the room to come; it
// is no secret, and admits to nothing. A room id is the admission: the name, the
// time until which it admits, and a MAC over both. Whoever knows the secret can
// verify it, so signal need not ask match, and two programs on two hosts need no
// other agreement. It says nothing about who may use it: keeping the two seats is
// signal's business.
//
//	id = name ‖ base64url( 8 bytes expiry, Unix seconds | 16 bytes HMAC-SHA-256 )
//	name = base64url( 16 bytes random )
package roomkey

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/daytime"
)

// Lifetime is how long a room id admits: the time from MATCH to the second
// seat, with slow phones in mind. A chat is not bounded by it.
const Lifetime = time.Minute

// Skew is how far apart the clocks of two servers may be: an id is admitted
// this much longer than it says.
const Skew = 10 * time.Second

const (
	randomBytes = 16
	expiryBytes = 8
	macBytes    = 16
	idBytes     = randomBytes + expiryBytes + macBytes
	nameLength  = (randomBytes*8 + 5) / 6
	sealLength  = (expiryBytes + macBytes) * 8 / 6
)

// Length is the length of a room id in characters.
const Length = nameLength + sealLength

// The reasons for which Verify refuses an id.
var (
	ErrForged  = errors.New("room id was not made here")
	ErrExpired = errors.New("room id has expired")
)

// Keys mints and verifies the room ids of one secret. It is safe for
// concurrent use.
type Keys struct {
	macs  sync.Pool // of hash.Hash: an HMAC that has taken in its key
	clock *daytime.Clock
}

// New returns the keys of a secret. The same secret may serve other purposes
// too: what is signed with here is derived from it.
func New(secret string) *Keys {
	derive := hmac.New(sha256.New, []byte(secret))
	derive.Write([]byte("wasmp2pchat room id 2"))
	key := derive.Sum(nil)
	return &Keys{macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}, clock: daytime.New()}
}

// NewName draws the name of a room: URL-safe characters without dots. The first one
// is no hyphen: operators type names, and commands would take it for a flag.
func NewName() string {
	for {
		var random [randomBytes]byte
		rand.Read(random[:]) // never fails
		var name [nameLength]byte
		encoding().Encode(name[:], random[:])
		if name[0] != '-' {
			return string(name[:])
		}
	}
}

// Name is the name of the room that an id admits to. It does not verify the id;
// what has not the length of one is its own name.
func Name(id string) string {
	if len(id) != Length {
		return id
	}
	return id[:nameLength]
}

// IsName reports whether a text could be a name of NewName.
func IsName(text string) bool {
	var raw [randomBytes]byte
	return len(text) == nameLength && decode(raw[:], text)
}

// Mint returns an id of the room with a name of NewName, which admits for
// Lifetime from now on. Any other name is a mistake of ours, and panics.
func (k *Keys) Mint(name string) string {
	var raw [idBytes]byte
	if len(name) != nameLength || !decode(raw[:randomBytes], name) {
		panic("roomkey: not the name of a room")
	}
	signed := raw[:randomBytes+expiryBytes]
	binary.BigEndian.PutUint64(signed[randomBytes:], uint64(k.clock.Later().Add(Lifetime).Unix()))
	mac := k.mac(signed)
	copy(raw[randomBytes+expiryBytes:], mac[:])
	var id [Length]byte
	copy(id[:], name)
	encoding().Encode(id[nameLength:], raw[randomBytes:])
	return string(id[:])
}

// Verify tells until when a room id admits, or why it does not: ErrForged or
// ErrExpired. Each room has exactly one spelling.
func (k *Keys) Verify(id string) (expires time.Time, err error) {
	var raw [idBytes]byte
	if len(id) != Length || !decode(raw[:randomBytes], id[:nameLength]) || !decode(raw[randomBytes:], id[nameLength:]) {
		return time.Time{}, ErrForged
	}
	signed, mac := raw[:randomBytes+expiryBytes], raw[randomBytes+expiryBytes:]
	if right := k.mac(signed); !hmac.Equal(mac, right[:]) {
		return time.Time{}, ErrForged
	}
	expires = time.Unix(int64(binary.BigEndian.Uint64(signed[randomBytes:])), 0).Add(Skew)
	if k.clock.Earlier().After(expires) {
		return time.Time{}, ErrExpired
	}
	return expires, nil
}

// decode fills raw from text, which has the length for it: else, or with a line
// break in it, it is not decoded.
func decode(raw []byte, text string) bool {
	n, err := encoding().Decode(raw, []byte(text))
	return err == nil && n == len(raw)
}

func (k *Keys) mac(signed []byte) [macBytes]byte {
	mac, _ := k.macs.Get().(hash.Hash)
	defer k.macs.Put(mac)
	var sum [sha256.Size]byte
	mac.Reset()
	mac.Write(signed)
	return [macBytes]byte(mac.Sum(sum[:0]))
}

// encoding is strict: a second spelling of an id would be a second room.
func encoding() *base64.Encoding { return base64.RawURLEncoding.Strict() }
