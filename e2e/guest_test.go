//go:build (redis && browser) || soak

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// guest is somebody without a browser: he asks for a partner, takes his seat, hears
// the partner and is heard, and leaves. What happens to him he tells the oracle.
type guest struct {
	o        *oracle
	user     string
	tags     []string
	bases    []string // of servers, http://host: he begins with the first, and goes to the next when one sends him away
	client   *http.Client
	seedlike bool          // says and knows no more than the first WasmP2PChat's client
	leaves   time.Duration // he leaves so long after he asked if he waits then; 0: he stays

	at int // of bases
}

// dialFrom lets guests connect from a host.
func dialFrom(dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}

// pauses are how long a guest waits before he tries the next server.
const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 500 * time.Millisecond
	dialWithin    = 3 * time.Second
	seatPatience  = 40 * time.Second // for a partner in a room, whatever happens to its servers
)

// errLeft is why a guest is through who left while he waited.
var errLeft = errors.New("left while waiting")

// meets goes on until the guest has met somebody, or has left, or ctx has ended.
func (g *guest) meets(ctx context.Context) (partner string, err error) {
	for ctx.Err() == nil {
		room, s, err := g.waits(ctx)
		if errors.Is(err, errLeft) {
			return "", err
		}
		if err != nil {
			g.goesOn(ctx)
			continue
		}
		if partner := g.sits(ctx, s, room); partner != "" {
			return partner, nil
		}
	}
	return "", ctx.Err()
}

// goesOn takes the next server, after a moment.
func (g *guest) goesOn(ctx context.Context) {
	g.at++
	pause := time.NewTimer(shortestPause + rand.N(longestPause-shortestPause))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
}

func (g *guest) base() string { return g.bases[g.at%len(g.bases)] }

// dial opens a WebSocket.
func (g *guest) dial(ctx context.Context, url string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, strings.Replace(url, "http", "ws", 1), &websocket.DialOptions{HTTPClient: g.client}) //nolint:bodyclose // there is none after an upgrade, and the library closes it else
	if err == nil {
		socket.SetReadLimit(1 << 20)
	}
	return socket, err
}

// waits asks for a partner once, until one is found.
func (g *guest) waits(ctx context.Context) (wire.MatchMessage, *stay, error) {
	var none wire.MatchMessage
	socket, err := g.dial(ctx, g.base()+"/matchmaking")
	if err != nil {
		return none, nil, err
	}
	request := wire.MatchRequest{UserID: g.user, CreatedAt: time.Now(), Tags: g.tags}
	if !g.seedlike {
		request.Ext = []string{wire.ExtWaiting}
	}
	s := g.o.asks(g.user, g.base(), g.tags...)
	if err := write(ctx, socket, request); err != nil {
		s.isCut()
		_ = socket.CloseNow() // it has ended
		return none, nil, err
	}
	until, cancel := context.WithCancel(ctx)
	defer cancel()
	if g.leaves > 0 {
		timer := time.AfterFunc(g.leaves, cancel)
		defer timer.Stop()
	}
	for {
		var m wire.MatchMessage
		switch err := read(until, socket, &m); {
		case err != nil && ctx.Err() == nil && until.Err() != nil:
			s.leaves()
			_ = socket.CloseNow() // he is gone
			return none, nil, errLeft
		case err != nil:
			if ctx.Err() == nil { // else he still waits
				s.isCut()
			}
			_ = socket.CloseNow() // it has ended
			return none, nil, err
		case m.Type == wire.MatchFound:
			s.isTold(m.RoomID)
			go g.listens(context.WithoutCancel(ctx), socket, s)
			return m, s, nil
		case m.Type != wire.MatchWaiting:
			s.isCut()
			_ = socket.CloseNow() // as it said
			return none, nil, fmt.Errorf("was told %s %s", m.Type, m.Reason)
		}
	}
}

// listens looks for a second MATCH, for a moment.
func (g *guest) listens(ctx context.Context, socket *websocket.Conn, s *stay) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for {
		var m wire.MatchMessage
		if read(ctx, socket, &m) != nil {
			_ = socket.CloseNow() // it has ended, or nothing came
			return
		}
		if m.Type == wire.MatchFound {
			s.isTold(m.RoomID)
		}
	}
}

// sits takes the guest's seat, and returns whom he has met there; nobody, if he
// was told that nobody comes.
func (g *guest) sits(ctx context.Context, s *stay, m wire.MatchMessage) (partner string) {
	ctx, cancel := context.WithTimeout(ctx, seatPatience)
	defer cancel()
	seat := &seat{guest: g, stay: s, register: wire.Register{Type: wire.SignalRegister, RoomID: m.RoomID, ClientID: g.user}}
	if !g.seedlike {
		seat.register.Ext = []string{wire.ExtResume}
	}
	for ctx.Err() == nil {
		url := g.base() + "/signaling"
		if m.SignalingURL != "" && !g.seedlike && !seat.elsewhere {
			url = strings.Replace(m.SignalingURL, "ws", "http", 1)
		}
		socket, err := g.dial(ctx, url)
		if err == nil {
			err = seat.talks(ctx, socket)
			_ = socket.CloseNow() // the seat is left, or lost
		}
		if err == nil {
			break
		}
		if g.seedlike && ctx.Err() == nil { // he knows no way back
			s.hasNoRoom()
			break
		}
		seat.elsewhere = !seat.elsewhere
		g.goesOn(ctx)
	}
	return seat.partner
}

// seat is a guest's place in a room.
type seat struct {
	*guest
	stay      *stay
	register  wire.Register
	elsewhere bool   // the room's own server does not answer: any other
	partner   string // who spoke
}

// spoken is how a guest names himself in what he says.
const spoken = "v=0\r\ns="

// talks registers, and says and hears what there is. No error: the seat is left
// for good.
func (s *seat) talks(ctx context.Context, socket *websocket.Conn) error {
	if err := write(ctx, socket, s.register); err != nil {
		return err
	}
	unheard := time.AfterFunc(time.Hour, func() { // until he sits
		s.stay.repeatsIt()
		_ = s.says(ctx, socket, wire.SignalOffer) // its reader learns of an end
	})
	defer unheard.Stop()
	for {
		var m struct {
			Type          string `json:"type"`
			SDP           string `json:"sdp"`
			Reason        string `json:"reason"`
			ResumeToken   string `json:"resumeToken"`
			IsExistClient bool   `json:"isExistClient"`
			Resumed       bool   `json:"resumed"`
		}
		if err := read(ctx, socket, &m); err != nil {
			return err
		}
		var err error
		switch m.Type {
		case wire.SignalAccept:
			s.stay.sits()
			if m.Resumed {
				s.stay.comesBack()
			}
			s.register.ResumeToken = m.ResumeToken
			if m.IsExistClient {
				err = s.says(ctx, socket, wire.SignalOffer)
				unheard.Reset(s.o.speaks)
			}
		case wire.SignalOffer:
			s.heard(m.SDP)
			err = s.says(ctx, socket, wire.SignalAnswer)
		case wire.SignalAnswer: // he who has offered has been heard, and is through first
			s.heard(m.SDP)
			s.stay.walks()
			return socket.Close(websocket.StatusNormalClosure, "")
		case wire.SignalPing:
			err = write(ctx, socket, wire.SignalType{Type: wire.SignalPong})
		case wire.SignalBye:
			s.isToldBye(m.Reason)
			return nil
		case wire.SignalReject: // the room is gone: he asks again
			s.stay.isRefused()
			s.stay.hasNoRoom()
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *seat) isToldBye(reason string) {
	switch {
	case s.partner != "":
		s.stay.isToldBye()
	case reason == wire.ByeAbsent || reason == "":
		s.stay.isToldAbsent()
	default:
		s.o.finds("%s was told bye, %s", s.stay, reason)
	}
}

func (s *seat) says(ctx context.Context, socket *websocket.Conn, kind string) error {
	return write(ctx, socket, wire.Description{Type: kind, SDP: spoken + s.user})
}

func (s *seat) heard(sdp string) {
	s.partner = strings.TrimPrefix(sdp, spoken)
	s.stay.hears(s.partner)
}

func write(ctx context.Context, socket *websocket.Conn, message any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return socket.Write(ctx, websocket.MessageText, text)
}

func read(ctx context.Context, socket *websocket.Conn, message any) error {
	_, text, err := socket.Read(ctx)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, message)
}
