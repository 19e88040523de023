package conformance

import (
	"encoding/hex"
	"net"
	"net/netip"
	"strings"
	"time"
)

// cutWithin is longer than a connection that brings nothing may live. How long
// that is to the second, the tests of turnsvc/gate hold on a clock of their own.
const cutWithin = 11500 * time.Millisecond

// streamRows are about TCP connections, their frames and their time.
func streamRows() []row {
	return []row{
		{name: "two requests in one segment", probe: stream(func(c *client) string {
			c.send(append(message(binding), message(binding)...))
			return list(c.ends(patience), c.ends(patience))
		}), want: "success, success", stock: "success, success"},
		{name: "a request in three segments", probe: stream(func(c *client) string {
			p := message(binding)
			for _, half := range [][]byte{p[:3], p[3:11], p[11:]} {
				c.send(half)
				wait(20 * time.Millisecond)
			}
			return c.ends(patience)
		}), want: "success", stock: "success"},
		{name: "an allocation ends with its connection", probe: stream(func(c *client) string {
			relay := c.mustAllocate()
			_ = c.conn.Close()
			return freed(relay)
		}), want: "its port is free", stock: "its port is free"},
		{name: "a silent connection", probe: stream(waitFor), want: "closed", stock: "open", slow: true},
		{name: "half a frame", probe: stream(func(c *client) string {
			c.send(message(binding)[:10])
			return waitFor(c)
		}), want: "closed", stock: "open", slow: true},
		{name: "a frame dripped byte by byte", probe: stream(drip), want: "closed", stock: "open", slow: true},
		{name: "a request of a stranger, then a frame dripped byte by byte", probe: stream(func(c *client) string {
			c.barrier()
			return drip(c)
		}), want: "closed", stock: "open", slow: true},
	}
}

// stream is a probe over TCP.
func stream(probe func(*client) string) func(*client) string {
	return func(c *client) string { return probe(c.dial("tcp", "127.0.0.1", "ann")) }
}

// freed reports whether a relay port becomes free soon.
func freed(relay netip.AddrPort) string {
	for end := time.Now().Add(patience); time.Now().Before(end); wait(10 * time.Millisecond) {
		if conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(relay)); err == nil {
			_ = conn.Close()
			return "its port is free"
		}
	}
	return "its port is taken"
}

// waitFor is how a connection ends that brings nothing more.
func waitFor(c *client) string { return c.ends(c.wait(cutWithin, "open")) }

// drip sends a frame so slowly that it never ends.
func drip(c *client) string {
	p := message(binding, text(attrOptionalUnknown, strings.Repeat("x", 1000)))
	for end := time.Now().Add(c.wait(cutWithin, "open")); time.Now().Before(end); p = p[1:] {
		c.send(p[:1])
		if s := c.ends(50 * time.Millisecond); s != "open" {
			return s
		}
	}
	return "open"
}

// overflowRows are bytes that no frame begins with, or that overflow the 16 bits
// of a length.
func overflowRows() []row {
	var rows []row
	for _, c := range []struct{ name, frame, stock string }{
		{"STUN length 0xFFEC", "0001ffec2112a442", "(spins a core for ever)"}, // 0xFFEC and a header make 0
		{"STUN length 0xFFFC", "0001fffc2112a442", "open"},
		{"ChannelData length 0xFFFC", "4000fffc00000000", "(spins a core for ever)"}, // so do these with padding
		{"ChannelData length 0xFFFD", "4000fffd00000000", "open"},
		{"ChannelData length 0xFFFE", "4000fffe00000000", "open"},
		{"ChannelData length 0xFFFF", "4000ffff00000000", "open"},
	} {
		p := append(unhex(c.frame), make([]byte, 12)...)
		rows = append(rows, row{name: c.name, probe: stream(segment(p)), want: "closed", stock: c.stock})
	}
	return append(rows,
		row{name: "a frame of 2 kB", probe: stream(segment(message(binding, text(attrOptionalUnknown, strings.Repeat("x", 2000))))), want: "closed", stock: "open"},
		row{name: "HTTP", probe: stream(segment([]byte("GET / HTTP/1.1\r\n\r\n"))), want: "closed", stock: "open"},
		row{name: "HTTP with a header", probe: stream(segment([]byte("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"))), want: "closed", stock: "open"},
		row{name: "a TLS ClientHello", probe: stream(segment(unhex("16030100f8010000f40303000000000000000000"))), want: "closed", stock: "closed"},
		row{name: "zeros", probe: stream(segment(make([]byte, 100))), want: "closed", stock: "closed"},
		row{name: "an unknown channel range", probe: stream(segment(channelData(0x5000, "hello"))), want: "closed", stock: "open"},
		row{name: "another magic cookie over TCP", probe: stream(segment(otherCookie())), want: "closed", stock: "closed"},
	)
}

// segment sends bytes of which the server should want no more. "At once" is a
// second here.
func segment(p []byte) func(*client) string {
	return func(c *client) string {
		c.send(p)
		return c.ends(c.wait(time.Second, "open"))
	}
}

func unhex(digits string) []byte {
	p, err := hex.DecodeString(digits)
	if err != nil {
		panic("conformance: " + err.Error())
	}
	return p
}
