package signal

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestWhoOffersAgainAndAgainKeepsTheSeatOfTheOtherOne lets one try again for as long as
// the other one is away: that one comes back to the last offer, and to what is of it.
func TestWhoOffersAgainAndAgainKeepsTheSeatOfTheOtherOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, b, tokenA, _ := w.pair(t, "room1")
		a.lose()
		synctest.Wait()
		b.send(`{"type":"answer","sdp":"of before"}`)
		const offers, candidates = 20, 8
		say := func(n int, hear func(string)) {
			hear(fmt.Sprintf(`{"type":"offer","sdp":"%s","offer":%d}`, strings.Repeat("x", 10_000), n))
			for i := range candidates {
				hear(fmt.Sprintf(`{"type":"candidate","n":"%d.%d"}`, n, i))
			}
		}
		for n := range offers {
			say(n, b.send)
			<-time.After(time.Second)
		}
		again := w.connect(t, false)
		again.comeBack("room1", "alice", tokenA)
		if !again.accept().Resumed {
			t.Error("the seat was given up")
		}
		again.mustGet(`{"type":"answer","sdp":"of before"}`)
		say(offers-1, again.mustGet)
		talk(t, again, b) // and nothing before it
		w.nothingIsKept(t)
		w.stop()
	})
}
