// Package rand is crypto/rand for code that also runs in a browser.
//
// It promises the same: random bytes that nobody can guess, and that reading
// them never fails. In a browser they come from the browser, without Go's own
// generator, which would cost every visitor 40 kB in brotli. Numbers and keys it
// leaves to crypto/rand.
package rand

// textBytes is how many random bytes are in a Text.
const textBytes = 16

// Text is a name that nobody can guess: 128 random bits in hexadecimal digits.
func Text() string {
	var b [textBytes]byte
	_, _ = Read(b[:])                 // never fails
	const digits = "0123456789abcdef" // encoding/hex would bring fmt and os into the browser client: 25 kB in brotli
	var text [2 * textBytes]byte
	for i, octet := range b {
		text[2*i], text[2*i+1] = digits[octet>>4], digits[octet&15]
	}
	return string(text[:])
}
