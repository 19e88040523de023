//go:build netns

package ebpf

import (
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
)

// TestTwoPlanesOnOneCard holds that the program of each of two processes carries its own
// channels, whoever came first, and lets those of the other pass; that what neither has
// goes up; and that the end of one leaves the other one as it is.
func TestTwoPlanesOnOneCard(t *testing.T) {
	w := newWires(t)
	older, newer := w.plane(t, dataplane.Options{}), w.plane(t, dataplane.Options{})
	for _, k := range kinds() {
		first, second := w.call(t, k), w.call(t, k)
		bind(t, older, first.Channel)
		bind(t, newer, second.Channel)
		for range 3 {
			first.out(t, some(100), 0)
			second.out(t, some(100), 0)
			first.in(t, some(100))
			second.in(t, some(100))
		}
		newer.Unbind(second.Channel)
		second.client.send(channelData(second.Number, some(9)), second.Server)
		second.gets(t, second.server, channelData(second.Number, some(9)), second.Client)
		older.Unbind(first.Channel)
	}
	want := dataplane.Traffic{Packets: 12, Bytes: 1200}
	for name, p := range map[string]dataplane.Plane{"older": older, "newer": newer} {
		if n := must(p.Counts()); n.In != want || n.Out != want {
			t.Errorf("the %s process has counted %+v, want %v each way", name, n, want)
		}
	}
	left := w.call(t, kinds()[0])
	bind(t, newer, left.Channel)
	if err := older.Close(); err != nil {
		t.Fatal(err)
	}
	left.out(t, some(50), 0)
	left.in(t, some(50))
}

// TestPeerThatAnotherProcessRelays holds that what goes to a relay of another process of
// this server, which this one does not know as such, goes up: the kernel delivers it.
func TestPeerThatAnotherProcessRelays(t *testing.T) {
	w := newWires(t)
	p := w.plane(t, dataplane.Options{})
	for _, k := range kinds() {
		c := w.call(t, k)
		c.Peer = w.server.listen(t, k.relay).at()
		bind(t, p, c.Channel)
		c.client.send(channelData(c.Number, some(9)), c.Server)
		c.gets(t, c.server, channelData(c.Number, some(9)), c.Client)
		p.Unbind(c.Channel)
	}
	if n := must(p.Counts()); n.Out.Packets != 0 {
		t.Errorf("the kernel has counted %+v, want nothing", n)
	}
}
