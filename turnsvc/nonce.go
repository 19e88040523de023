package turnsvc

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"net/netip"
	"sync"
	"time"
)

// nonceLifetime is how long a nonce is good; clients learn of a new one by 438
// and go on (RFC 8489 §9.2.4). RFC 8656 §5 recommends an hour at most.
const nonceLifetime = time.Hour

// nonceSkew is how much later a nonce may have been made than now: by the clock of
// another process of this server, of which it was learned how old it is a little late.
const nonceSkew = 30 * time.Second

const (
	nonceTimeBytes = 4
	nonceMACBytes  = 8 // whoever guesses has 2^64 to try, of which few are answered
	nonceBytes     = nonceTimeBytes + nonceMACBytes
)

// nonces makes and checks the nonces of one server. They are bound to the
// client's transport address and remembered nowhere: a nonce, or a whole
// request, that was recorded is worth nothing from another address.
//
//	base64url( 4 bytes seconds since start | 8 bytes HMAC-SHA-256 over them and the address )
type nonces struct {
	key   [sha256.Size]byte
	start time.Time // monotonic: a clock that is set changes nothing
	macs  sync.Pool // of hash.Hash: strangers ask for nonces, and shall leave no garbage
}

func newNonces() *nonces {
	var key [sha256.Size]byte
	_, _ = rand.Read(key[:]) // never fails: it ends the process instead
	return noncesOf(key, 0)
}

// noncesOf are those of a key that was made so long ago.
func noncesOf(key [sha256.Size]byte, age time.Duration) *nonces {
	n := &nonces{key: key, start: time.Now().Add(-age)}
	n.macs.New = func() any { return hmac.New(sha256.New, n.key[:]) }
	return n
}

// make returns a nonce for a client.
func (n *nonces) make(client netip.AddrPort) string {
	raw := make([]byte, nonceTimeBytes, nonceBytes)
	binary.BigEndian.PutUint32(raw, n.now())
	mac := n.mac(raw, client)
	return base64.RawURLEncoding.EncodeToString(append(raw, mac[:]...))
}

// valid reports whether we made the nonce for this client, not too long ago.
func (n *nonces) valid(nonce string, client netip.AddrPort) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(raw) != nonceBytes {
		return false
	}
	made, mac := raw[:nonceTimeBytes], raw[nonceTimeBytes:]
	age := int64(int32(n.now() - binary.BigEndian.Uint32(made))) // below 0 if another process has made it
	want := n.mac(made, client)
	return hmac.Equal(mac, want[:]) && age >= -int64(nonceSkew/time.Second) && age <= int64(nonceLifetime/time.Second)
}

func (n *nonces) mac(made []byte, client netip.AddrPort) [nonceMACBytes]byte {
	var text, sum [sha256.Size]byte
	ip := client.Addr().As16()
	of := append(append(text[:0], made...), ip[:]...)
	mac := n.macs.Get().(hash.Hash)
	defer n.macs.Put(mac)
	mac.Reset()
	mac.Write(binary.BigEndian.AppendUint16(of, client.Port()))
	return [nonceMACBytes]byte(mac.Sum(sum[:0]))
}

func (n *nonces) now() uint32 { return uint32(time.Since(n.start) / time.Second) }
