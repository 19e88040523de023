//go:build soak

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// A server remembers for an hour who has met whom, so that one may report the other,
// and what has happened in each room; and no more than so many of both. A soak of an
// hour sees that grow for as long as it lasts, however small its leaks. So before
// the first census as many pass by as it takes for all of that to be full, the last of
// them with as much to remember as of guests: what grows afterwards is not given back.
const (
	passerHosts  = 9 // each has ports enough for its share
	passings     = 34
	talkings     = 9    // the last ones of them: 18,000 rooms
	passersEach  = 4000 // who meet somebody, with a room or without: 68,000 meetings in all, of which 65,536 are remembered
	passWithin   = time.Minute
	passersRooms = 16_384 // whose timelines are remembered, and no more
	fillLong     = 150 * time.Second
)

// fills has them pass by while nobody else is there.
func (s *soak) fills() {
	began := time.Now()
	var hosts []*natlab.Host
	for i := range passerHosts {
		hosts = append(hosts, s.joins(fmt.Sprintf("passers%d", i), netip.AddrFrom4([4]byte{51, 51, 51, byte(50 + i)}).String()))
	}
	for i := range passings {
		ctx, cancel := context.WithTimeout(s.t.Context(), passWithin)
		scenario := "match"
		if i >= passings-talkings {
			scenario = "session" // they say something in their room, and leave it
		}
		cmd := hosts[i%passerHosts].Command(ctx, serverBinary(s.t), "loadtest", "--scenario", scenario, "--peers", strconv.Itoa(passersEach), soakSite)
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil {
			s.ledger.finds("the laboratory works", "let %d pass by: %v\n%s", passersEach, err, out)
		}
	}
	if rooms := s.metric("timeline_rooms"); rooms < passersRooms {
		s.ledger.finds("the laboratory works", "after all have passed by %v rooms are remembered, want %d", rooms, passersRooms)
	}
	s.passed = time.Since(began)
}
