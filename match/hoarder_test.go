package match

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestAHoarderMeetsAtMostAFew lets one address open fifty WebSockets, with
// another user and device on each, before ten others come: these meet one
// another within seconds, and the fifty meet few of them and none of their own.
func TestAHoarderMeetsAtMostAFew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const sockets, honest, patience, few = 50, 10, 10 * time.Second, 3
		s := openSite(t, Config{
			PoolConfig: PoolConfig{Crowd: 8},
			FairUse:    FairUse{MaxPerAddr: sockets, OffersPerAddr: 2, SkipEvery: SkipEvery, PeoplePerAddr: PeoplePerAddr},
		})
		owner := map[string]string{} // of each room, who is in it
		hoard := make([]*client, sockets)
		for i := range hoard {
			hoard[i] = s.from("192.0.2.66").connect(t, asksFrom(fmt.Sprint("hoarder-", i), fmt.Sprint("phone-", i)))
			hoard[i].must(wire.MatchWaiting)
		}
		s.from("192.0.2.66").connect(t, asks("hoarder-51")).mustBeRefused(wire.ErrorTooMany, wire.ReasonTooMany)
		others := make([]*client, honest)
		for i := range others {
			others[i] = s.from(fmt.Sprintf("198.51.100.%d", i)).connect(t, request(fmt.Sprint("honest-", i)))
		}
		<-time.After(patience)
		synctest.Wait()
		for i, c := range others {
			if room := c.roomSoFar(); room == "" {
				t.Errorf("after %v honest-%d has met nobody", patience, i)
			} else {
				owner[room] += "honest "
			}
		}
		met := 0
		for _, c := range hoard {
			if room := c.roomSoFar(); room != "" {
				met++
				owner[room] += "hoarder "
			}
		}
		for room, who := range owner {
			if who == "hoarder hoarder " {
				t.Errorf("in %s the hoarder meets himself", room)
			}
		}
		if met > few {
			t.Errorf("the hoarder meets %d of %d, want %d at most", met, honest, few)
		}
		s.stop()
	})
}

// roomSoFar is the room of the MATCH that has come already, if one has.
func (c *client) roomSoFar() string {
	for {
		select {
		case text, ok := <-c.got:
			if !ok {
				return ""
			}
			if m := decode(c.t, text); m.Type == wire.MatchFound {
				return m.RoomID
			}
		default:
			return ""
		}
	}
}
