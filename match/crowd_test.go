package match

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// onTLS is onLoopback as a server with a certificate is: watched, TLS on top.
func onTLS(t *testing.T) *world {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	secure := tls.NewListener(wsconn.Watch(l), &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS13})
	return newWorld(t, secure, func(ctx context.Context) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
		if err != nil {
			return nil, err
		}
		return tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}), nil
	})
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"chat.example.org"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// gone ends a connection in one of the ways in which tabs, browsers and
// machines end. It returns when the client's side of it is closed.
func (c *client) gone(how int) {
	conn := c.ws.NetConn()
	socket := conn
	if secure, ok := conn.(*tls.Conn); ok {
		socket = secure.NetConn()
	}
	switch how % 4 {
	case 0:
		_ = c.ws.WriteControl(websocket.CloseMessage, nil, time.Now().Add(time.Second))
	case 1:
		_ = conn.Close() // in TLS with a close_notify
	case 2:
		_ = socket.Close() // FIN alone
	case 3:
		_ = socket.(*net.TCPConn).SetLinger(0)
		_ = socket.Close()
	}
}

// TestTwoThousandOfWhichSomeLeaveWhileTheyWait fills the lobby with a thousand
// who wait (one user, who never meets himself) and lets two hundred of them
// leave; at once as many newcomers come as have stayed. Nobody may be matched
// with somebody gone, twice, or with himself, and nobody may be left over.
func TestTwoThousandOfWhichSomeLeaveWhileTheyWait(t *testing.T) {
	const waiting, leaving, rounds = 1100, 200, 10
	for transport, open := range map[string]func(*testing.T) *world{"plain": onLoopback, "TLS": onTLS} {
		t.Run(transport, func(t *testing.T) {
			w := open(t)
			stay, left := make([]*client, 0, waiting-leaving), make([]*client, 0, leaving)
			var order []*client
			for i := range waiting {
				order = append(order, w.connect(t, request("waits")))
				w.await(t, func(s Stats) bool { return s.Waiting == i+1 })
			}
			var newcomers []*client
			for round := range rounds { // of the 110 who are next, 20 leave and 90 are met
				here := order[round*waiting/rounds : (round+1)*waiting/rounds]
				for i, c := range here {
					if i*leaving/waiting != (i+1)*leaving/waiting {
						c.gone(len(left))
						left = append(left, c)
					} else {
						stay = append(stay, c)
					}
				}
				for len(newcomers) < len(stay) {
					newcomers = append(newcomers, w.connect(t, request(fmt.Sprintf("new-%d", len(newcomers)))))
				}
			}
			rooms := map[string]int{}
			for _, c := range newcomers {
				rooms[c.must(wire.MatchFound).RoomID]++
			}
			for _, c := range stay {
				rooms[c.must(wire.MatchFound).RoomID]++
			}
			for i, c := range left {
				if m, ok := c.next(wire.MatchFound); ok {
					t.Errorf("client %d has left and was matched: %+v", i, m)
				}
			}
			for room, members := range rooms {
				if members != 2 {
					t.Errorf("%d of those who are here met in %s, want 2", members, room)
				}
			}
			if s := w.lobby.Stats(); len(rooms) != len(stay) || s.Matches != uint64(len(stay)) || s.Waiting != 0 {
				t.Errorf("%d rooms, %+v; want %d rooms and matches, nobody waiting", len(rooms), s, len(stay))
			}
			w.stop()
			for _, c := range append(newcomers, stay...) {
				if m, ok := c.next(wire.MatchFound); ok {
					t.Errorf("matched twice, then in %s", m.RoomID)
				}
			}
		})
	}
}

// TestTwoThousandFromAllSides lets two thousand arrive at once; every tenth
// leaves as soon as it has asked, and may have been matched before that.
func TestTwoThousandFromAllSides(t *testing.T) {
	const crowd, sides = 2000, 8
	for transport, open := range map[string]func(*testing.T) *world{"plain": onLoopback, "TLS": onTLS} {
		t.Run(transport, func(t *testing.T) {
			w := open(t)
			clients := make([]*client, crowd)
			var arriving sync.WaitGroup
			for side := range sides {
				arriving.Go(func() {
					for i := side; i < crowd; i += sides {
						clients[i] = w.connect(t, request(fmt.Sprintf("user-%d", i)))
						if i%10 == 0 {
							clients[i].gone(i / 10)
						}
					}
				})
			}
			arriving.Wait()
			met := make(chan string, crowd) // rooms of those who stayed; "": none
			for i, c := range clients {
				if i%10 != 0 {
					go func() {
						m, _ := c.next(wire.MatchFound)
						met <- m.RoomID
					}()
				}
			}
			rooms := map[string]int{}
			for range crowd - crowd/10 - 1 { // one may be left over
				rooms[<-met]++
			}
			w.await(t, func(s Stats) bool { return s.Waiting <= 1 })
			w.stop()
			rooms[<-met]++
			for i, c := range clients {
				if m, ok := c.next(wire.MatchFound); ok && i%10 == 0 {
					rooms[m.RoomID]++
				} else if ok {
					t.Errorf("client %d was matched twice, then in %s", i, m.RoomID)
				}
			}
			alone := rooms[""]
			delete(rooms, "")
			single := 0
			for room, members := range rooms {
				if members > 2 {
					t.Errorf("%d clients are in %s", members, room)
				}
				single += members % 2 // the other left after the match
			}
			if alone > 1 {
				t.Errorf("%d were left waiting, want at most one", alone)
			}
			if single > crowd/10 {
				t.Errorf("%d are alone in a room, and only %d have left", single, crowd/10)
			}
		})
	}
}
