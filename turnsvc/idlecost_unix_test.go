//go:build unix

package turnsvc

import (
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// BenchmarkIdleAllocation is what an allocation costs that does nothing: heap and
// stacks of the whole process, kernel buffers not counted. Stock pion v4.1.4
// takes 12.6 to 13.2 kB, coturn 22.
func BenchmarkIdleAllocation(b *testing.B) {
	const many = 2000
	for b.Loop() {
		s := serve(b, func(c *Config) { c.MaxAllocations, c.MaxPerAddr, c.MaxPerUser = many, many, many })
		clients := make([]*client, many)
		for i := range clients {
			clients[i] = s.dial(b, "udp", "ann")
		}
		before := inUse()
		for _, c := range clients {
			// The limiter of strangers would count this one address: its nonces are made here.
			c.nonce = []byte(s.nonces.make(gate.AddrPort(c.conn.LocalAddr())))
			c.mustAllocate()
		}
		b.ReportMetric(float64(inUse()-before)/many, "B/allocation")
		s.stopped(b)
		for _, c := range clients {
			_ = c.conn.Close()
		}
	}
}
