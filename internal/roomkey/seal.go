package roomkey

import (
	"crypto/hmac"
	"crypto/sha256"
)

// SealBytes is the length of a seal.
const SealBytes = 16

// Seal returns a MAC for texts of one purpose, which two texts of different
// purposes never share, and which outlives the process: HMAC-SHA-256 (RFC 2104),
// cut, with a key that is derived from the secret. It is safe for concurrent use.
func Seal(secret, purpose string) func(text []byte) [SealBytes]byte {
	derive := hmac.New(sha256.New, []byte(secret))
	derive.Write([]byte("wasmp2pchat seal " + purpose))
	key := derive.Sum(nil)
	return func(text []byte) [SealBytes]byte {
		mac := hmac.New(sha256.New, key)
		mac.Write(text)
		return [SealBytes]byte(mac.Sum(nil))
	}
}
