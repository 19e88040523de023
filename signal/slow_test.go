package signal

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// smallBuffers makes a listener whose connections hold little that was not
// read.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(4 << 10)
	}
	return conn, err
}

// roundTrips lets two members talk, and returns how long the slowest round
// trip but one took.
func roundTrips(t *testing.T, a, b *client) time.Duration {
	t.Helper()
	const trips = 45 // both ways within the burst of 100
	took := make([]time.Duration, trips)
	for i := range took {
		start := time.Now()
		a.send(`{"type":"candidate"}`)
		b.mustGet(`{"type":"candidate"}`)
		b.send(`{"type":"answer"}`)
		a.mustGet(`{"type":"answer"}`)
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return took[trips-2]
}

// TestOneThatNeverReadsIsAloneWithIt floods a client that does not read: the
// other rooms are as fast as before, and its partner is free again as soon as
// it is cut, after 5 s, which the next test measures.
func TestOneThatNeverReadsIsAloneWithIt(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	small := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
	}}
	w := newWorld(t, smallBuffers{l}, func(ctx context.Context) (net.Conn, error) {
		return small.DialContext(ctx, "tcp", l.Addr().String())
	})
	var before, during [4]*client
	for i, pair := range [][]*client{before[:2], during[:2]} {
		for j := range pair {
			pair[j] = w.connect(t, false)
			pair[j].register(fmt.Sprint("room", i))
		}
	}
	calm := roundTrips(t, before[0], before[1])

	deaf, flooder := w.deaf(t, "room-deaf"), w.connect(t, false)
	flooder.register("room-deaf")
	flood := `{"type":"offer","sdp":"` + strings.Repeat("x", 50_000) + `"}`
	relayed := w.rooms.Stats().Relayed
	var flooding sync.WaitGroup
	flooding.Go(func() {
		for range 4 { // of the 256 KiB that one may send at once
			flooder.send(flood)
		}
	})
	await(t, func() bool { return w.rooms.Stats().Relayed > relayed })
	busy := roundTrips(t, during[0], during[1])
	if busy > 10*calm+50*time.Millisecond {
		t.Errorf("a round trip in another room takes %v beside a flood, %v without", busy, calm)
	}
	_ = deaf.NetConn().Close()
	flooding.Wait()
	flooder.mustBye()
	w.stop()
}

func TestOneThatNeverReadsIsCutAfter5Seconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, b := w.connect(t, false), w.connect(t, false)
		a.register("room1")
		b.register("room1")
		deaf, flooder := w.deaf(t, "room-deaf"), w.connect(t, false)
		flooder.register("room-deaf")
		start := time.Now()
		flooder.send(`{"type":"offer"}`) // a pipe has no buffer
		for range 40 {
			a.send(`{"type":"candidate"}`)
			b.mustGet(`{"type":"candidate"}`)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("others were held up for %v", took)
		}
		flooder.mustBye()
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("cut after %v, want 5s", took)
		}
		_ = deaf.NetConn().Close()
		w.stop()
	})
}

// TestTheRelayTakesNoLock holds the registry while two members talk.
func TestTheRelayTakesNoLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		a, b, _, _ := w.pair(t, "room1")
		a.send(`{"type":"pong"}`)
		synctest.Wait()
		w.rooms.mu.Lock()
		a.send(`{"type":"offer"}`)
		b.mustGet(`{"type":"offer"}`)
		w.rooms.mu.Unlock()
		w.stop()
	})
}

// BenchmarkTypeOf: to know what an offer is costs no allocation, and nearly
// all of its time is encoding/json's, which looks whether it is JSON at all.
func BenchmarkTypeOf(b *testing.B) {
	offer := []byte(`{"type":"offer","sdp":"` + strings.Repeat(`a=candidate:1 1 udp 2130706431 198.51.100.7 50000 typ host\r\n`, 30) + `"}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(offer)))
	for b.Loop() {
		if typ, _ := typeOf(offer); typ != wire.SignalOffer {
			b.Fatal(typ)
		}
	}
}

// nobody is a socket that takes everything, and counts.
type nobody struct{ sent int }

func (*nobody) Addr() netip.Addr                 { return pipeAddr(1) }
func (n *nobody) Send([]byte) error              { n.sent++; return nil }
func (*nobody) Post([]byte) error                { return nil }
func (*nobody) SendJSON(any) error               { return nil }
func (*nobody) Close(wire.CloseCode, string)     {}
func (*nobody) Keep()                            {}
func (*nobody) FirstMessageWithin(time.Duration) {}
func (*nobody) UseControlPings()                 {}
func (*nobody) Aside(f func())                   { f() }

// introduced are two members of a room.
func introduced() (a, b *member) {
	r := New(Config{Admit: func(string) (time.Time, error) { return time.Now().Add(time.Minute), nil }})
	a, b = &member{rooms: r, conn: new(nobody)}, &member{rooms: r, conn: new(nobody)}
	for _, m := range []*member{a, b} {
		m.Message([]byte(`{"type":"register","roomId":"room1"}`))
	}
	return a, b
}

// TestTheRelayAllocatesNothing on the way of an offer from seat to seat.
func TestTheRelayAllocatesNothing(t *testing.T) { // no other test may run beside it
	a, b := introduced()
	offer := []byte(`{"type":"offer","sdp":"v=0"}`)
	to, _ := b.conn.(*nobody)
	const runs = 1000
	if n := testing.AllocsPerRun(runs, func() { a.Message(offer) }); n != 0 || to.sent != runs+1 {
		t.Errorf("%v allocations an offer, %d have arrived, want %d", n, to.sent, runs+1)
	}
}

// BenchmarkRelay: an offer goes from seat to seat in the time that it takes to see
// that it is one.
func BenchmarkRelay(b *testing.B) {
	a, _ := introduced()
	offer := []byte(`{"type":"offer","sdp":"` + strings.Repeat(`a=candidate:1 1 udp 2130706431 198.51.100.7 50000 typ host\r\n`, 30) + `"}`)
	b.ReportAllocs()
	for b.Loop() {
		a.Message(offer)
	}
}
