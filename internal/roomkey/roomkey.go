// Package roomkey mints and verifies room ids.
//
// A room id is the admission to a room: 128 random bits, the time until which
// it admits, and a MAC over both. Whoever knows the secret can verify it, so
// signal need not ask match, and two programs on two hosts need no other
// agreement. It says nothing about who may use it: keeping the two seats is
// signal's business.
//
//	base64url( 16 bytes random | 8 bytes expiry, Unix seconds | 16 bytes HMAC-SHA-256 )
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
)

// Length is the length of a room id in characters.
const Length = (idBytes*8 + 5) / 6

// The reasons for which Verify refuses an id.
var (
	ErrForged  = errors.New("room id was not made here")
	ErrExpired = errors.New("room id has expired")
)

// Keys mints and verifies the room ids of one secret. It is safe for
// concurrent use.
type Keys struct {
	macs sync.Pool // of hash.Hash: an HMAC that has taken in its key
}

// New returns the keys of a secret. The same secret may serve other purposes
// too: what is signed with here is derived from it.
func New(secret string) *Keys {
	derive := hmac.New(sha256.New, []byte(secret))
	derive.Write([]byte("wasmp2pchat room id 1"))
	key := derive.Sum(nil)
	return &Keys{macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// Mint returns a new room id that admits for Lifetime.
func (k *Keys) Mint() string {
	id := make([]byte, randomBytes, idBytes)
	rand.Read(id) // never fails
	id = binary.BigEndian.AppendUint64(id, uint64(time.Now().Add(Lifetime).Unix()))
	mac := k.mac(id)
	return encoding().EncodeToString(append(id, mac[:]...))
}

// Verify tells until when a room id admits, or why it does not: ErrForged or
// ErrExpired. Each room has exactly one spelling.
func (k *Keys) Verify(id string) (expires time.Time, err error) {
	if len(id) != Length {
		return time.Time{}, ErrForged
	}
	raw, err := encoding().DecodeString(id)
	if err != nil || len(raw) != idBytes {
		return time.Time{}, ErrForged
	}
	signed, mac := raw[:randomBytes+expiryBytes], raw[randomBytes+expiryBytes:]
	if right := k.mac(signed); !hmac.Equal(mac, right[:]) {
		return time.Time{}, ErrForged
	}
	expires = time.Unix(int64(binary.BigEndian.Uint64(signed[randomBytes:])), 0).Add(Skew)
	if time.Now().After(expires) {
		return time.Time{}, ErrExpired
	}
	return expires, nil
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
