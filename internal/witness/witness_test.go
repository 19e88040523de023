package witness

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// request is the transaction id of a request of a probe.
func request(p Probe, n uint32) (id TransactionID) {
	copy(id[:], p.Prefix[:])
	binary.BigEndian.PutUint32(id[PrefixBytes:], n)
	return id
}

func open(t *testing.T, w *Witness) Probe {
	t.Helper()
	p, err := w.Open(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func listener() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.1:3478") }

func somebody() netip.AddrPort { return netip.MustParseAddrPort("198.51.100.1:5000") }

func TestWhatWasSeen(t *testing.T) {
	t.Parallel()
	w := new(Witness)
	if !w.Idle() {
		t.Error("nobody looks, and it is not idle")
	}
	a, b := open(t, w), open(t, w)
	came := Sighting{Transport: "udp", Local: listener(), From: somebody()}
	answered := came
	answered.Answered, answered.Code = true, 401
	w.Saw(request(a, 7), came)
	w.Saw(request(a, 7), answered)
	w.Saw(request(a, 7), came)
	w.Saw(request(a, 8), came)
	w.Saw(TransactionID{1}, came) // nobody's
	want := []Sighting{
		{Number: 7, Transport: "udp", Local: listener(), From: somebody(), Times: 2, Answered: true, Code: 401},
		{Number: 8, Transport: "udp", Local: listener(), From: somebody(), Times: 1},
	}
	if got, known := w.Seen(a.ID, time.Now()); !known || !slices.Equal(got, want) {
		t.Errorf("what was seen of a is %+v, %v; want %+v", got, known, want)
	}
	if got, known := w.Seen(b.ID, time.Now()); !known || len(got) != 0 {
		t.Errorf("what was seen of b is %+v, %v; want nothing", got, known)
	}
	if _, known := w.Seen("", time.Now()); known {
		t.Error("a probe without an id is known")
	}
}

// TestProbesEnd holds that a probe is forgotten after its time, without anybody
// asking for it, and costs nothing from then on.
func TestProbesEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := new(Witness)
		p := open(t, w)
		<-time.After(TTL - time.Second)
		if _, known := w.Seen(p.ID, time.Now()); !known {
			t.Error("it is forgotten too early")
		}
		<-time.After(time.Second)
		w.Saw(request(p, 1), Sighting{})
		if !w.Idle() {
			t.Error("its time is over, and it is looked for all the same")
		}
		if _, known := w.Seen(p.ID, time.Now()); known {
			t.Error("it is known too late")
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := new(Witness)
		first := open(t, w)
		for range MaxProbes - 1 {
			open(t, w)
		}
		if _, err := w.Open(time.Now()); !errors.Is(err, ErrFull) {
			t.Errorf("one probe too many: %v, want ErrFull", err)
		}
		for n := range uint32(3 * MaxSightings) {
			w.Saw(request(first, n), Sighting{From: somebody()})
		}
		if got, _ := w.Seen(first.ID, time.Now()); len(got) != MaxSightings {
			t.Errorf("%d requests are remembered, want %d", len(got), MaxSightings)
		}
		<-time.After(TTL)
		open(t, w)
		if len(w.byID) != 1 || len(w.byHead) != 1 || len(w.order) != 1 {
			t.Errorf("%d, %d, %d probes are remembered, want 1", len(w.byID), len(w.byHead), len(w.order))
		}
	})
}

func TestNobodyLooksCostsNothing(t *testing.T) {
	w := new(Witness)
	if n := testing.AllocsPerRun(100, func() { w.Saw(TransactionID{1}, Sighting{From: somebody()}) }); n != 0 {
		t.Errorf("%v allocations for a request while nobody looks", n)
	}
}
