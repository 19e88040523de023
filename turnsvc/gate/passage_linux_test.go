package gate

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// atLoopback are Datagrams at an address of loopback, and one who sends there.
func atLoopback(t testing.TB) (d *Datagrams, sender *net.UDPConn) {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	d = NewDatagrams(conn, nil)
	t.Cleanup(func() { _ = d.Close() })
	sender, err = net.DialUDP("udp", nil, conn.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sender.Close() })
	return d, sender
}

// again is the socket of d in another process.
func again(t testing.TB, d *Datagrams) *Datagrams {
	t.Helper()
	f, err := d.File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	conn, err := net.FilePacketConn(f)
	if err != nil {
		t.Fatal(err)
	}
	heir := NewDatagrams(conn.(*net.UDPConn), nil)
	t.Cleanup(func() { _ = heir.Close() })
	return heir
}

// drained reads messages of d until it is closed.
func drained(t testing.TB, d *Datagrams) <-chan []byte {
	t.Helper()
	messages, done := make(chan []byte, 1<<16), make(chan struct{})
	go func() {
		defer close(done)
		p := make([]byte, MaxFrameBytes+1)
		for {
			n, _, err := d.ReadFrom(p)
			if err != nil {
				return
			}
			messages <- bytes.Clone(p[:n])
		}
	}()
	t.Cleanup(func() {
		_ = d.Close()
		<-done
	})
	return messages
}

// handOver makes heir the one that reads the socket of d, which keeps some clients.
func handOver(t testing.TB, d, heir *Datagrams) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	left, err := d.Yield(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range left {
		if err := heir.Adopt(l); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAFullPassageLosesAndCounts holds that what an older process has no time for is
// lost and counted, in bounded memory, and that whoever reads the socket waits for
// nobody.
func TestAFullPassageLosesAndCounts(t *testing.T) {
	t.Parallel()
	d, sender := atLoopback(t)
	client := AddrPort(sender.LocalAddr())
	d.Keep(func(netip.AddrPort) bool { return true }, func() []netip.AddrPort { return []netip.AddrPort{client} })
	busy, next := make(chan struct{}), make(chan struct{})
	go func() { // reads one datagram, and is busy with it
		_, _, _ = d.ReadFrom(make([]byte, MaxFrameBytes+1))
		close(busy)
		<-next
	}()
	defer close(next)
	heir := again(t, d)
	handOver(t, d, heir)
	message := append([]byte{0x40, 0, 0x04, 0}, make([]byte, 1024)...)
	for range 1 << 14 {
		if !heir.HandOn(message, net.UDPAddrFromAddrPort(client)) {
			t.Fatal("a client that is kept is not")
		}
	}
	<-busy
	all, lost := heir.Handed()
	if all != 1<<14 || lost == 0 || lost > all-64 {
		t.Errorf("of %d datagrams %d are lost, want some, and not nearly all", all, lost)
	}
}

// TestYieldWaitsForTheReader holds that a socket whose reader does not come is not
// handed over, and goes on.
func TestYieldWaitsForTheReader(t *testing.T) {
	t.Parallel()
	d, sender := atLoopback(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Yield(ctx); err == nil {
		t.Fatal("Yield = nil though nobody reads")
	}
	messages := drained(t, d)
	if _, err := sender.Write([]byte{0x40, 0, 0, 1, 'x'}); err != nil {
		t.Fatal(err)
	}
	if m := <-messages; string(m[4:]) != "x" {
		t.Errorf("received %q", m)
	}
	heir := again(t, d)
	handOver(t, d, heir)
	if _, err := d.Yield(t.Context()); err == nil {
		t.Error("a second Yield = nil")
	}
}

// TestFramesSurviveAPassage holds that addresses come out as they went in.
func TestFramesSurviveAPassage(t *testing.T) {
	t.Parallel()
	for _, e := range []ends{
		{client: netip.MustParseAddrPort("192.0.2.1:5000")},
		{client: netip.MustParseAddrPort("192.0.2.1:65535"), local: netip.MustParseAddr("198.51.100.1")},
		{client: netip.MustParseAddrPort("[2001:db8::1]:1"), local: netip.MustParseAddr("2001:db8::2")},
		{client: netip.MustParseAddrPort("[fe80::1%3]:1"), local: netip.MustParseAddr("fe80::2%4294967295")},
		{client: netip.MustParseAddrPort("[::]:0"), local: netip.MustParseAddr("0.0.0.0")},
	} {
		p := append(make([]byte, passageHead), "data"...)
		putHead(p, frameDatagram, e)
		if kind, got, data, ok := readFrame(p); !ok || kind != frameDatagram || got != e || string(data) != "data" {
			t.Errorf("%v came out as %v %v %q, %v", e, kind, got, data, ok)
		}
		if list, ok := readList(listEnds([]ends{e, e})); !ok || !slices.Equal(list, []ends{e, e}) {
			t.Errorf("two of %v came out as %v, %v", e, list, ok)
		}
	}
}

// FuzzPassage holds that whatever comes by a passage, either way, is taken for what it
// may be at most: a message of a client that is kept.
func FuzzPassage(f *testing.F) {
	head := make([]byte, passageHead)
	for kind := range byte(5) {
		putHead(head, kind, ends{client: netip.MustParseAddrPort("192.0.2.1:5000")})
		f.Add(append(bytes.Clone(head), 0x40, 0, 0, 1, 'x'))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, frame []byte) {
		kept := ends{client: netip.MustParseAddrPort("192.0.2.1:5000")}
		s := &socket{fed: &feed{}, clients: clients{keeps: func(e ends) bool { return e == kept }}}
		datagram, e, ok := s.opened(frame)
		if ok && (len(datagram) > maxDatagramBytes || s.key(e) != kept || frame[0] != frameDatagram) {
			t.Errorf("took %d bytes of %v", len(datagram), e)
		}
		if list, ok := readList(frame); ok && len(list) != len(frame)/(1+endsBytes) {
			t.Errorf("read %d clients of %d bytes", len(list), len(frame))
		}
	})
}

// BenchmarkHandOn is a datagram of 160 bytes that is handed on, one by one and many at a
// time, without who takes it.
func BenchmarkHandOn(b *testing.B) {
	d, sender := atLoopback(b)
	client := AddrPort(sender.LocalAddr())
	d.Keep(func(netip.AddrPort) bool { return true }, func() []netip.AddrPort { return []netip.AddrPort{client} })
	go func() {
		p := make([]byte, MaxFrameBytes+1)
		for {
			if _, _, err := d.ReadFrom(p); err != nil {
				return
			}
		}
	}()
	heir := again(b, d)
	handOver(b, d, heir)
	message, from := append([]byte{0x40, 0, 0, 160}, make([]byte, 160)...), net.UDPAddrFromAddrPort(client)
	b.ReportAllocs()
	for b.Loop() {
		heir.HandOn(message, from)
	}
	_, lost := heir.Handed()
	b.ReportMetric(float64(lost)/float64(b.N), "lost/op")
}
