//go:build netns

package natlab_test

import (
	"encoding/binary"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// TestReorder sends a hundred datagrams of which half take longer than all of them
// together: nothing is lost, and those arrive after the others, each half in order.
func TestReorder(t *testing.T) {
	lab := newLab(t, natlab.PortRestrictedCone, natlab.NoNAT)
	to, conn := mirror(t, lab), bind(t, lab.Client(natlab.SideA), ":0")
	const sent, late = 100, 200 * time.Millisecond
	roundTrips(t, conn, to) // who is a neighbour has been asked
	reorder := func(percent int) {
		if err := lab.SetReorder(t.Context(), natlab.SideA, percent, late); err != nil {
			t.Fatal(err)
		}
	}
	exchange := func() (list []uint32) {
		passes(t, conn, to) // a link that was made just now may lose what comes first
		for i := range uint32(sent) {
			if _, err := conn.WriteTo(binary.BigEndian.AppendUint32(nil, i), to); err != nil {
				t.Fatal(err)
			}
		}
		return received(t, conn, sent)
	}
	reorder(50)
	got := exchange()
	if slices.IsSorted(got) {
		t.Error("half of the datagrams are late, and all came in order")
	}
	slices.Sort(got)
	if len(slices.Compact(got)) != sent {
		t.Errorf("%d different datagrams came back, want %d", len(slices.Compact(got)), sent)
	}
	setDelay(t, lab, natlab.SideA, 10*time.Millisecond) // beside it
	reorder(0)
	if got := exchange(); !slices.IsSorted(got) {
		t.Errorf("none is late any more, and they came as %v", got)
	}
	setDelay(t, lab, natlab.SideA, 0)
	for _, wrong := range []struct {
		percent int
		late    time.Duration
	}{{-1, late}, {101, late}, {1, -1}} {
		if err := lab.SetReorder(t.Context(), natlab.SideA, wrong.percent, wrong.late); err == nil {
			t.Errorf("SetReorder(%d, %v) = nil", wrong.percent, wrong.late)
		}
	}
}

// TestCutServer parts the server from everybody while a connection is open, which
// goes on when they are joined again.
func TestCutServer(t *testing.T) {
	lab := newLab(t, natlab.PortRestrictedCone, natlab.NoNAT)
	near, far := connect(t, lab.Client(natlab.SideA), lab.Server(), "81")
	reflectors := reflect(t, lab.Server())
	asker := newAsker(t, lab.Client(natlab.SideA), reflectors)
	cut := func(cut bool) {
		if err := lab.CutServer(t.Context(), cut); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := asker.ask(0, 0); !ok {
		t.Fatal("no answer before the cut")
	}
	cut(true)
	if _, ok := asker.ask(0, 0); ok {
		t.Error("the server answers in spite of the cut")
	}
	if isHeard(t, far, near) {
		t.Error("the server is heard in spite of the cut")
	}
	cut(false)
	if _, ok := asker.ask(0, 0); !ok {
		t.Error("no answer after the cut")
	}
	if err := near.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := near.Read(make([]byte, 1)); err != nil {
		t.Errorf("what the server said during the cut does not arrive after it: %v", err)
	}
}

// received lists the numbers of so many datagrams.
func received(t *testing.T, conn net.PacketConn, count int) (list []uint32) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, 2000)
	for len(list) < count {
		n, _, err := conn.ReadFrom(packet)
		if err != nil || n < 4 {
			t.Fatalf("after %d datagrams: %d bytes, %v", len(list), n, err)
		}
		if number := binary.BigEndian.Uint32(packet); number != knock {
			list = append(list, number)
		}
	}
	return list
}

// knock is the number of a datagram that only finds out whether one comes through.
const knock = 1 << 16

// passes waits until a datagram comes back.
func passes(t *testing.T, conn net.PacketConn, to net.Addr) {
	t.Helper()
	for range int(patience / answerTimeout) {
		if _, err := conn.WriteTo(binary.BigEndian.AppendUint32(nil, knock), to); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(answerTimeout)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.ReadFrom(make([]byte, 2000)); err == nil {
			return
		}
	}
	t.Fatalf("nothing comes back for %v", patience)
}
