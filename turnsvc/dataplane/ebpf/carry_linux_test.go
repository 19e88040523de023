//go:build netns

package ebpf

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
)

// A call is a channel with its four sockets: those of the client and of the peer,
// and in between those of user space, which should read nothing.
type call struct {
	dataplane.Channel
	client, server, relay, peer *socket
}

// A kind is a pair of families: the client's and the peer's.
type kind struct{ name, client, server, relay, peer string }

func kinds() []kind {
	const (
		client4, server4, relay4, peer4 = "10.9.1.2:0", "10.9.1.1:0", "10.9.2.1:0", "10.9.2.2:0"
		client6, server6, relay6, peer6 = "[fd09:1::2]:0", "[fd09:1::1]:0", "[fd09:2::1]:0", "[fd09:2::2]:0"
	)
	return []kind{
		{"IPv4", client4, server4, relay4, peer4},
		{"IPv6", client6, server6, relay6, peer6},
		{"IPv4 to IPv6", client4, server4, relay6, peer6},
		{"IPv6 to IPv4", client6, server6, relay4, peer4},
	}
}

func (w *wires) call(t *testing.T, k kind) *call {
	t.Helper()
	c := &call{client: w.client.listen(t, k.client), server: w.server.listen(t, k.server), relay: w.server.listen(t, k.relay), peer: w.peer.listen(t, k.peer)}
	c.Channel = dataplane.Channel{
		Allocation: 1, Number: 0x4001,
		Client: c.client.at(), Server: c.server.at(), Relayed: c.relay.at(), Peer: c.peer.at(),
	}
	return c
}

// out sends from the client to the peer, which must get the same from the relay.
func (c *call) out(t *testing.T, data []byte, padding int) {
	t.Helper()
	c.client.send(append(channelData(c.Number, data), make([]byte, padding)...), c.Server)
	c.gets(t, c.peer, data, c.Relayed)
}

// in sends from the peer to the client.
func (c *call) in(t *testing.T, data []byte) {
	t.Helper()
	c.peer.send(data, c.Relayed)
	c.gets(t, c.client, channelData(c.Number, data), c.Server)
}

func (c *call) gets(t *testing.T, s *socket, want []byte, from netip.AddrPort) {
	t.Helper()
	got, who := s.receive()
	if !bytes.Equal(got, want) || who != from {
		t.Fatalf("%v gets %d bytes from %v, want %d from %v:\n%x\n%x", s.at(), len(got), who, len(want), from, got, want)
	}
}

// TestCarriesEveryByte sends datagrams of many sizes both ways, whoever has the
// work of the checksums: the kernel that sends, the server's, or that which
// receives. Each kernel drops what is wrong.
func TestCarriesEveryByte(t *testing.T) {
	w := newWires(t)
	p := w.plane(t, dataplane.Options{})
	sizes := []int{0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 63, 64, 100, 160, 511, 512, 513, 1000, 1199, 1200}
	for _, k := range kinds() {
		c := w.call(t, k)
		bind(t, p, c.Channel)
		for mask := range 8 {
			name := fmt.Sprintf("%s, offload %03b", k.name, mask)
			t.Run(name, func(t *testing.T) {
				w.client.must(t, func() error { return offload("c0", mask&1 != 0) })
				w.peer.must(t, func() error { return offload("p0", mask&1 != 0) })
				w.server.must(t, func() error { return offload("s0", mask&2 != 0) })
				w.server.must(t, func() error { return offload("s1", mask&4 != 0) })
				var want dataplane.Traffic
				before, _ := p.Counts()
				for _, size := range sizes {
					for padding := range -size&3 + 1 {
						c.out(t, some(size), padding)
						c.in(t, some(size))
						want = want.Plus(dataplane.Traffic{Packets: 1, Bytes: uint64(size)})
					}
				}
				after, _ := p.Counts()
				if out, in := after.Out.Minus(before.Out), after.In.Minus(before.In); out != want || in != want {
					t.Errorf("counted %v out, %v in, want %v", out, in, want)
				}
			})
		}
		p.Unbind(c.Channel)
	}
}
