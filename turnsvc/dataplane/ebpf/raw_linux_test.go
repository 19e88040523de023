//go:build netns

package ebpf

import (
	"errors"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
)

// inject sends a frame from the client's card to the server's.
func (w *wires) inject(t *testing.T, frame []byte) {
	t.Helper()
	var to []byte
	w.server.must(t, func() error {
		card, err := netlink.LinkByName("s0")
		if err == nil {
			to = card.Attrs().HardwareAddr
		}
		return err
	})
	copy(frame, to)
	w.client.must(t, func() error {
		card, err := netlink.LinkByName("c0")
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		copy(frame[6:], card.Attrs().HardwareAddr)
		return errors.Join(unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: card.Attrs().Index}), unix.Close(fd))
	})
}

// TestRawFrames sends what no socket would, through a card that takes tags off and
// checks nothing.
func TestRawFrames(t *testing.T) {
	w := newWires(t)
	p := w.plane(t, dataplane.Options{})
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			c := w.call(t, k)
			bind(t, p, c.Channel)
			c.out(t, some(20), 0)
			with := func(change func(*frame)) []byte {
				f := &frame{from: c.Client, to: c.Server, payload: channelData(c.Number, some(30))}
				change(f)
				return f.bytes()
			}
			// Nobody has a tagged network here, and the stack drops it too.
			w.inject(t, with(func(f *frame) { f.vlan = true }))
			w.inject(t, with(func(f *frame) { f.damagedIP = true }))
			// It is carried, and the kernel of the peer drops it.
			before := must(p.Counts()).Out.Packets
			w.inject(t, with(func(f *frame) { f.damaged = true }))
			until(t, "what is damaged is carried", func() bool { return must(p.Counts()).Out.Packets == before+1 })
			w.inject(t, with(func(f *frame) { f.options = true }))
			c.gets(t, c.server, channelData(c.Number, some(30)), c.Client)
			w.inject(t, with(func(f *frame) { f.behind = 17 })) // short frames are padded
			c.gets(t, c.peer, some(30), c.Relayed)
			if got := must(p.Counts()).Out.Packets - before; got != 2 {
				t.Errorf("%d were carried, want 2", got)
			}
			p.Unbind(c.Channel)
		})
	}
}
