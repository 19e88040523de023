package conformance

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// limitRows ask for too much.
func limitRows() []row {
	return []row{
		{name: "300 allocations with one credential", probe: func(c *client) string {
			return many(c, func(int, *client) {})
		}, want: "486", stock: "300 granted"},
		{name: "300 allocations of one user under many timestamps", probe: func(c *client) string {
			return many(c, func(i int, c *client) {
				c.username, c.password = c.credential("ann", time.Duration(i+1)*time.Minute)
			})
		}, want: "486", stock: "300 granted"},
		{name: "300 allocations of one address under many users", probe: func(c *client) string {
			return many(c, func(i int, c *client) { c.username, c.password = c.credential(strconv.Itoa(i), time.Hour) })
		}, want: "486", stock: "300 granted"},
		{name: "another address is served nevertheless", probe: func(c *client) string {
			many(c, func(i int, c *client) { c.username, c.password = c.credential(strconv.Itoa(i), time.Hour) })
			return c.dial("udp", "127.0.0.2", "bob").allocate().String()
		}, want: "success", stock: "success"},
		{name: "3,000 permissions on one allocation", probe: func(c *client) string {
			c.mustAllocate()
			for i := 0; i < 3000; i += 10 {
				var peers []part
				for j := range 10 {
					peers = append(peers, peerIP(fmt.Sprintf("11.0.%d.%d", (i+j)/250, (i+j)%250)))
				}
				if r := c.ask(createPermission, peers...); !r.succeeded() {
					return r.String()
				}
			}
			return "3000 granted"
		}, want: "508", stock: "3000 granted"},
		{name: "3,000 channels on one allocation", probe: func(c *client) string {
			c.mustAllocate()
			for i := range 3000 {
				r := c.ask(channelBind, channel(0x4000+uint16(i)), peerIP(fmt.Sprintf("11.0.%d.%d", i/250, i%250)))
				if !r.succeeded() {
					return r.String()
				}
			}
			return "3000 granted"
		}, want: "508", stock: "3000 granted"},
		{name: "a few permissions and channels are no trouble", probe: func(c *client) string {
			c.mustAllocate()
			for i := range 20 {
				ip := "11.0.0." + strconv.Itoa(i)
				if r := c.ask(channelBind, channel(0x4000+uint16(i)), peerIP(ip)); !r.succeeded() {
					return r.String()
				}
				if r := c.ask(createPermission, peerIP(ip)); !r.succeeded() {
					return r.String()
				}
			}
			return "success"
		}, want: "success", stock: "success"},
		{name: "1,000 idle TCP connections from one address", probe: idle, want: "the last is closed, others are served", stock: "the last is open, others are served"},
	}
}

// many asks for 300 allocations from one address, and returns the first answer
// that is not success.
func many(c *client, become func(int, *client)) string {
	const n = 300
	for i := range n {
		next := c.elsewhere("127.0.0.1")
		become(i, next)
		if r := next.allocate(); !r.succeeded() {
			return r.String()
		}
	}
	return fmt.Sprint(n, " granted")
}

// idle opens connections that say nothing.
func idle(c *client) string {
	var last *client
	for range 1000 {
		last = c.dial("tcp", "127.0.0.1", "ann")
	}
	state := last.ends(c.wait(time.Second, "open"))
	if r := c.dial("tcp", "127.0.0.2", "bob").allocate(); !r.succeeded() {
		return "the last is " + state + ", others get " + r.String()
	}
	if r := c.allocate(); !r.succeeded() {
		return "the last is " + state + ", over UDP they get " + r.String()
	}
	return "the last is " + state + ", others are served"
}

// floodRows make a noise.
func floodRows() []row {
	const (
		served   = "throttled; a holder of a nonce: success; another address: 401"
		answered = "all answered; a holder of a nonce: success; another address: 401"
	)
	return []row{
		{name: "3,000 Allocates without a credential in a burst", probe: func(c *client) string {
			return flood(c, 3000, func() []byte { return message(allocate, udp()) })
		}, want: served, stock: answered},
		{name: "500 wrong passwords", probe: func(c *client) string {
			guesser := c.elsewhere("127.0.0.1")
			return flood(c, 500, func() []byte {
				guesser.password = "guess " + strconv.Itoa(rand.Int())
				return guesser.signed(allocate, udp())
			})
		}, want: served, stock: answered},
		{name: "20,000 broken messages, half of them signed", probe: func(c *client) string {
			return breakUp(c, c.dial("udp", "127.0.0.3", "mallory"), 20_000)
		}, want: "serves on: success, success", stock: "serves on: success, success"},
		{name: "2,000 broken frames over TCP, half of them signed", probe: func(c *client) string {
			return breakUp(c, c.dial("tcp", "127.0.0.3", "mallory"), 2000)
		}, want: "serves on: success, success", stock: "(a core might spin for ever)"},
	}
}

// flood sends requests from one address and counts the answers. Then two others
// ask: somebody at that address who had a nonce before, and a stranger elsewhere.
func flood(c *client, n int, next func() []byte) string {
	c.mustAllocate()
	stranger := c.elsewhere("127.0.0.1")
	answers := 0
	for range n / 50 {
		for range 50 {
			stranger.send(next())
		}
		answers += stranger.count(50)
	}
	answers += stranger.count(n - answers)
	s := fmt.Sprint(answers, " answered")
	switch {
	case answers > n*9/10:
		s = "all answered"
	case answers < n/2:
		s = "throttled"
	}
	return fmt.Sprintf("%s; a holder of a nonce: %v; another address: %v",
		s, c.ask(refresh), c.dial("udp", "127.0.0.2", "bob").say(allocate))
}

// count receives up to n messages.
func (c *client) count(n int) (received int) {
	for ; received < n; received++ {
		if _, err := c.read(c.wait(hesitation/5, "throttled")); err != nil {
			break
		}
	}
	return received
}

// breakUp lets somebody send broken messages, a new connection for every
// hundred, and then asks whether two others are served.
func breakUp(c, breaker *client, n int) string {
	c.mustAllocate()
	rng := rand.New(rand.NewPCG(3, 1968)) // the same messages every time
	for i := range n {
		if i%100 == 0 && (i == 0 || breaker.stream != nil) {
			breaker = breaker.again()
			breaker.mustAllocate()
		}
		if breaker.send(broken(breaker, rng, i%2 == 0)); i%100 == 99 {
			breaker.pause()
		}
	}
	return list("serves on: "+c.insist(refresh).String(), c.dial("udp", "127.0.0.1", "bob").allocate())
}

// broken is a signed request with attributes of which few make sense, or what is
// left of a good one on a bad line.
func broken(c *client, rng *rand.Rand, signed bool) []byte {
	if signed {
		known := []uint16{
			attrUsername, attrErrorCode, attrUnknown, attrChannelNumber, attrLifetime, attrPeer, attrData, attrRequestedFamily,
			attrEvenPort, attrRequestedTransport, attrReservationToken, attrMapped, attrAdditionalFamily, attrSoftware,
		}
		var parts []part
		for range rng.IntN(5) {
			value := make([]byte, rng.IntN(24))
			for i := range value {
				value[i] = byte(rng.Uint32())
			}
			parts = append(parts, attr(known[rng.IntN(len(known))], value...))
		}
		return c.signed(uint16(rng.IntN(12)), parts...)
	}
	p := c.signed(createPermission, peerIP("127.0.0.1"))
	for range 1 + rng.IntN(4) {
		p[rng.IntN(len(p))] = byte(rng.Uint32())
	}
	return p[:rng.IntN(len(p)+1)]
}
