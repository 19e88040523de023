package rand

import "syscall/js"

// maxRead is how many bytes a browser gives at once (Web Cryptography, §10.1.1).
const maxRead = 65536

// Read fills b with random bytes. It never fails; it has crypto/rand's results
// to take its place.
func Read(b []byte) (n int, err error) {
	crypto, array := js.Global().Get("crypto"), js.Global().Get("Uint8Array")
	for rest := b; len(rest) > 0; {
		part := array.New(min(len(rest), maxRead))
		crypto.Call("getRandomValues", part)
		rest = rest[js.CopyBytesToGo(rest, part):]
	}
	return len(b), nil
}
