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

// A relay of the partner's lets us in when he has told it to (RFC 8656 §9), which
// he can when our answer has reached him: one round trip of his to the server after
// we gave it, and the time that his browser takes, admitDelay. How long that round
// trip is we see from how long his offer took, once both were told of the match; it
// counts up to offerTrip.
const (
	admitDelay = 20 * time.Millisecond
	offerTrip  = 200 * time.Millisecond
)

// relayBias is how much better the relayed addresses of who makes the first offer
// look to the partner, and how much worse to him those of who answers: 16 steps of
// the local preference (RFC 8445 §5.1.2.1), far less than one of the type. The one's
// are there first. Each side knows its own priorities unchanged, so both must be told
// of others: with one bias alone the two would rate the same pairs differently, and
// each would settle on the other's relay.
const relayBias = 16 << 8

// aside is what is put aside of the partner's candidates. ICE checks one pair after
// the other, about 60 ms apart in browsers, and those with the best priority first;
// a check that is lost is made again when all others were made.
//
// Between two networks the best priority is that of private addresses, which lead
// nowhere there. They wait for as long as he does not seem to be in our network, and
// are tried in the end, for networks may be joined in ways that we do not see.
// Relayed addresses wait until they may let us in.
type aside struct {
	since    time.Time // when the first of private came
	private  []wire.ICECandidate
	admitted time.Time // when to check relays; zero: at once
	relays   []wire.ICECandidate
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
// to be of no use now.
func (c *connection) give(candidate wire.ICECandidate, now time.Time) {
	c.note(candidate.Candidate)
	switch {
	case len(c.aside.private)+len(c.aside.relays) >= maxCandidates:
	case isPrivate(candidate.Candidate):
		if len(c.aside.private) == 0 {
			c.aside.since = now
		}
		c.aside.private = append(c.aside.private, candidate)
		return
	case now.Before(c.aside.admitted) && relayAddress(candidate.Candidate) != "":
		c.aside.relays = append(c.aside.relays, candidate)
		return
	}
	c.add(candidate)
}

// asideUntil is when something of what was put aside must be checked; zero if there
// is nothing.
func (c *connection) asideUntil() (until time.Time) {
	if c == nil {
		return until
	}
	if len(c.aside.private) > 0 {
		until = c.aside.since.Add(c.privateDelay())
	}
	if len(c.aside.relays) > 0 && (until.IsZero() || c.aside.admitted.Before(until)) {
		until = c.aside.admitted
	}
	return until
}

// privateDelay is how long private addresses wait.
func (c *connection) privateDelay() time.Duration {
	switch c.distance() {
	case near:
		return 0
	case far:
		return spareDelay
	default:
		return graceDelay
	}
}

// giveAside has ICE check what was put aside, if it is time.
func (c *connection) giveAside(now time.Time) {
	if until := c.asideUntil(); until.IsZero() || now.Before(until) {
		return
	}
	var due []wire.ICECandidate
	if !now.Before(c.aside.admitted) {
		due, c.aside.relays = c.aside.relays, nil
	}
	if !now.Before(c.aside.since.Add(c.privateDelay())) {
		due = append(due, c.aside.private...)
		c.aside.private = nil
	}
	for _, candidate := range due {
		c.add(candidate)
	}
}

// biased is a candidate of ours as the partner is told of it.
func biased(candidate string, of role) string {
	rank, bias := relayRank(candidate), int64(0)
	switch of {
	case roleOffer:
		bias = relayBias
	case roleAnswer:
		bias = -relayBias
	}
	priority := int64(rank) - 1
	if rank == 0 || bias == 0 || priority>>24 != (priority+bias)>>24 {
		return candidate
	}
	f := strings.Fields(candidate)
	f[3] = strconv.FormatInt(priority+bias, 10)
	return strings.Join(f, " ")
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
