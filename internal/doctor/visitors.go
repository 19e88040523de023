package doctor

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// leaveBefore is how long before strangers might meet a visitor of ours he has
// left.
const leaveBefore = time.Second

// A visitor is one of two who do what people do, and meet nobody but each other:
// nobody else has their tag.
type visitor struct {
	id string

	upgrade upgrade // of /matchmaking
	lobby   *websocket.Conn
	waiting int // as he was told
	match   wire.MatchMessage
	err     error // why there was no match

	door   upgrade // of /signaling
	seat   *websocket.Conn
	accept wire.Accept
	reject string
	joined error
	heard  string // what the other one has said
}

// upgrade is how a request for a WebSocket was answered.
type upgrade struct {
	asked  bool
	err    error
	status int // 101: it is one
	server string
	body   []byte
}

// couple are the two, in a room of theirs, until left.
type couple struct {
	a, b visitor
	site *site // of the lobby
	room *site // of signaling
}

// meet has the two ask for a partner at one address, and join the room at another
// if there are two: both belong to one service.
func (x *exam) meet(ctx context.Context, lobby, room *site) *couple {
	tag := "doctor " + strings.ToLower(rand.Text()[:20])
	p := &couple{site: lobby, room: room}
	done := make(chan struct{})
	go func() { // waited for below
		defer close(done)
		p.b.find(ctx, x, lobby, tag)
	}()
	p.a.find(ctx, x, lobby, tag)
	<-done
	switch {
	case p.a.match.RoomID != "" && p.a.match.RoomID == p.b.match.RoomID:
		p.a.join(ctx, x, room, p.a.match.RoomID)
		p.b.join(ctx, x, room, p.b.match.RoomID)
		p.talk(ctx)
	case p.a.upgrade.status == http.StatusSwitchingProtocols:
		p.a.seat, p.a.door = dial(ctx, x, room, "/signaling") // is it let through?
	}
	return p
}

// leave ends it politely: the server has nobody to wait for.
func (p *couple) leave() {
	var leaving sync.WaitGroup
	for _, ws := range []*websocket.Conn{p.a.lobby, p.b.lobby, p.a.seat, p.b.seat} {
		if ws != nil {
			leaving.Go(func() { _ = ws.Close(websocket.StatusNormalClosure, "") }) // in 5 s, or it is cut
		}
	}
	leaving.Wait()
}

// dial opens a WebSocket, as the page does: from its own origin, which a proxy
// can make a foreign one.
func dial(ctx context.Context, x *exam, s *site, path string) (*websocket.Conn, upgrade) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	client := *s.client
	client.Timeout = 0 // it would end the WebSocket
	ws, resp, err := websocket.Dial(ctx, x.target.websocket(path), &websocket.DialOptions{
		HTTPClient: &client, HTTPHeader: http.Header{"Origin": {x.target.origin()}},
	})
	u := upgrade{asked: true, err: err}
	if resp != nil {
		u.status, u.server = resp.StatusCode, resp.Header.Get("Server")
		if resp.Body != nil && err != nil {
			u.body, _ = io.ReadAll(io.LimitReader(resp.Body, 1<<10))
			_ = resp.Body.Close() // it was read
		}
	}
	if err != nil {
		return nil, u
	}
	ws.SetReadLimit(maxBody)
	return ws, u
}

// find asks for a partner, and leaves before anybody else might be one.
func (v *visitor) find(ctx context.Context, x *exam, s *site, tag string) {
	v.id = rand.Text()
	if v.lobby, v.upgrade = dial(ctx, x, s, "/matchmaking"); v.lobby == nil {
		v.err = v.upgrade.err
		return
	}
	until := time.Now().Add(stepTimeout)
	ask := wire.MatchRequest{UserID: v.id, CreatedAt: time.Now().UTC(), Tags: []string{tag}, Ext: []string{wire.ExtWaiting}}
	if v.err = say(ctx, v.lobby, ask); v.err != nil {
		return
	}
	for {
		var m wire.MatchMessage
		if v.err = hear(ctx, v.lobby, until, &m); v.err != nil {
			_ = v.lobby.CloseNow() // he is gone, at once
			return
		}
		switch m.Type {
		case wire.MatchWaiting:
			v.waiting = m.Waiting
			if due := time.Now().Add(time.Duration(m.Relax)*time.Second - leaveBefore); m.Relax > 0 && due.Before(until) {
				until = due
			}
		case wire.MatchFound:
			v.match = m
			return
		case wire.MatchError, wire.MatchTimeout:
			v.err = fmt.Errorf("%s %s", m.Type, m.Reason)
			return
		}
	}
}

// join takes a seat in the room.
func (v *visitor) join(ctx context.Context, x *exam, s *site, room string) {
	if v.seat, v.door = dial(ctx, x, s, "/signaling"); v.seat == nil {
		v.joined = v.door.err
		return
	}
	v.joined = say(ctx, v.seat, wire.Register{Type: wire.SignalRegister, RoomID: room, ClientID: v.id})
	for v.joined == nil {
		var text json.RawMessage
		var kind wire.SignalType
		if v.joined = hear(ctx, v.seat, time.Now().Add(stepTimeout), &text); v.joined != nil {
			return
		}
		_ = json.Unmarshal(text, &kind) // it is an object, or of no type that we know
		switch kind.Type {
		case wire.SignalAccept:
			v.joined = json.Unmarshal(text, &v.accept)
			return
		case wire.SignalReject:
			var no wire.Reject
			_ = json.Unmarshal(text, &no) // without a reason it is a refusal, too
			v.reject, v.joined = no.Reason, errRejected
		}
	}
}

var errRejected = errors.New("rejected")

// talk has the first one say something that the second one hears.
func (p *couple) talk(ctx context.Context) {
	if p.a.joined != nil || p.b.joined != nil {
		return
	}
	words := wire.Candidate{Type: wire.SignalCandidate, ICE: wire.ICECandidate{SDPMid: "0"}}
	if say(ctx, p.a.seat, words) != nil {
		return
	}
	for until := time.Now().Add(stepTimeout); ; {
		var kind wire.SignalType
		if hear(ctx, p.b.seat, until, &kind) != nil {
			return
		}
		if p.b.heard = kind.Type; kind.Type == wire.SignalCandidate {
			return
		}
	}
}

func say(ctx context.Context, ws *websocket.Conn, message any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	return ws.Write(ctx, websocket.MessageText, text)
}

func hear(ctx context.Context, ws *websocket.Conn, until time.Time, message any) error {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	_, text, err := ws.Read(ctx)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, message)
}

// servers are the ICE servers of the two: what signaling says last, else what the
// match has said, else none.
func (p *couple) servers() (a, b []wire.ICEServer) {
	if len(p.a.accept.ICEServers) > 0 && len(p.b.accept.ICEServers) > 0 {
		return p.a.accept.ICEServers, p.b.accept.ICEServers
	}
	return p.a.match.ICEServers, p.b.match.ICEServers
}

// judgeUpgrade is what the answer to a request for a WebSocket means.
func judgeUpgrade(path string, u upgrade) Check {
	c := Check{ID: "websocket", Subject: path, Status: OK, Seen: "open"}
	said := fmt.Sprintf("answered %d %s", u.status, firstLine(u.body))
	switch {
	case !u.asked:
		c.Status, c.Seen = Skip, "not tried"
	case u.err == nil:
	case u.status == 0:
		c.fail(TCPBlocked, dialText(u.err), "journalctl -u wasmp2pchat   (and the log of the proxy, if there is one)")
	case u.status == http.StatusTooManyRequests:
		c.Status, c.Seen = Warn, said
		c.Fix = "ask again in a minute; behind a proxy, " + setting + "TRUSTED_PROXIES=<its address>: without that all visitors count as one"
	case u.status == http.StatusServiceUnavailable && strings.Contains(string(u.body), "server is full"):
		c.fail(DescriptorsFew, said, descriptorLine)
	case u.status == http.StatusBadGateway, u.status == http.StatusServiceUnavailable, u.status == http.StatusGatewayTimeout:
		c.fail(PageMissing, "the proxy reaches nobody: "+said, upstreamLine(u.server))
	case u.status == http.StatusForbidden:
		c.fail(NoUpgrade, "the origin of the page is refused: "+said, hostLine(u.server))
	default:
		c.fail(NoUpgrade, said, upgradeLine(u.server))
	}
	return c
}

// descriptorLine gives the process more of them.
const descriptorLine = "LimitNOFILE=1048576   in the systemd unit (systemctl edit wasmp2pchat), or: ulimit -n 65536"

// judgeMatch is what became of the two in the lobby.
func judgeMatch(p *couple) Check {
	c := Check{ID: "match", Subject: "/matchmaking", Status: OK, Seen: "two visitors of ours were paired"}
	a, b := &p.a, &p.b
	switch {
	case a.lobby == nil || b.lobby == nil:
		c.Status, c.Seen = Skip, "no WebSocket"
	case a.match.RoomID != "" && a.match.RoomID == b.match.RoomID:
	case a.match.RoomID != b.match.RoomID:
		c.fail(NotReady, "each of our two visitors was given to somebody else", "if there are several servers behind the name, let each visitor keep to one")
	case strings.Contains(errText(a.err)+errText(b.err), wire.ErrorShuttingDown):
		c.fail(NotReady, "the server is stopping", "start it again: sudo systemctl start wasmp2pchat")
	case strings.Contains(errText(a.err)+errText(b.err), wire.MatchError):
		c.Status, c.Seen = Warn, "refused: "+errText(errors.Join(a.err, b.err))
		c.Fix = "ask again later, or from another address"
	case a.waiting == 1 && b.waiting == 1:
		c.fail(NotReady, "our two visitors were not paired, and each was told that nobody else waits: there are several servers behind the name", "let the name lead to one server, or the proxy send every visitor to the same")
	default:
		c.Status, c.Seen = Warn, "our two visitors were not paired in time: "+errText(errors.Join(a.err, b.err))
		c.Fix = "ask again; if it stays so, see whether many visitors wait at one address (" + setting + "TRUSTED_PROXIES behind a proxy, " + setting + "MATCH_CROWD)"
	}
	return c
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// judgeRoom is what became of them in the room.
func judgeRoom(p *couple) Check {
	c := Check{ID: "signaling", Subject: "/signaling", Status: OK, Seen: "the room that the match gave takes both, and hands on what they say"}
	reject := p.a.reject + p.b.reject
	switch {
	case p.a.match.RoomID == "" || p.a.seat == nil && p.a.door.err != nil:
		c.Status, c.Seen = Skip, "no room to join"
	case strings.Contains(reject, wire.RejectNotFound):
		c.fail(SecretMismatch, "signaling does not know the room that matchmaking has given: it has another "+setting+"ROOM_SECRET, or another clock",
			"the same "+setting+"ROOM_SECRET (or room-secret in "+setting+"STATE_DIR) on every node, then restart them")
	case reject != "":
		c.fail(NotReady, "signaling rejects: "+reject, "see "+setting+"SIGNAL_AUTHN_WEBHOOK_URL, which is asked who may enter")
	case p.a.joined != nil || p.b.joined != nil:
		c.fail(NotReady, "signaling: "+errText(errors.Join(p.a.joined, p.b.joined)), "journalctl -u wasmp2pchat | grep svc=signal")
	case p.a.accept.IsExistClient == p.b.accept.IsExistClient:
		c.fail(NotReady, "each of the two sits in a room of his own: there are several servers behind the name", "let the name lead to one server, or the proxy send every visitor to the same")
	case p.b.heard != wire.SignalCandidate:
		c.fail(NotReady, "what one says in the room does not arrive", "journalctl -u wasmp2pchat | grep svc=signal")
	}
	return c
}

// seenFrom is where the server sees us, if it is known.
func (p *couple) seenFrom(w *watching) netip.Addr {
	if w == nil {
		return netip.Addr{}
	}
	return w.welcome.From
}
