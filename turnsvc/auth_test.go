package turnsvc

import (
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for _, c := range []struct {
		name string
		with func(c *client)
		ok   bool
	}{
		{"the newest secret is accepted", func(*client) {}, true},
		{"the second secret is accepted", func(c *client) { c.password = password("old", c.username) }, true},
		{"an unknown secret is refused", func(c *client) { c.password = password("other", c.username) }, false},
		{"a wrong letter in the password is refused", func(c *client) { c.password = "#" + c.password[1:] }, false},
		{"a wrong letter in the username is refused", func(c *client) { c.username += "x" }, false},
		{"an expired credential is refused", func(c *client) {
			c.username = formatUsername(s.clock.now().Unix(), "late")
			c.password = password("new", c.username)
		}, false},
		{"a username without expiry is refused", func(c *client) {
			c.username = "ann"
			c.password = password("new", c.username)
		}, false},
		{"a control character in the claims is refused", func(c *client) {
			c.username = formatUsername(s.clock.now().Unix()+60, "a\nb")
			c.password = password("new", c.username)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, network := range []string{"udp", "tcp"} {
				cl := s.dial(t, network, c.name)
				c.with(cl)
				if _, code := cl.allocate(); (code == 0) != c.ok {
					t.Errorf("Allocate over %s = %d, want success: %v", network, code, c.ok)
				}
			}
		})
	}
}

func TestAuthFailuresAreCounted(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	c := s.dial(t, "udp", "ann")
	c.mustAllocate()
	c.password = "wrong"
	c.do(stun.MethodRefresh)
	if n := s.Stats().AuthFailures; n != 1 {
		t.Errorf("AuthFailures = %d after a challenge and a wrong password, want 1", n)
	}
}

func TestAnotherRealmIsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.Realm = "elsewhere" })
	if _, code := s.dial(t, "udp", "ann").allocate(); code == 0 {
		t.Error("Allocate for the realm wasmp2pchat succeeded at the realm elsewhere")
	}
}

func TestLiveAllocationOutlivesItsCredential(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			s := serve(t, nil)
			_, peer := newPeer(t)
			c := s.dial(t, network, "ann")
			c.mustAllocate()
			s.clock.advance(23 * time.Hour)
			if got := code(c.do(stun.MethodRefresh)); got != 0 {
				t.Errorf("Refresh of a live allocation after expiry = %d, want success", got)
			}
			if !c.permit(peer) || !c.bind(peer) {
				t.Error("CreatePermission or ChannelBind on a live allocation after expiry was refused")
			}
			if _, code := c.allocate(); code == 0 || code == stun.CodeAllocMismatch {
				t.Errorf("Allocate once more after expiry = %d, want it not even authenticated", code)
			}
			other := s.dial(t, network, "ann")
			other.username, other.password = c.username, c.password
			if _, code := other.allocate(); code == 0 {
				t.Error("a new Allocate with the expired credential succeeded")
			}
			s.clock.advance(time.Hour)
			if got := code(c.do(stun.MethodRefresh)); got == 0 {
				t.Error("Refresh 24 h after the Allocate succeeded with an expired credential")
			}
		})
	}
}

func TestEndedAllocationLeavesNoRight(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	c := s.dial(t, "udp", "ann")
	c.mustAllocate()
	s.clock.advance(time.Hour)
	if got := code(c.do(stun.MethodRefresh, attr(stun.AttrLifetime, 0, 0, 0, 0))); got != 0 {
		t.Fatalf("Refresh 0 = %d, want success", got)
	}
	if _, code := c.allocate(); code == 0 {
		t.Error("Allocate with an expired credential succeeded where an allocation had been")
	}
}

func TestAnotherUsersAllocation(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	_, peer := newPeer(t)
	c := s.dial(t, "udp", "ann")
	c.mustAllocate()
	ann, pass := c.username, c.password
	c.username, c.password = s.credentials("bob")
	if code(c.do(stun.MethodRefresh, attr(stun.AttrLifetime, 0, 0, 0, 0))) == 0 || c.permit(peer) || c.bind(peer) {
		t.Error("bob could act on the allocation of ann")
	}
	c.username, c.password = ann, pass
	if got := code(c.do(stun.MethodRefresh)); got != 0 {
		t.Errorf("Refresh by ann after that = %d, want success", got)
	}
}

// Without errEnding strangers can end the process: see lastMoments.
func TestOnlyTheEndIsLeftInTheLastMoments(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	_, peer := newPeer(t)
	c := s.dial(t, "udp", "ann")
	if _, code := c.allocate(attr(stun.AttrLifetime, 0, 0, 0, 4)); code != 0 {
		t.Fatalf("Allocate for 4 s = %d, want success", code)
	}
	if c.permit(peer) || c.bind(peer) {
		t.Error("a permission was granted less than 5 s before the end")
	}
	if got := code(c.do(stun.MethodRefresh)); got == 0 {
		t.Error("Refresh succeeded less than 5 s before the end")
	}
	if got := code(c.do(stun.MethodRefresh, attr(stun.AttrLifetime, 0, 0, 0, 0))); got != 0 {
		t.Errorf("Refresh 0 in the last moments = %d, want success", got)
	}
	if relayed := c.mustAllocate(); !c.permit(peer) || !c.bind(peer) {
		t.Errorf("a permission for the new allocation %v was refused", relayed)
	}
}
