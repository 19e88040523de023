//go:build soak

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// The rates of floods: far more than one visitor sends, and no more than two cores
// that have other things to do can take in.
const (
	datagramEvery = 2 * time.Millisecond
	garbageEvery  = 50 * time.Millisecond
	garbageFor    = time.Second // that one connection lasts
	slowOnes      = 10          // of each kind
	slowBuffer    = 4096        // bytes that the kernel holds for who does not read
	talkEvery     = 10 * time.Millisecond
)

// paced calls f until ctx ends.
func paced(ctx context.Context, every time.Duration, f func()) {
	pace := time.NewTicker(every)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
			f()
		}
	}
}

// noise is random bytes, of random length.
func noise(most int) []byte {
	b := make([]byte, 1+mathrand.N(most))
	_, _ = rand.Read(b) // never fails
	return b
}

// almostSTUN is a message that is right until something is wrong with it.
func almostSTUN() []byte {
	const header, cookie = 20, 0x2112A442
	attributes := noise(200)
	b := make([]byte, header, header+len(attributes))
	binary.BigEndian.PutUint16(b, []uint16{0x0001, 0x0003, 0x0004, 0x0006, 0x0008, 0x0009, 0x4000}[mathrand.N(7)])
	binary.BigEndian.PutUint16(b[2:], uint16(len(attributes)+mathrand.N(8)-4))
	binary.BigEndian.PutUint32(b[4:], cookie)
	return append(b, attributes...)
}

func garbageUDP(ctx context.Context, s *soak) {
	conn, err := s.rogue.Dial(ctx, "udp", soakServer+":3478")
	if err != nil {
		s.ledger.finds("the laboratory works", "no UDP for a flood: %v", err)
		return
	}
	defer func() { _ = conn.Close() }() // nothing is heard from it
	paced(ctx, datagramEvery, func() {
		message := almostSTUN()
		if chance(50) {
			message = noise(1400)
		}
		_, _ = conn.Write(message) // who floods does not mind
	})
}

// garbageTCP is noise, a handshake of TLS that breaks off, requests that are none.
func garbageTCP(ctx context.Context, s *soak) {
	kinds := []func() []byte{
		func() []byte { return noise(4096) },
		func() []byte { return append([]byte{22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, noise(300)...) },
		func() []byte { return append([]byte("GET / HTTP/1.1\r\nHost: x\r\n"), noise(2000)...) },
		almostSTUN,
	}
	rogues(ctx, garbageEvery, func() {
		to := soakServer + []string{":80", ":3478"}[mathrand.N(2)]
		conn, err := s.rogue.Dial(ctx, "tcp", to)
		if err != nil {
			return // the server may be away
		}
		_ = conn.SetDeadline(time.Now().Add(garbageFor)) // what it is held to is the server's affair
		_, _ = conn.Write(kinds[mathrand.N(len(kinds))]())
		_, _ = conn.Read(make([]byte, 1))
		_ = conn.Close()
	})
}

// rogues lets one come after the other until ctx ends, and waits for the last.
func rogues(ctx context.Context, every time.Duration, come func()) {
	var all sync.WaitGroup
	defer all.Wait()
	paced(ctx, every, func() { all.Go(come) })
}

// garbageWebSocket is messages that none of the two services knows.
func garbageWebSocket(ctx context.Context, s *soak) {
	client := dialFrom(s.rogue.Dial)
	texts := []func() []byte{
		func() []byte { return noise(2000) },
		func() []byte { return []byte(`{"type":"register","roomId":"` + rand.Text() + `","clientId":"x"}`) },
		func() []byte { return []byte(`{"user_id":`) },
		func() []byte { return bytes.Repeat([]byte(`[`), 10000) },
		func() []byte { return []byte(`{"user_id":"` + strings.Repeat("x", 100<<10) + `"}`) },
	}
	rogues(ctx, garbageEvery, func() {
		ctx, cancel := context.WithTimeout(ctx, garbageFor)
		defer cancel()
		path := []string{"/matchmaking", "/signaling"}[mathrand.N(2)]
		socket, _, err := websocket.Dial(ctx, "ws://"+soakServer+path, &websocket.DialOptions{HTTPClient: client}) //nolint:bodyclose // there is none after an upgrade, and the library closes it else
		if err != nil {
			return // the server may be away
		}
		_ = socket.Write(ctx, websocket.MessageText, texts[mathrand.N(len(texts))]()) // who floods does not mind
		_, _, _ = socket.Read(ctx)
		_ = socket.CloseNow()
	})
}

// slowReaders take nothing of what they are sent: the page, news of who waits, and
// what a partner says in a room as fast as he can.
func slowReaders(ctx context.Context, s *soak) {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := s.rogue.Dial(ctx, network, address)
		if tcp, ok := conn.(*net.TCPConn); ok {
			err = tcp.SetReadBuffer(slowBuffer)
		}
		return conn, err
	}
	var all sync.WaitGroup
	defer all.Wait()
	for range slowOnes {
		all.Go(func() { readsNoPage(ctx, dial) })
		all.Go(func() { readsNoNews(ctx, dial) })
		all.Go(func() { readsNoPartner(ctx, s, dial) })
	}
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

func readsNoPage(ctx context.Context, dial dialer) {
	conn, err := dial(ctx, "tcp", soakServer+":80")
	if err != nil {
		return // the server may be away
	}
	_, _ = conn.Write([]byte("GET / HTTP/1.1\r\nHost: " + soakServer + "\r\nAccept-Encoding: identity\r\n\r\n"))
	<-ctx.Done()
	_ = conn.Close()
}

func readsNoNews(ctx context.Context, dial dialer) {
	socket, _, err := websocket.Dial(ctx, "ws://"+soakServer+"/matchmaking", &websocket.DialOptions{HTTPClient: dialFrom(dial)}) //nolint:bodyclose // there is none after an upgrade, and the library closes it else
	if err != nil {
		return // the server may be away
	}
	_ = write(ctx, socket, wire.MatchRequest{UserID: rand.Text(), CreatedAt: time.Now(), Tags: []string{rand.Text()}, Ext: []string{wire.ExtWaiting}})
	<-ctx.Done()
	_ = socket.CloseNow()
}

// readsNoPartner is two, of whom one speaks and the other one does not read.
func readsNoPartner(ctx context.Context, s *soak, dial dialer) {
	tag, unjudged := rand.Text(), newOracle(time.Hour)
	var both sync.WaitGroup
	defer both.Wait()
	for i, client := range []*http.Client{dialFrom(dial), dialFrom(s.rogue.Dial)} {
		g := &guest{o: unjudged, user: rand.Text(), tags: []string{tag}, bases: []string{soakSite}, client: client}
		both.Go(func() {
			room, _, err := g.waits(ctx)
			if err != nil {
				return // the server may be away
			}
			socket, err := g.dial(ctx, g.base()+"/signaling")
			if err != nil {
				return
			}
			_ = write(ctx, socket, wire.Register{Type: wire.SignalRegister, RoomID: room.RoomID, ClientID: g.user}) // a reader would learn of an end
			if i == 0 {
				<-ctx.Done()
			} else {
				paced(ctx, talkEvery, func() {
					_ = write(ctx, socket, wire.Description{Type: wire.SignalOffer, SDP: string(bytes.Repeat([]byte("x"), 8<<10))})
				})
			}
			_ = socket.CloseNow()
		})
	}
}
