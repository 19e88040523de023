package turnsvc

import (
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

// TestWhatHasEndedStaysEnded takes over from a server that has thrown somebody out: his
// credential is of no more use at the newer one.
func TestWhatHasEndedStaysEnded(t *testing.T) {
	t.Parallel()
	older := serve(t, nil)
	username, password := older.credentials("ann")
	older.EndUser("ann")
	newer := older.takeOver(t, nil)
	ann := newer.dial(t, "udp", "bob")
	ann.username, ann.password = username, password
	if _, got := ann.allocate(); got != stun.CodeUnauthorized {
		t.Errorf("Allocate of who was thrown out = %d, want 401", got)
	}
	newer.dial(t, "udp", "bob").mustAllocate()
}

// TestWhoWasIntroducedStaysSo takes over after a room was joined to another one and its
// member introduced: what he allocates at the newer server belongs to that room, reaches
// whom he was introduced to, and ends with it.
func TestWhoWasIntroducedStaysSo(t *testing.T) {
	t.Parallel()
	older := inRooms(t)
	older.Join("annex", "room")
	older.Introduce("annex", "a", netip.MustParseAddr("127.0.0.9"))
	newer := older.takeOver(t, func(c *Config) {
		c.Peers, c.AllowPeers = PeersRoom, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	ann := newer.member(t, "annex", "a")
	_, peer := peerFrom(t, "127.0.0.9")
	relayed := ann.mustAllocate()
	if !ann.permit(peer) {
		t.Error("whom she was introduced to is refused")
	}
	newer.EndRoom("room")
	if newer.homes.at(relayed) != nil {
		t.Error("an allocation outlives the room that its own was joined to")
	}
}

// TestWhoIsIntroducedMeanwhile introduces somebody while it is told who was.
func TestWhoIsIntroducedMeanwhile(t *testing.T) {
	t.Parallel()
	s := listen(t, func(c *Config) { c.Peers = PeersRoom })
	now := s.cfg.asOf()
	s.Introduce("room", "a", netip.MustParseAddr("192.0.2.1"))
	will := s.rooms.bequeath(now)
	s.Introduce("room", "b", netip.MustParseAddr("192.0.2.2"))
	if n := len(will.Introduced[0].Value); n != 1 {
		t.Errorf("what was told before is of %d now, want 1", n)
	}
}
