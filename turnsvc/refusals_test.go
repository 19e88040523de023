package turnsvc

import (
	"testing"

	"github.com/pion/stun/v3"
)

func TestRefusals(t *testing.T) {
	r := new(refusals)
	for _, code := range []stun.ErrorCode{401, 401, 508, 500, 999} {
		r.add(code)
	}
	got := r.snapshot()
	for _, code := range refusalCodes() {
		want := map[stun.ErrorCode]uint64{401: 2, 508: 1, 0: 2}[code]
		if n, known := got[int(code)]; n != want || !known {
			t.Errorf("%d was counted %d times, want %d", code, n, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { r.add(438) }); n != 0 {
		t.Errorf("counting makes %v allocations, want 0", n)
	}
}
