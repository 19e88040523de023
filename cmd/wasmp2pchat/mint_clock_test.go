package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/daytime"
	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestCredentialsAreReplacedInTimeWhenTheClockIsSetBack mints for a room while the
// wall clock is two hours behind: the credential is good by the right time, and
// signaling, or the lobby for who waits, is told to replace it after its life, not
// hours later.
func TestCredentialsAreReplacedInTimeWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	const life, back = 10 * time.Minute, 2 * time.Hour
	right := time.Now().Add(back) // our own clock is the one that was set back
	clock := daytime.Of(func() time.Time { return right.Add(-back) }, func() time.Duration { return back })
	m := newMint(turnsvc.Issuer{Secret: turnSecret, TTL: life, URLs: []string{"turn:192.0.2.1:3478"}, Now: clock.Later})
	room := roomkey.NewName()
	for _, c := range []struct {
		name string
		mint func() ([]wire.ICEServer, time.Time)
	}{
		{"signaling", func() ([]wire.ICEServer, time.Time) {
			return m.iceServers(roomSide)(room, wire.SideA, false, netip.Addr{})
		}},
		{"the lobby", func() ([]wire.ICEServer, time.Time) { return m.forWaiting(room, false) }},
	} {
		servers, expires := c.mint()
		if left := time.Until(expires); left < life-5*time.Second || left > life {
			t.Errorf("%s: to be replaced in %v, want %v", c.name, left, life)
		}
		if _, err := (turnsvc.Verifier{Secrets: []string{turnSecret}, Now: func() time.Time { return right }}).Check(servers[0].Username); err != nil {
			t.Errorf("%s: when the clock is right again the credential is refused: %v", c.name, err)
		}
	}
}
