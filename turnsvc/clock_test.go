package turnsvc

import (
	"testing"
	"time"

	"github.com/pion/stun/v3"

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

// TestARevocationLastsAsLongAsCredentials revokes while the clock by which credentials
// expire is two hours behind that by which they are made, as after a step of the wall
// clock: they are good for two hours more than they say, and refused for as long.
func TestARevocationLastsAsLongAsCredentials(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) {
		now := c.now
		c.asOf = func() time.Time { return now().Add(-2 * time.Hour) }
	})
	kicked, other := s.dial(t, "udp", "ann"), s.dial(t, "udp", "bob")
	s.EndUser("ann")
	s.clock.advance(11 * time.Minute) // longer than any credential is good for by its own clock
	if _, got := kicked.allocate(); got != stun.CodeUnauthorized {
		t.Errorf("Allocate of who was ended = %d, want 401", got)
	}
	if _, got := other.allocate(); got != 0 {
		t.Errorf("Allocate of another one with as old a credential = %d, want success", got)
	}
}

// TestPionsClockIsSet has pion find our nonce too old in the midst of everything, as
// it does when the wall clock is set forward by an hour: no client notices.
func TestPionsClockIsSet(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			s := inBatches(t, nil)
			c := s.dial(t, network, "ann")
			d := s.homes.at(c.mustAllocate()).owner.door
			forget := func() {
				d.mu.Lock() // which the reader takes before it looks at the nonce
				defer d.mu.Unlock()
				d.nonce.value = "of before"
			}
			_, peer := newPeer(t)
			for _, ask := range []struct {
				name string
				do   func() bool
			}{
				{"CreatePermission", func() bool { return c.permit(peer) }},
				{"Refresh", func() bool { return code(c.do(stun.MethodRefresh)) == 0 }},
				{"the Refresh that ends it", func() bool { return code(c.do(stun.MethodRefresh, seconds(0))) == 0 }},
				{"Allocate", func() bool { _, got := c.allocate(); return got == 0 }},
			} {
				forget()
				if !ask.do() {
					t.Errorf("%s has no success", ask.name)
				}
			}
			forget()
			s.EndUser("ann") // pion is told with the next message
			c.username, c.password = s.credentials("bob")
			c.mustAllocate()
			s.within(t, "an allocation that ends is not over", func() bool {
				s.quota.mu.Lock()
				defer s.quota.mu.Unlock()
				return s.quota.leaving == 0
			})
		})
	}
}
