package match

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestRulesChangeWhileTheLobbyServes holds that what fair use allows is the rule
// of now, and that nobody is sent away by a new one.
func TestRulesChangeWhileTheLobbyServes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, Config{PoolConfig: PoolConfig{TagWait: time.Hour}})
		home := s.from("192.0.2.1")
		a := home.connect(t, `{"user_id":"a","tags":["a"],"ext":["waiting"]}`)
		if m := a.must(wire.MatchWaiting); m.Relax != 3600 {
			t.Errorf("tags relax in %d s, want an hour", m.Relax)
		}
		s.lobby.SetRules(Rules{TagWait: time.Minute, MaxWait: time.Hour}, FairUse{MaxPerAddr: 1})
		b := home.connect(t, `{"user_id":"b","tags":["b"]}`)
		if m := b.must(wire.MatchError); m.Reason != wire.ErrorTooMany {
			t.Errorf("the second of an address is told %+v, want that they are too many", m)
		}
		if got := s.lobby.Stats().Waiting; got != 1 {
			t.Errorf("%d wait, want the one who did already", got)
		}
		s.lobby.SetRules(Rules{TagWait: time.Minute, MaxWait: time.Hour}, FairUse{})
		c := home.connect(t, `{"user_id":"c","tags":["c"],"ext":["waiting"]}`)
		if m := c.must(wire.MatchWaiting); m.Relax != 60 {
			t.Errorf("tags relax in %d s, want a minute", m.Relax)
		}
		a.must(wire.MatchFound)
		c.must(wire.MatchFound)
		s.stop()
	})
}
