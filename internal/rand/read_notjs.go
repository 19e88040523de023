//go:build !js

package rand

import "crypto/rand"

// Read fills b with random bytes. It never fails; it has crypto/rand's results
// to take its place.
func Read(b []byte) (n int, err error) { return rand.Read(b) }
