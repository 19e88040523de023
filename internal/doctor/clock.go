package doctor

import (
	"fmt"
	"time"
)

const (
	// clockNear is how far clocks may be apart: an answer takes a second, and its
	// Date is cut to seconds.
	clockNear = time.Minute
	// clockFar is when credentials of 10 minutes, certificates and room ids stop to
	// work between machines of which one is right: an hour, measured in seconds that
	// may be cut.
	clockFar = time.Hour - clockNear
)

// judgeClock is what the clock of the server means, seen at a moment of the local
// one.
func judgeClock(server, local time.Time) Check {
	c := Check{ID: "clock", Status: OK}
	if server.IsZero() {
		c.Status, c.Seen = Skip, "the server does not say what time it is"
		return c
	}
	apart := server.Sub(local)
	way := "ahead of"
	if apart < 0 {
		apart, way = -apart, "behind"
	}
	c.Seen = fmt.Sprintf("the server is %v %s this machine", apart.Round(time.Second), way)
	switch {
	case apart >= clockFar:
		c.Status = Fail
	case apart > clockNear:
		c.Status = Warn
	default:
		c.Seen = "as here"
		return c
	}
	c.Cause = ClockOff
	c.Fix = "on the one that is wrong (compare with: curl -sI https://www.debian.org | grep -i ^date): sudo timedatectl set-ntp true"
	return c
}
