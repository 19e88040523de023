package conformance

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// strangerRows are messages of people without a credential.
func strangerRows() []row {
	return []row{
		{name: "a Binding request", probe: func(c *client) string {
			r := c.say(binding)
			return list(r, "mapped address right: "+fmt.Sprint(r.addr(attrMapped).String() == c.conn.LocalAddr().String()))
		}, want: "success, mapped address right: true", stock: "success, mapped address right: true"},
		{name: "a Binding request with an unknown attribute that must be understood", probe: func(c *client) string {
			return c.say(binding, unknownRequired()).String()
		}, want: "420 for 0002", stock: "success"},
		{name: "a Binding request with an unknown attribute that may be ignored", probe: func(c *client) string {
			return c.say(binding, attr(attrOptionalUnknown)).String()
		}, want: "success", stock: "success"},
		{name: "what is asked of a stranger first is a credential", probe: func(c *client) string {
			return c.say(allocate, unknownRequired(), transport(99)).String()
		}, want: "401", stock: "401"},
		{name: "the longest answer to 20 bytes", probe: amplification, want: "at most 3.4 times as long, no SOFTWARE", stock: "3.6 times as long, no SOFTWARE"},
		{name: "CreatePermission", probe: func(c *client) string { return c.say(createPermission, peerIP("127.0.0.1")).String() }, want: "401", stock: "silence"},
		{name: "ChannelBind", probe: func(c *client) string {
			return c.say(channelBind, channel(0x4000), peerIP("127.0.0.1")).String()
		}, want: "401", stock: "silence"},
		{name: "Refresh", probe: func(c *client) string { return c.say(refresh).String() }, want: "401", stock: "401"},
	}
}

// amplification is how much longer an answer to a stranger is than what he sent.
func amplification(c *client) string {
	var worst float64
	software := "no SOFTWARE"
	for _, method := range []uint16{binding, allocate, refresh, createPermission, channelBind} {
		p := message(method)
		r := c.exchange(p, nil)
		worst = max(worst, float64(len(r.raw))/float64(len(p)))
		if r.get(attrSoftware) != nil {
			software = "SOFTWARE"
		}
	}
	if worst > 3.4 {
		return fmt.Sprintf("%.1f times as long, %s", worst, software)
	}
	return "at most 3.4 times as long, " + software
}

// junkRows are bytes that deserve silence (RFC 8489 §6.3).
func junkRows() []row {
	var rows []row
	for _, junk := range []struct {
		name  string
		bytes []byte
	}{
		{"an empty datagram", nil},
		{"one byte", []byte{0}},
		{"half a header", message(binding)[:10]},
		{"a header that announces more than it brings", announce(message(binding), 8)},
		{"a Binding indication", message(binding | indication)},
		{"a Binding response", message(binding|success, xorAddr(attrMapped, netip.MustParseAddrPort("127.0.0.1:9")))},
		{"an Allocate error", message(allocate|failure, attr(attrErrorCode, 0, 0, 4, 1))},
		{"a Data indication", message(dataMethod|indication, peerIP("127.0.0.1"), text(attrData, "hello"))},
		{"an Allocate indication", message(allocate|indication, udp())},
		{"a method that nobody knows", message(0x00F | request)},
		{"Connect of RFC 6062", message(0x00A|request, peerIP("127.0.0.1"))},
		{"a Send request", message(send|request, peerIP("127.0.0.1"), text(attrData, "hello"))},
		{"another magic cookie", otherCookie()},
		{"RTP", append([]byte{0x80, 0x60}, make([]byte, 30)...)},
		{"DTLS", append([]byte{22, 0xFE, 0xFD}, make([]byte, 30)...)},
		{"ChannelData of nobody", channelData(0x4000, "hello")},
		{"DNS", []byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01")},
	} {
		rows = append(rows, row{name: junk.name, probe: datagram(junk.bytes), want: "silence", stock: "silence"})
	}
	return append(rows,
		row{name: "an attribute that is longer than its message", probe: datagram(overlong()), want: "silence | 400", stock: "silence"},
		row{name: "a length that is not a multiple of 4", probe: datagram(oddLength()), want: "silence", stock: "silence"},
		row{name: "bytes behind the message", probe: datagram(append(message(binding), 0, 0, 0, 0)), want: "silence", stock: "success"},
	)
}

func datagram(p []byte) func(*client) string {
	return func(c *client) string { return c.exchange(p, nil).String() }
}

func otherCookie() []byte {
	p := message(binding)
	p[4]++ // as in RFC 3489
	return p
}

func overlong() []byte {
	p := message(binding, attr(attrOptionalUnknown, 1, 2, 3, 4))
	binary.BigEndian.PutUint16(p[headerBytes+2:], 400)
	return p
}

func oddLength() []byte {
	p := slices.Concat(message(binding), []byte{0xC0, 0xDE, 0})
	return announce(p, 0)
}
