package signal

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/daytime"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestTokensOutliveAClockThatWasWrong issues tokens while the wall clock is set
// forward and back, and after that, and lets the next process read them, whose clock is
// right.
func TestTokensOutliveAClockThatWasWrong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{}
		sealing("s")(&cfg)
		const step = 2 * time.Hour
		for name, steps := range map[string][]time.Duration{
			"never set":               {0},
			"set forward, and right":  {0, step, 0},
			"set back, and right":     {0, -step, 0},
			"ahead since the start":   {step},
			"ahead, and set right":    {step, 0},
			"behind since the start":  {-step},
			"ahead by more than life": {tokenLife + step},
		} {
			start, set := time.Now(), steps[0]
			old := newNotary(cfg.Seal, false)
			old.clock = daytime.Of(func() time.Time { return time.Now().Add(set) }, func() time.Duration { return time.Since(start) })
			s := &seat{room: &room{}, side: wire.SideA, claim: claim{visit: visit{RoomID: "room"}, said: "ann"}}
			var token string
			for _, set = range steps {
				token = old.token(s)
				<-time.After(time.Second)
			}
			next := newNotary(cfg.Seal, false)
			p := next.read(&registration{Register: wire.Register{RoomID: "room", ClientID: "ann", ResumeToken: token}})
			if good := steps[0] <= tokenLife; good != (p != nil) {
				t.Errorf("a clock that was %s: the next process reads %+v, want a token that is good: %t", name, p, good)
			}
		}
	})
}
