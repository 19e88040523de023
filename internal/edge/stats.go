package edge

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"sync"
	"syscall"
)

// Reason is why a connection was refused: short and fixed, a label of metrics.
type Reason string

// The reasons.
const (
	Full      Reason = "full"         // MaxConns were open
	PerAddr   Reason = "per_addr"     // MaxPerAddr of its address were open
	Crowded   Reason = "crowded"      // it took 2 s while MaxOpening were being opened
	Slow      Reason = "slow"         // Opening had passed
	Gone      Reason = "gone"         // it had ended before it said whom it is for
	Header    Reason = "proxy_header" // a listed proxy sent a PROXY header that is none
	Handshake Reason = "tls"          // no TLS came about
	Unserved  Reason = "unserved"     // its service has ended or does not accept, or the door has ended
)

// Stats is what a Door has done and holds.
type Stats struct {
	Accepted     uint64            // from the socket, whatever came of them
	HTTP, TURN   uint64            // handed over
	Challenges   uint64            // handshakes of an ACME server (RFC 8737)
	Refused      map[Reason]uint64 // closed by the door; every Reason is there
	AcceptErrors uint64            // for want of descriptors, mostly
	Open         int               // now, handed over or not
	Opening      int               // of those, how many are not known yet
}

// Stats is a snapshot.
func (d *Door) Stats() Stats {
	s := d.counts.snapshot()
	s.Open, s.Opening = d.crowd.Len(), d.opening.size()
	return s
}

// counters are the Stats that grow.
type counters struct {
	mu      sync.Mutex // guards the fields below
	stats   Stats
	refused map[Reason]uint64
}

func (c *counters) add(field *uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*field++
}

func (c *counters) accept()      { c.add(&c.stats.Accepted) }
func (c *counters) acceptError() { c.add(&c.stats.AcceptErrors) }
func (c *counters) challenge()   { c.add(&c.stats.Challenges) }

func (c *counters) route(turn bool) {
	if turn {
		c.add(&c.stats.TURN)
	} else {
		c.add(&c.stats.HTTP)
	}
}

func (c *counters) refuse(why Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = map[Reason]uint64{}
	}
	c.refused[why]++
}

func (c *counters) snapshot() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Refused = map[Reason]uint64{Full: 0, PerAddr: 0, Crowded: 0, Slow: 0, Gone: 0, Header: 0, Handshake: 0, Unserved: 0}
	maps.Copy(s.Refused, c.refused)
	return s
}

// refusedError is a refusal, and what led to it.
type refusedError struct {
	why Reason
	err error
}

func refuse(why Reason, err error) error { return refusedError{why, err} }

func (r refusedError) Error() string {
	if r.err == nil {
		return string(r.why)
	}
	return string(r.why) + ": " + r.err.Error()
}

func (r refusedError) Unwrap() error { return r.err }

// reason is why a connection is refused with err. Whoever was too slow, or went
// away, is that in whatever part of the opening it was.
func reason(err error) Reason {
	why := Gone
	if r, ok := errors.AsType[refusedError](err); ok {
		why = r.why
	}
	switch {
	case why == Crowded || why == Unserved:
		return why
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return Slow
	case errors.Is(err, context.Canceled): // by the end of the door, in a handshake
		return Unserved
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return Gone
	}
	return why
}
