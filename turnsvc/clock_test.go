package turnsvc

import (
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/daytime"
)

// TestACredentialIsGoodWhileTheClockIsSet sets the wall clock of a server forward:
// who was given a credential before can make an allocation with it, as one whose chat
// has to find another way must.
func TestACredentialIsGoodWhileTheClockIsSet(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) {
		start := time.Now()
		c.asOf = daytime.Of(c.now, func() time.Duration { return time.Since(start) }).Earlier
	})
	before := s.dial(t, "udp", "ann")
	s.clock.advance(2 * time.Hour) // nobody has waited for so long
	if _, got := before.allocate(); got != 0 {
		t.Errorf("Allocate with the credential of before the step = %d, want success", got)
	}
}
