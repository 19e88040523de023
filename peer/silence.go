package peer

import "time"

const (
	// minSilence is how long the partner may say nothing while a message of ours
	// waits for its ack, before we ask him whether he hears us: a user who
	// reads slowly, or a page in the background, acknowledges late. Where more
	// round trips take longer, that is silentTrips of them.
	minSilence  = 500 * time.Millisecond
	silentTrips = 4

	// longSilence is the same after he has answered once.
	longSilence = 15 * time.Second

	// probeTimeout is how long the answer may take, beside two round trips; then
	// the way is suspect. With minSilence it is longer than Firefox takes to say
	// again what got lost: 1 s at least (RFC 9260 §16, RTO.Min).
	probeTimeout = time.Second

	// maxTrip is how much of a round-trip time counts: the partner can make it as
	// long as he likes.
	maxTrip = time.Second

	// lastChance is how many hellos a partner may leave unanswered after the
	// server has said that he left: 3 s.
	lastChance = 12
)

// probe asks the partner for a sign of life. From a program that knows no ack
// of id 0 none can be asked: there the line must see for itself.
func (c *Chat) probe() {
	c.hello()
	if !c.answering {
		c.line.reached()
		return
	}
	c.probed = time.Now()
	c.wait(probeTimeout + 2*c.trip())
}

// trip is the round-trip time, so far as it is known and counts.
func (c *Chat) trip() time.Duration { return min(c.Path().RTT, maxTrip) }

// silence is how long he may say nothing while a message waits for its ack.
func (c *Chat) silence() time.Duration { return max(minSilence, silentTrips*c.trip()) }

// wait has onQuiet called after a while, and not before.
func (c *Chat) wait(d time.Duration) {
	c.quietAt = time.Now().Add(d)
	c.quiet.Reset(d)
}

// listen makes sure that the silence of the partner is noticed while messages
// of ours are on their way.
func (c *Chat) listen() {
	silence := c.silence()
	if c.answering && c.probed.IsZero() && (c.quietAt.IsZero() || c.quietAt.After(time.Now().Add(silence))) {
		c.wait(silence)
	}
}

// onQuiet looks at how long the partner has been silent.
func (c *Chat) onQuiet() {
	c.quietAt = time.Time{}
	switch heard, silence := time.Since(c.heardAt), c.silence(); {
	case !c.probed.IsZero():
		c.line.suspect()
	case len(c.unacked) == 0:
	case heard < silence:
		c.wait(silence - heard)
	default:
		c.probe()
	}
}

// doubt asks the partner himself whether he has left. The server says so also
// when it is the server that ends.
func (c *Chat) doubt() {
	if c.chances == 0 {
		c.chances = lastChance
		c.beat.Reset(0)
	}
}
