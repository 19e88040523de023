package turnsvc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// handedListeners opens duplicates of listeners, one after the other, as another
// process has them that was passed them.
type handedListeners struct {
	t    testing.TB
	list []net.Listener
}

func (h *handedListeners) Listen(context.Context, string, string) (net.Listener, error) {
	f, err := h.list[0].(*net.TCPListener).File()
	if err != nil {
		return nil, err
	}
	h.list = h.list[1:]
	defer func() { _ = f.Close() }()
	return net.FileListener(f)
}

func (h *handedListeners) ListenPacket(_ context.Context, _, address string) (net.PacketConn, error) {
	h.t.Errorf("a server that takes over opens a udp socket at %s", address)
	return nil, net.ErrClosed
}

// heir is a server that is about to take over from s, and has not begun.
func (s *service) heir(t testing.TB, change func(*Config)) *service {
	t.Helper()
	estate, err := s.Estate()
	if err != nil {
		t.Fatal(err)
	}
	return listen(t, func(c *Config) {
		if change != nil {
			change(c)
		}
		handed := &handedListeners{t: t}
		if s.tcp != nil {
			handed.list = append(handed.list, s.tcp.Listener)
		}
		if s.tls != nil {
			handed.list = append(handed.list, s.tls.Listener)
		}
		c.Estate, c.Sockets = estate, handed
	})
}

// yield is the moment of a takeover, when nobody reads.
func (s *service) yield(t testing.TB, heir *service) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	will, err := s.Will(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := heir.Inherit("older", will); err != nil {
		t.Fatal(err)
	}
}

// takeOver is a server that has taken over from s.
func (s *service) takeOver(t testing.TB, change func(*Config)) *service {
	t.Helper()
	heir := s.heir(t, change)
	s.yield(t, heir)
	heir.begin(t)
	s.Retire()
	return heir
}

// goOn sends numbered data to an echo and back, at most window of it under way, and
// calls on with how much has come back. All of it must.
func goOn(t testing.TB, c *client, channel bool, all int, on func(n int)) {
	t.Helper()
	const window = 16
	if err := c.conn.SetDeadline(time.Now().Add(20 * patience)); err != nil {
		t.Error(err)
	}
	echo, peer := newPeer(t)
	var echoing sync.WaitGroup
	defer echoing.Wait()
	defer func() { _ = echo.Close() }()
	relayed := c.mustAllocate()
	if ok := channel && c.bind(peer) || !channel && c.permit(peer); !ok {
		t.Error("the peer is refused")
		return
	}
	echoing.Go(func() {
		p := make([]byte, 100)
		for {
			n, from, err := echo.ReadFromUDPAddrPort(p)
			if err != nil {
				return
			}
			if from != relayed {
				t.Errorf("the peer is sent something from %v, want %v", from, relayed)
			}
			_, _ = echo.WriteToUDPAddrPort(p[:n], from) // what gets lost is counted
		}
	})
	seen := make([]bool, all)
	for sent, back := 0, 0; back < all; back++ {
		for ; sent < all && sent < back+window; sent++ {
			if data := fmt.Sprintf("%08d", sent); channel {
				c.send(channelData(data))
			} else {
				c.sendTo(peer, data)
			}
		}
		n, err := c.number(channel)
		if err != nil || n >= all || seen[n] {
			t.Errorf("after %d of %d: number %d, %v", back, all, n, err)
			return
		}
		seen[n] = true
		on(back + 1)
	}
	if !c.permit(peer) || !c.bind(peer) || c.do(stun.MethodRefresh).Type.Class != stun.ClassSuccessResponse {
		t.Error("an allocation that lives is refused")
	}
}

// number receives one of the numbers of goOn.
func (c *client) number(channel bool) (n int, err error) {
	p, err := c.read()
	if err != nil {
		return 0, err
	}
	data := p
	if channel {
		if len(p) != 12 || binary.BigEndian.Uint16(p) != 0x4000 {
			return 0, fmt.Errorf("received %x", p)
		}
		data = p[4:]
	} else {
		m := &stun.Message{Raw: p}
		if err = m.Decode(); err == nil {
			data, err = m.Get(stun.AttrData)
		}
	}
	if err == nil {
		n, err = strconv.Atoi(string(data))
	}
	return n, err
}

// TestTakeOver holds that nothing is lost and nobody refused when servers take over
// from one another, twice, while clients of every transport talk without a pause.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	change := everywhere(t)
	first := serve(t, change)
	const all = 1000
	var talking sync.WaitGroup
	var progress atomic.Int64
	kinds := 0
	for _, transport := range transports() {
		for _, channel := range []bool{false, true} {
			kinds++
			c := first.dialVia(t, transport, "127.0.0.1", fmt.Sprint(transport, channel))
			talking.Go(func() { goOn(t, c, channel, all, func(int) { progress.Add(1) }) })
		}
	}
	at := func(share int64) {
		t.Helper()
		first.within(t, "nobody talks any more", func() bool { return t.Failed() || progress.Load() >= int64(kinds)*all*share/8 })
	}
	at(1)
	second := first.takeOver(t, change)
	at(3)
	third := second.takeOver(t, change)
	at(5)
	fresh := third.dialVia(t, "udp", "127.0.0.1", "fresh")
	fresh.mustAllocate()
	if n := third.Stats().Allocations; n != 1 {
		t.Errorf("the server that serves has %d allocations, want that of the new client", n)
	}
	talking.Wait()
	if n := first.Stats().Allocations; n != kinds {
		t.Errorf("the first server keeps %d allocations, want %d", n, kinds)
	}
	if s := third.Stats(); s.HandedOnLost != 0 || s.HandedOn == 0 {
		t.Errorf("%d of %d datagrams that were handed on are lost", s.HandedOnLost, s.HandedOn)
	}
}

// TestTakeOverThatFails holds that the older server goes on when the newer one ends
// before it serves, and that nothing is lost by then, neither what the newer one has
// handed on nor what waits; and that the next one can take over.
func TestTakeOverThatFails(t *testing.T) {
	t.Parallel()
	change := everywhere(t)
	s := serve(t, change)
	const all = 1000
	var talking sync.WaitGroup
	var progress atomic.Int64
	for _, transport := range []string{"udp", "tcp", "dtls"} {
		c := s.dialVia(t, transport, "127.0.0.1", transport)
		talking.Go(func() { goOn(t, c, true, all, func(int) { progress.Add(1) }) })
	}
	for share := range int64(4) {
		s.within(t, "nobody talks any more", func() bool { return t.Failed() || progress.Load() >= 3*all*(share+1)/8 })
		heir := s.heir(t, change)
		s.yield(t, heir)
		if err := heir.closeSockets(); err != nil { // it dies
			t.Fatal(err)
		}
		if err := s.Resume(); err != nil {
			t.Fatal(err)
		}
	}
	heir := s.takeOver(t, change)
	talking.Wait()
	heir.dialVia(t, "udp", "127.0.0.1", "fresh").mustAllocate()
}

// TestWhoComesAgainIsServedByTheNewServer gives an allocation of the older server back,
// and makes another one from the same address.
func TestWhoComesAgainIsServedByTheNewServer(t *testing.T) {
	t.Parallel()
	first := serve(t, nil)
	c, gone := first.dial(t, "udp", "again"), first.dial(t, "udp", "gone")
	c.mustAllocate()
	kept := first.homes.at(gone.mustAllocate()).owner.door
	second := first.takeOver(t, nil)
	if m := c.do(stun.MethodRefresh, attr(stun.AttrLifetime, 0, 0, 0, 0)); m.Type.Class != stun.ClassSuccessResponse {
		t.Fatalf("Refresh 0 = %v", m)
	}
	c.mustAllocate()
	if a, b := first.Stats().Allocations, second.Stats().Allocations; a != 1 || b != 1 {
		t.Errorf("the servers have %d and %d allocations, want 1 and 1", a, b)
	}
	first.EndUser("gone")
	first.within(t, "who was ended is kept", func() bool { return len(kept.clients()) == 0 }) // what is handed on until then is lost, and clients say it again
	second.within(t, "whose allocation was ended gets no other one", func() bool {
		_, code := gone.allocate()
		return code == 0
	})
	if a, b := first.Stats().Allocations, second.Stats().Allocations; a != 0 || b != 2 {
		t.Errorf("the servers have %d and %d allocations, want 0 and 2", a, b)
	}
}

// TestTheOlderServerEnds holds that the clients of an older server that has ended are
// strangers to the newer one, and no longer handed on.
func TestTheOlderServerEnds(t *testing.T) {
	t.Parallel()
	first := serve(t, nil)
	c := first.dial(t, "udp", "left")
	c.mustAllocate()
	first.takeOver(t, nil)
	if m := c.do(stun.MethodRefresh); m.Type.Class != stun.ClassSuccessResponse {
		t.Fatalf("Refresh = %v", m)
	}
	first.stopped(t)
	if got := code(c.do(stun.MethodRefresh)); got != stun.CodeAllocMismatch {
		t.Errorf("Refresh of what an ended server held = %d, want 437", got)
	}
	c.mustAllocate()
}

// TestEstateIsForTheSameAddresses holds that a server does not take over whose clients
// would come in where it does not read.
func TestEstateIsForTheSameAddresses(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	estate, err := s.Estate()
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Secrets: []string{"x"}, UDPAddrs: []string{"127.0.0.2:0"}, PublicIPs: addrs("127.0.0.1"), Estate: estate}
	if _, err := Listen(t.Context(), cfg); err == nil {
		t.Error("Listen = nil though nobody would read where the older server does")
	}
	for _, body := range []string{"{", `{"Version":9}`, `{"Version":1,"UDP":[{"Address":":1","Sockets":1}]}`, `{"Version":1,"UDP":[{"Address":":1","Sockets":-1}]}`} {
		cfg.Estate = Bequest{Body: []byte(body)}
		if _, err := Listen(t.Context(), cfg); err == nil {
			t.Errorf("Listen with the estate %s = nil", body)
		}
	}
}

// TestNoncesOutliveATakeOver holds that whoever was challenged by the older server is
// known to the newer one.
func TestNoncesOutliveATakeOver(t *testing.T) {
	t.Parallel()
	old := newNonces()
	client := netip.MustParseAddrPort("192.0.2.1:5000")
	late := noncesOf(old.key, time.Since(old.start)-2*time.Second) // it learned two seconds late
	if nonce := old.make(client); !late.valid(nonce, client) {
		t.Error("a nonce of the older server is stale")
	}
	if nonce := late.make(client); !old.valid(nonce, client) {
		t.Error("a nonce of the newer server is stale")
	}
	if early := noncesOf(old.key, -time.Minute); early.valid(old.make(client), client) {
		t.Error("a nonce from the future is good")
	}
}

// BenchmarkHandedOn is BenchmarkService for a client whom an older server keeps: what he
// sends goes through both.
func BenchmarkHandedOn(b *testing.B) {
	for _, plane := range userSpacePlanes() {
		b.Run(plane.String(), func(b *testing.B) {
			change := func(c *Config) { c.DataPlane, c.MaxBitrate = plane, NoLimit }
			s := serve(b, change)
			ann := s.dial(b, "udp", "ann")
			relayed := ann.mustAllocate()
			conn, peer := newPeer(b)
			if !ann.bind(peer) {
				b.Fatal("ChannelBind was refused")
			}
			s.takeOver(b, change)
			message, p := onChannel(0, make([]byte, 160), 0), make([]byte, gate.MaxFrameBytes)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ann.conn.Write(message); err != nil {
					b.Fatal(err)
				}
				if _, err := conn.Read(p); err != nil {
					b.Fatal(err)
				}
				if _, err := conn.WriteToUDPAddrPort(p[:160], relayed); err != nil {
					b.Fatal(err)
				}
				if _, err := ann.conn.Read(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestInheritRefusesWhatIsNoWill holds that a server does not take over by something
// else than a will, and keeps nothing open of what it was given.
func TestInheritRefusesWhatIsNoWill(t *testing.T) {
	t.Parallel()
	older := serve(t, nil)
	for name, spoil := range map[string]func(b *Bequest){
		"nothing":         func(b *Bequest) { b.Body = nil },
		"another version": func(b *Bequest) { b.Body = bytes.Replace(b.Body, []byte(`"Version":1`), []byte(`"Version":2`), 1) },
		"a short key": func(b *Bequest) {
			b.Body = bytes.Replace(b.Body, []byte(`"NonceKey":"`), []byte(`"NonceKey":"AAAA`), 1)
		},
		"other sockets":      func(b *Bequest) { b.Body = bytes.Replace(b.Body, []byte(`"Sockets":[`), []byte(`"Sockets":[[],`), 1) },
		"no passages":        func(b *Bequest) { b.Files = nil },
		"clients cut short":  func(b *Bequest) { b.Body = bytes.Replace(b.Body, []byte(`"Clients":"`), []byte(`"Clients":"AAAA`), 1) },
		"something for them": func(b *Bequest) { b.Files[0], _ = os.Open(os.DevNull) },
	} {
		heir := older.heir(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		will, err := older.Will(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		files := slices.Clone(will.Files)
		spoil(&will)
		if err := heir.Inherit("older", will); err == nil {
			t.Errorf("%s: Inherit = nil", name)
		}
		Bequest{Files: files}.Close() // those that spoil has taken out
		if err := errors.Join(heir.closeSockets(), older.Resume()); err != nil {
			t.Fatal(err)
		}
	}
	older.dial(t, "udp", "after all").mustAllocate()
}
