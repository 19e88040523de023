//go:build deployments

package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// What follows are plain questions of somebody on the internet: they tell, without
// doctor, whether a fault is there. Each returns what is wrong, nil if nothing is.

// unanswered is how long a question waits before it counts as lost. In the
// laboratory an answer takes some milliseconds.
const unanswered = 2 * time.Second

// visitor asks over HTTPS as browsers do, at an address of the name.
func (d *deployment) visitor(addr netip.Addr) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			ctx, cancel := context.WithTimeout(ctx, unanswered)
			defer cancel()
			return d.lab.Client(natlab.SideA).Dial(ctx, "tcp", net.JoinHostPort(addr.String(), port))
		},
		TLSClientConfig:   &tls.Config{RootCAs: d.ca.pool, MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true,
	}}
}

// fetched is a response that was read.
type fetched struct {
	status int
	header http.Header
	text   []byte
}

// get fetches something from an address of the name.
func (d *deployment) get(addr netip.Addr, path string) (fetched, error) {
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+domain+path, nil)
	if err != nil {
		return fetched{}, err
	}
	res, err := d.visitor(addr).Do(req)
	if err != nil {
		return fetched{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return fetched{res.StatusCode, res.Header, text}, err
}

// page is at every address of the name.
func (d *deployment) page() error {
	if len(d.addrs) == 0 {
		return errors.New("the name leads nowhere")
	}
	for _, addr := range d.addrs {
		got, err := d.get(addr, "/")
		if err != nil {
			return err
		}
		if got.status != http.StatusOK || !strings.Contains(string(got.text), `id="start"`) {
			return fmt.Errorf("%v answers %d, and has another page", addr, got.status)
		}
	}
	return nil
}

// clock is ours, by the header of any answer.
func (d *deployment) clock() error {
	got, err := d.get(d.addrs[0], "/")
	if err != nil {
		return err
	}
	date, err := http.ParseTime(got.header.Get("Date"))
	if err != nil {
		return err
	}
	if off := time.Since(date).Abs(); off > time.Minute {
		return fmt.Errorf("the clock of the server is off by %v", off)
	}
	return nil
}

// open opens a WebSocket, as a page of the server does.
func (d *deployment) open(ctx context.Context, path string) (*websocket.Conn, error) {
	conn, res, err := websocket.Dial(ctx, "wss://"+domain+path, &websocket.DialOptions{
		HTTPClient: d.visitor(d.addrs[0]), HTTPHeader: http.Header{"Origin": {"https://" + domain}},
	})
	if err != nil && res != nil && res.Body != nil {
		_ = res.Body.Close()
	}
	return conn, err
}

// room is where two meet who find each other, and both are let in.
func (d *deployment) room() error {
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	var seekers [2]*websocket.Conn
	for i := range seekers {
		conn, err := d.open(ctx, "/matchmaking")
		if err != nil {
			return err
		}
		defer func() { _ = conn.CloseNow() }()
		seekers[i] = conn
		request := wire.MatchRequest{UserID: fmt.Sprintf("probe %d", i), CreatedAt: time.Now(), Tags: []string{"probe"}}
		if err := wsjson.Write(ctx, conn, request); err != nil {
			return err
		}
	}
	for _, seeker := range seekers {
		found := wire.MatchMessage{Type: wire.MatchWaiting}
		for found.Type == wire.MatchWaiting {
			if err := wsjson.Read(ctx, seeker, &found); err != nil {
				return err
			}
		}
		if found.Type != wire.MatchFound {
			return fmt.Errorf("the lobby answers %s", found.Type)
		}
		conn, err := d.open(ctx, "/signaling")
		if err != nil {
			return err
		}
		defer func() { _ = conn.CloseNow() }() // not before the other one is in
		if err := enters(ctx, conn, found.RoomID); err != nil {
			return err
		}
	}
	return nil
}

// enters goes into a room.
func enters(ctx context.Context, conn *websocket.Conn, room string) error {
	if err := wsjson.Write(ctx, conn, wire.Register{Type: wire.SignalRegister, RoomID: room}); err != nil {
		return err
	}
	var answer wire.Reject
	if err := wsjson.Read(ctx, conn, &answer); err != nil {
		return err
	}
	if answer.Type != wire.SignalAccept {
		return fmt.Errorf("the room answers %s: %s", answer.Type, answer.Reason)
	}
	return nil
}

// crowd is how many come at once to a server that few know.
const crowd = 50

// crowded is a server that has a place for a small crowd.
func (d *deployment) crowded() error {
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	var people []net.Conn
	defer func() {
		for _, conn := range people {
			_ = conn.Close()
		}
	}()
	for n := range crowd {
		conn, err := d.lab.Client(natlab.SideA).Dial(ctx, "tcp", hostIP+":443")
		if err != nil {
			return err
		}
		people = append(people, conn)
		secure := tls.Client(conn, &tls.Config{RootCAs: d.ca.pool, ServerName: domain, MinVersion: tls.VersionTLS12})
		greeting, enough := context.WithTimeout(ctx, unanswered)
		err = secure.HandshakeContext(greeting)
		enough()
		if err != nil {
			return fmt.Errorf("the visitor after %d others: %w", n, err)
		}
	}
	return nil
}
