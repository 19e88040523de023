package peer

import (
	"strconv"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// graceDelay is how long a private address of the partner's waits for word of
// where the two networks meet the Internet, which comes right behind it.
const graceDelay = 50 * time.Millisecond

// aside is what is put aside of the partner's candidates: private addresses, for
// as long as he does not seem to be in our network. ICE checks one pair after the
// other, about 50 ms apart in browsers, and those with the best priority first;
// between two networks that are these, which lead nowhere there, and the relay,
// which works, comes last. They are tried in the end, for networks may be joined
// in ways that we do not see.
type aside struct {
	since      time.Time // when the first came
	candidates []wire.ICECandidate
}

// distance is what we know of where two people are.
type distance int

const (
	unknown distance = iota
	near             // the Internet sees them at the same address
	far              // it does not
)

// distance tells whether the partner is behind the same NAT as we are.
func (c *connection) distance() distance {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.outer) == 0 || len(c.seen.outer) == 0 {
		return unknown
	}
	for addr := range c.outer {
		if c.seen.outer[addr] {
			return near
		}
	}
	return far
}

// give has ICE check a candidate of the partner's now, or later if it is likely
// to be of no use.
func (c *connection) give(candidate wire.ICECandidate, now time.Time) {
	c.note(candidate.Candidate)
	if !isPrivate(candidate.Candidate) || len(c.aside.candidates) == maxCandidates {
		c.add(candidate)
		return
	}
	if len(c.aside.candidates) == 0 {
		c.aside.since = now
	}
	c.aside.candidates = append(c.aside.candidates, candidate)
}

// asideUntil is when what was put aside must be checked; zero if there is nothing.
func (c *connection) asideUntil() time.Time {
	if c == nil || len(c.aside.candidates) == 0 {
		return time.Time{}
	}
	switch c.distance() {
	case near:
		return c.aside.since
	case far:
		return c.aside.since.Add(spareDelay)
	default:
		return c.aside.since.Add(graceDelay)
	}
}

// giveAside has ICE check what was put aside, if it is time.
func (c *connection) giveAside(now time.Time) {
	if until := c.asideUntil(); until.IsZero() || now.Before(until) {
		return
	}
	candidates := c.aside.candidates
	c.aside = aside{}
	for _, candidate := range candidates {
		c.add(candidate)
	}
}

// isPrivate tells whether a candidate is one that leads to its owner only from
// within his network. A name of mDNS is none: elsewhere it is not found at all.
func isPrivate(candidate string) bool {
	f := strings.Fields(candidate)
	if len(f) < 8 || f[7] != "host" {
		return false
	}
	if strings.Contains(f[4], ":") { // RFC 4193 and RFC 4291 §2.5.6
		address := strings.ToLower(f[4])
		return strings.HasPrefix(address, "fc") || strings.HasPrefix(address, "fd") || strings.HasPrefix(address, "fe")
	}
	parts := strings.Split(f[4], ".")
	if len(parts) != 4 {
		return false
	}
	second, err := strconv.Atoi(parts[1])
	if err != nil {
		return false
	}
	switch parts[0] {
	case "10":
		return true
	case "100": // RFC 6598: between a provider and its customers
		return second >= 64 && second < 128
	case "169": // RFC 3927
		return second == 254
	case "172": // RFC 1918
		return second >= 16 && second < 32
	case "192":
		return second == 168
	}
	return false
}

// outerAddress is where the Internet sees who has this candidate; empty if it does
// not tell.
func outerAddress(candidate string) string {
	if f := strings.Fields(candidate); len(f) >= 8 && f[7] == "srflx" {
		return f[4]
	}
	return ""
}
