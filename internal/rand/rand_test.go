package rand

import (
	"bytes"
	"testing"
)

// TestRead fills more than a browser gives at once, to the last byte: 16 zeros
// in a row come once in 2^128 times.
func TestRead(t *testing.T) {
	for _, size := range []int{0, 1, 16, 65536, 65537, 200_000} {
		b := make([]byte, size)
		n, err := Read(b)
		if n != size || err != nil {
			t.Errorf("Read(%d bytes) = %d, %v; want all", size, n, err)
		}
		if bytes.Contains(b, make([]byte, 16)) {
			t.Errorf("Read(%d bytes) left some of them zero", size)
		}
	}
}

func TestText(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		text := Text()
		if len(text) != 32 || seen[text] {
			t.Fatalf("Text() = %q: want 32 characters, and not again the same", text)
		}
		seen[text] = true
	}
}
