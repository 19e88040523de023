package wsconn

import "testing"

// TestWhoComeTogetherAreNotPingedTogether holds that the first pings are spread
// over the second half of the sweeper's round.
func TestWhoComeTogetherAreNotPingedTogether(t *testing.T) {
	t.Parallel()
	const each = 10
	h := NewHub(Config{})
	for range each * parts / 2 {
		h.add(&Conn{})
	}
	for ahead := range parts {
		want := 0
		if ahead >= parts/2 {
			want = each
		}
		if n := len(h.slots[(h.swept+ahead)%parts]); n != want {
			t.Errorf("%d are pinged %d parts of a round from now, want %d", n, ahead, want)
		}
	}
}
