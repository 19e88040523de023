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
// signaling is told to replace it after its life, not hours later.
func TestCredentialsAreReplacedInTimeWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	const life, back = 10 * time.Minute, 2 * time.Hour
	right := time.Now().Add(back) // our own clock is the one that was set back
	clock := daytime.Of(func() time.Time { return right.Add(-back) }, func() time.Duration { return back })
	m := newMint(turnsvc.Issuer{Secret: turnSecret, TTL: life, URLs: []string{"turn:192.0.2.1:3478"}, Now: clock.Later})
	servers, expires := m.iceServers(roomSide)(roomkey.NewName(), wire.SideA, false, netip.Addr{})
	if left := time.Until(expires); left < life-5*time.Second || left > life {
		t.Errorf("to be replaced in %v, want %v", left, life)
	}
	if _, err := (turnsvc.Verifier{Secrets: []string{turnSecret}, Now: func() time.Time { return right }}).Check(servers[0].Username); err != nil {
		t.Errorf("when the clock is right again the credential is refused: %v", err)
	}
}
