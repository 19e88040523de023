package match

import (
	"testing"
	"unsafe"
)

// TestWhatAVisitorHoldsIsSmall holds two structs, of which each visitor has one, to the
// size classes of the allocator that they fit.
func TestWhatAVisitorHoldsIsSmall(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(visitor{}); size > 176 {
		t.Errorf("a visitor has %d bytes, want 176 at most", size)
	}
	if size := unsafe.Sizeof(Ticket{}); size > 512 {
		t.Errorf("a Ticket has %d bytes, want 512 at most", size)
	}
}
