package wsconn

import (
	"testing"
	"unsafe"
)

// TestWhatAnIdleConnectionHoldsIsSmall holds two structs, of which each
// connection has one, to the size classes of the allocator that they fit: a
// field more that makes one a byte larger costs up to 16 bytes a connection.
func TestWhatAnIdleConnectionHoldsIsSmall(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(Conn{}); size > 224 {
		t.Errorf("a Conn has %d bytes, want 224 at most", size)
	}
	if size := unsafe.Sizeof(watchedConn{}); size > 96 {
		t.Errorf("a watchedConn has %d bytes, want 96 at most", size)
	}
}
