package match

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestTimesAreToldAcrossClocks is told of a visitor by a process whose clock is far from
// ours: he has waited for as long, and waits for as long.
func TestTimesAreToldAcrossClocks(t *testing.T) {
	t.Parallel()
	ours := time.Now().Round(0)
	for _, apart := range []time.Duration{0, 2 * time.Hour, -2 * time.Hour} {
		theirs := ours.Add(apart)
		h := &handed{
			Meeting: &pastMeeting{At: theirs.Add(-time.Minute)},
			Asked:   &handedTicket{Since: theirs.Add(-5 * time.Second), Standing: seniority{Deadline: theirs.Add(time.Minute)}},
		}
		h.leave(theirs)
		told := new(handed)
		if err := json.Unmarshal(marshal(h), told); err != nil {
			t.Fatal(err)
		}
		told.land(ours)
		for what, c := range map[string]struct {
			at   time.Time
			want time.Duration
		}{
			"met": {told.Meeting.At, -time.Minute}, "asked": {told.Asked.Since, -5 * time.Second}, "gives up": {told.Asked.Standing.Deadline, time.Minute},
		} {
			if got := c.at.Sub(ours); got != c.want {
				t.Errorf("with clocks %v apart he %s at now + %v, want %v", apart, what, got, c.want)
			}
		}
		if !told.Asked.NotBefore.IsZero() {
			t.Errorf("with clocks %v apart he has to wait until %v", apart, told.Asked.NotBefore)
		}
	}
}

// TestAVisitorOfAnotherClockIsUnderstood checks what is told by a clock that is ahead, as
// that of an older process is which somebody has set for himself.
func TestAVisitorOfAnotherClockIsUnderstood(t *testing.T) {
	t.Parallel()
	theirs := time.Now().Add(2 * time.Hour)
	h := &handed{
		Holder: "1", Addr: netip.MustParseAddr("192.0.2.1"), Now: theirs,
		Asked: &handedTicket{Request: wire.MatchRequest{UserID: "ann", CreatedAt: theirs}, Since: theirs},
	}
	if err := h.check(); err != nil {
		t.Error(err)
	}
	h.Now = time.Time{}
	if h.check() == nil {
		t.Error("somebody who asks in two hours is understood")
	}
}
