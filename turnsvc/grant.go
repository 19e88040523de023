package turnsvc

import (
	"net/netip"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// maxOverstay is how long after it was made an allocation can be kept alive with
// a credential that has expired. The credential was issued before that, so it is
// at least this long good for its live allocation.
const maxOverstay = 24 * time.Hour

// lastMoments is the end of the lifetime of an allocation, in which all that can
// be done with it is to end it. In pion v4.1.4 a permission that is added while
// the timer deletes the allocation can be met before it has a timer of its own:
// a nil pointer, and the end of the process. It took us two seconds to provoke
// with nothing but a credential. So no request may touch an allocation that the
// timer may be deleting. Clients refresh a minute before the end.
const lastMoments = 5 * time.Second

// A grant is the right to one allocation: taken from the quota when the request
// is admitted, given back when the relay socket is closed.
type grant struct {
	username string         // of the Allocate request; all that follows must have it
	user     string         // its claims, whom the quota counts
	client   netip.AddrPort // the other half of the 5-tuple is the door
	made     time.Time      // by the clock of the credentials
	ends     time.Time      // when pion's timer fires; only the door's reader touches it
}

func (g *grant) source() netip.Prefix { return gate.Source(g.client.Addr()) }
