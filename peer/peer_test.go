//go:build !js

package peer

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/webrtc/v4"

	"github.com/wasmp2pchat/wasmp2pchat/internal/pipenet"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// testTimeout is when a test that waits for real sockets gives up.
const testTimeout = 20 * time.Second

// noLeaks checks at the end of a test that no goroutine of this module, of pion
// or of a socket is left that was not there at its beginning. Such a test does
// not run beside others.
func noLeaks(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		deadline := time.Now().Add(testTimeout)
		for runtime.NumGoroutine() > before {
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<20)
				t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
				return
			}
			runtime.Gosched()
		}
	})
}

// meet connects two clients through s.
func meet(t *testing.T, s *server, search Search) (a, b *Chat) {
	t.Helper()
	var group sync.WaitGroup
	for _, chat := range []**Chat{&a, &b} {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			var err error
			if *chat, err = Connect(ctx, Config{URL: s.URL}, search); err != nil {
				t.Errorf("Connect: %v", err)
			}
		})
	}
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return a, b
}

// awaitEvent skips events until one of the wanted kind comes.
func awaitEvent(t *testing.T, c *Chat, kind EventKind) Event {
	t.Helper()
	late := time.After(testTimeout)
	for {
		select {
		case e, ok := <-c.Events():
			if !ok {
				t.Fatalf("events closed, want kind %d", kind)
			}
			if e.Kind == kind {
				return e
			}
		case <-late:
			t.Fatalf("no event of kind %d", kind)
		}
	}
}

// tell sends a message from one to the other and waits until it is delivered.
func tell(t *testing.T, from, to *Chat, text string) {
	t.Helper()
	id, err := from.Send(text)
	if err != nil {
		t.Fatalf("Send(%q): %v", text, err)
	}
	if e := awaitEvent(t, to, EventMessage); e.Text != text || e.ID != id {
		t.Fatalf("message %+v, want %d %q", e, id, text)
	}
	if e := awaitEvent(t, from, EventDelivered); e.ID != id {
		t.Fatalf("delivered %+v, want %d", e, id)
	}
}

func TestChat(t *testing.T) {
	noLeaks(t)
	s := newServer(t)
	var mu sync.Mutex
	var progress []Progress
	a, b := meet(t, s, Search{Tags: []string{"go"}, OnProgress: func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		progress = append(progress, p)
	}})
	for _, c := range []*Chat{a, b} {
		if path := c.Path(); path.Kind != PathDirect {
			t.Errorf("Path() = %+v, want direct", path)
		}
	}
	for i := range 20 {
		tell(t, a, b, "ping "+strconv.Itoa(i))
		tell(t, b, a, "pong <"+strconv.Itoa(i)+"> 日本\u2028")
	}
	a.Typing()
	awaitEvent(t, b, EventTyping)
	if err := a.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	awaitEvent(t, b, EventLeft)
	if e, ok := <-b.Events(); ok {
		t.Errorf("%+v after EventLeft", e)
	}
	if err := errors.Join(b.Close(), b.Close()); err != nil {
		t.Errorf("Close() = %v", err)
	}

	counts := map[Phase]int{}
	for _, p := range progress {
		counts[p.Phase]++
		if p.Phase == PhaseConnecting && !slices.Equal(p.Shared, []string{"go"}) {
			t.Errorf("shared tags %q, want go", p.Shared)
		}
	}
	if counts[PhaseWaiting] != 4 || counts[PhaseConnecting] != 2 || !slices.ContainsFunc(progress, func(p Progress) bool { return p.Online == 7 && p.Waiting == 1 }) {
		t.Errorf("progress %+v, want waiting twice (the second time with counts), then connecting, for each", progress)
	}
	if s.pongs < 4 {
		t.Errorf("%d pongs to 4 pings", s.pongs)
	}
}

// TestServerDies kills the server in the middle of a chat, once by a crash and
// once by a stop that says bye to both.
func TestServerDies(t *testing.T) {
	for _, c := range []struct {
		name string
		die  func(t *testing.T, s *server)
	}{
		{"it crashes", func(_ *testing.T, s *server) { s.kill() }},
		{"it stops and says bye", func(t *testing.T, s *server) {
			t.Helper()
			s.mu.Lock()
			seats := maps.Clone(s.seats)
			s.mu.Unlock()
			for room, conns := range seats {
				for _, conn := range conns {
					s.leave(t.Context(), room, conn)
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			s := newServer(t)
			a, b := meet(t, s, Search{})
			c.die(t, s)
			for i := range 20 {
				tell(t, a, b, strconv.Itoa(i))
				tell(t, b, a, strconv.Itoa(i))
			}
			_ = b.Close()
			awaitEvent(t, a, EventLeft)
			_ = a.Close()
		})
	}
}

func TestConnectFails(t *testing.T) {
	match := says(websocket.StatusNormalClosure, "", `{"type":"MATCH","room_id":"r","user_id":"u"}`)
	for _, c := range []struct {
		name          string
		match, signal func(context.Context, *websocket.Conn) error
		want          error
		reason        string // of a ServerError
	}{
		{"nobody comes", says(1000, "", `{"type":"WAITING","online":1,"waiting":1}`, `{"type":"TIMEOUT"}`), nil, ErrNobody, ""},
		{"the server stops", says(1000, "", `{"type":"ERROR","reason":"shutting-down"}`), nil, nil, wire.ErrorShuttingDown},
		{"the server closes without a word", says(1000, ""), nil, ErrUnreachable, ""},
		{"the server closes with a reason", says(1013, "busy"), nil, nil, "busy"},
		{"the server crashes", func(context.Context, *websocket.Conn) error { return errors.New("crash") }, nil, ErrUnreachable, ""},
		{"a match that is none", says(1000, "", `{"type":"MATCH","room_id":7}`), nil, ErrUnreachable, ""},
		{"too large a message", says(1000, "", `{"type":"`+strings.Repeat("x", 2*wire.MaxMessageBytes)+`"}`), nil, ErrUnreachable, ""},
		{"the room is full", match, says(1000, "", `{"type":"ping"}`, `{"type":"reject","reason":"full"}`), nil, wire.RejectFull},
		{"the room is over", match, says(1000, "", `{"type":"reject","reason":"not-found"}`), ErrPartnerGone, ""},
		{"a reject that is none", match, says(1000, "", `{"type":"reject","reason":[]}`), ErrUnreachable, ""},
		{"an accept that is none", match, says(1000, "", `{"type":"accept","isExistUser":"yes"}`), ErrUnreachable, ""},
		{"no answer to register", match, says(1000, ""), ErrUnreachable, ""},
		{"the partner leaves before he speaks", match, says(1000, "", `{"type":"accept","isExistUser":false}`, `{"type":"bye"}`), ErrPartnerGone, ""},
		{"the partner leaves before he answers", match, says(1000, "", `{"type":"accept","isExistClient":true}`, `{"type":"bye"}`), ErrPartnerGone, ""},
		{"the server leaves before the partner speaks", match, says(1000, "", `{"type":"accept"}`), ErrUnreachable, ""},
		{"an offer that is none", match, says(1000, "", `{"type":"accept"}`, `{"type":"offer","sdp":"hello"}`), ErrNoPath, ""},
		{"an offer of another type", match, says(1000, "", `{"type":"accept"}`, `{"type":"offer","sdp":{}}`), ErrNoPath, ""},
		{"an ICE server that is none", match, says(1000, "", `{"type":"accept","iceServers":[{"urls":["http://x"]}]}`), nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			s := newServer(t)
			s.match = c.match
			if c.signal != nil {
				s.signal = c.signal
			}
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			chat, err := Connect(ctx, Config{URL: s.URL}, Search{})
			if chat != nil || err == nil || ctx.Err() != nil {
				t.Fatalf("Connect() = %v, %v", chat, err)
			}
			var refused *ServerError
			if errors.As(err, &refused) != (c.reason != "") || refused != nil && refused.Reason != c.reason {
				t.Errorf("Connect() = %v, want the reason %q", err, c.reason)
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("Connect() = %v, want %v", err, c.want)
			}
		})
	}
}

// TestAReportNamesRoomAndReporter holds what the server is told of a partner
// who misbehaves, and what becomes of its answer.
func TestAReportNamesRoomAndReporter(t *testing.T) {
	for _, c := range []struct {
		name, reason, answer string
		sent                 string // what the server was told; empty: nothing
		want                 string // reason of the ServerError
		fails                bool
	}{
		{"taken", wire.ReportSpam, `{"type":"REPORTED"}`, `{"type":"REPORT","room_id":"the-room","user_id":"me","reason":"spam"}`, "", false},
		{"refused", wire.ReportMinor, `{"type":"ERROR","reason":"unknown-room"}`, `{"type":"REPORT","room_id":"the-room","user_id":"me","reason":"minor"}`, wire.ErrorUnknownRoom, true},
		{"nothing that the server would know", "boring", `{"type":"REPORTED"}`, "", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			s := newServer(t)
			got := make(chan string, 1)
			s.match = func(ctx context.Context, conn *websocket.Conn) error {
				_, text, err := conn.Read(ctx)
				if err != nil {
					return err
				}
				got <- string(text)
				return send(ctx, conn, `{"type":"NEWS"}`, c.answer)
			}
			chat := &Chat{cfg: Config{URL: s.URL, UserID: "me"}, room: "the-room"}
			err := chat.Report(t.Context(), c.reason)
			var refused *ServerError
			if (err != nil) != c.fails || errors.As(err, &refused) != (c.want != "") || refused != nil && refused.Reason != c.want {
				t.Errorf("Report(%s) = %v, want the reason %q", c.reason, err, c.want)
			}
			if c.sent != "" {
				if text := <-got; text != c.sent {
					t.Errorf("the server was told %s, want %s", text, c.sent)
				}
			}
			s.kill()
			if len(got) != 0 {
				t.Errorf("the server was told %s", <-got)
			}
		})
	}
}

func TestTheServerSaysHowLongToWait(t *testing.T) {
	noLeaks(t)
	s := newServer(t)
	s.match = says(1000, "", `{"type":"WAITING","online":2,"waiting":1,"wait":4}`, `{"type":"ERROR","reason":"banned","wait":3600,"ban":"K5N7"}`)
	var pauses []time.Duration
	_, err := Connect(t.Context(), Config{URL: s.URL, Device: "d"}, Search{OnProgress: func(p Progress) { pauses = append(pauses, p.Pause) }})
	var refused *ServerError
	if !errors.As(err, &refused) || refused.Reason != wire.ErrorBanned || refused.Wait != time.Hour || refused.Ban != "K5N7" {
		t.Errorf("Connect() = %#v, want banned for an hour as K5N7", err)
	}
	if len(pauses) != 2 || pauses[1] != 4*time.Second {
		t.Errorf("the pauses were %v, want 4 s", pauses)
	}
}

func TestConnectRefusesConfig(t *testing.T) {
	t.Parallel()
	nobody := httptest.NewServer(http.NotFoundHandler())
	nobody.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	defer closed.Close()
	for _, c := range []struct {
		name string
		url  string
		tags []string
		want error
	}{
		{"no URL", "", nil, ErrURL},
		{"no scheme", "chat.example.org", nil, ErrURL},
		{"no host", "https://", nil, ErrURL},
		{"another scheme", "ftp://chat.example.org", nil, ErrURL},
		{"nobody listens", nobody.URL, nil, ErrUnreachable},
		{"not our server", closed.URL + "/", nil, ErrUnreachable},
		{"too many tags", closed.URL, []string{"a", "b", "c", "d", "e"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			chat, err := Connect(t.Context(), Config{URL: c.url}, Search{Tags: c.tags})
			if chat != nil || err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("Connect(%q) = %v, %v, want %v", c.url, chat, err, c.want)
			}
		})
	}
}

// TestConnectCancelled ends the context at each step.
func TestConnectCancelled(t *testing.T) {
	match := says(websocket.StatusNormalClosure, "", `{"type":"MATCH","room_id":"r","user_id":"u"}`)
	// hangs says its texts and then nothing; entered tells when.
	hangs := func(entered chan<- struct{}, texts ...string) func(context.Context, *websocket.Conn) error {
		return func(ctx context.Context, conn *websocket.Conn) error {
			if _, err := first(ctx, conn); err != nil {
				return err
			}
			err := send(ctx, conn, texts...)
			entered <- struct{}{}
			<-conn.CloseRead(ctx).Done()
			return err
		}
	}
	for _, c := range []struct {
		name  string
		setUp func(s *server, entered chan struct{})
	}{
		{"while it waits", func(s *server, entered chan struct{}) { s.match = hangs(entered) }},
		{"before it has a seat", func(s *server, entered chan struct{}) { s.match, s.signal = match, hangs(entered) }},
		{"before the partner comes", func(s *server, entered chan struct{}) {
			s.match, s.signal = match, hangs(entered, `{"type":"accept"}`)
		}},
		{"before the partner answers", func(s *server, entered chan struct{}) {
			s.match, s.signal = match, hangs(entered, `{"type":"accept","isExistUser":true}`)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			s := newServer(t)
			entered := make(chan struct{}, 1)
			c.setUp(s, entered)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-entered
				cancel()
			}()
			if chat, err := Connect(ctx, Config{URL: s.URL}, Search{}); chat != nil || !errors.Is(err, context.Canceled) {
				t.Errorf("Connect() = %v, %v, want it cancelled", chat, err)
			}
		})
	}
}

// quiet is a socket, on a fake clock, to a server that says its texts and then
// nothing.
func quiet(t *testing.T, texts ...string) *socket {
	t.Helper()
	pipes := pipenet.Listen()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		if err := send(r.Context(), conn, texts...); err != nil {
			return
		}
		for err == nil {
			_, _, err = conn.Read(context.WithoutCancel(r.Context()))
		}
	})}
	go func() { _ = server.Serve(pipes) }()
	t.Cleanup(func() { _ = server.Close() })
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return pipes.Dial(ctx) },
	}}
	conn, response, err := websocket.Dial(t.Context(), "ws://quiet/", &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		if response != nil {
			_ = response.Body.Close()
		}
		t.Fatal(err)
	}
	return newSocket(t.Context(), conn)
}

// TestPartnerAbsent waits for a partner who has a seat and never speaks.
func TestPartnerAbsent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		l, err := connect(t.Context(), Config{}, Search{}, seated(t, quiet(t, `{"type":"accept"}`)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.opens(t.Context()); !errors.Is(err, ErrPartnerGone) || time.Since(start) != absentTimeout {
			t.Errorf("opens() = %v after %v, want ErrPartnerGone after %v", err, time.Since(start), absentTimeout)
		}
	})
}

// seated is a seat on that socket, and no other.
func seated(t *testing.T, socket *socket) *seat {
	t.Helper()
	s := &seat{register: wire.Register{Type: wire.SignalRegister, RoomID: "r"}}
	s.start(t.Context(), handedOver(socket))
	select {
	case <-s.joined:
	case <-s.done:
	}
	return s
}

// handedOver is a standby whose socket is there to be taken.
func handedOver(socket *socket) *standby {
	s := &standby{socket: socket, wanted: make(chan struct{}), done: make(chan struct{}), cancel: func() {}}
	close(s.done)
	return s
}

// TestNoAccept waits for a seat at a server that only pings.
func TestNoAccept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		st := newStage(t)
		s := st.seat("")
		st.expect("/signaling").says(`{"type":"ping"}`)
		gone(t, s, ErrUnreachable)
		if took := time.Since(start); took != joinTimeout {
			t.Errorf("the seat ended after %v, want %v", took, joinTimeout)
		}
	})
}

// linked is a chat and the bare link of its partner, who can send whatever he
// wants. offers tells whether he made the offer.
func linked(t *testing.T, s *server) (*Chat, *link) {
	t.Helper()
	chats := make(chan *Chat, 1)
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	go func() {
		chat, err := Connect(ctx, Config{URL: s.URL}, Search{})
		if err != nil {
			t.Errorf("Connect: %v", err)
		}
		chats <- chat
	}()
	client := NewClient(Config{URL: s.URL, UserID: "enemy"})
	defer client.Close()
	q, searching, err := client.begin(ctx, Search{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.end()
	match, err := q.find(searching)
	if err != nil {
		t.Fatal(err)
	}
	seat, err := q.join(searching, match)
	if err != nil {
		t.Fatal(err)
	}
	enemy, err := connect(searching, client.cfg, q.search, seat, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := enemy.opens(searching); err != nil {
		t.Fatal(err)
	}
	for _, frame := range []string{`{"t":"hello","v":1}`, `{"t":"ack"}`} {
		if err := enemy.send(frame); err != nil {
			t.Fatal(err)
		}
	}
	chat := <-chats
	if chat == nil {
		t.FailNow()
	}
	return chat, enemy
}

// TestHostileLink is what a partner can do below the frames.
func TestHostileLink(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, enemy *link)
	}{
		{"binary frames", func(t *testing.T, enemy *link) {
			t.Helper()
			must(t, enemy.current.channel.Send([]byte(`{"t":"msg","id":1,"text":"x"}`)))
		}},
		{"a large frame", func(t *testing.T, enemy *link) { t.Helper(); must(t, enemy.send(strings.Repeat("x", 400<<10))) }},
		{"other channels", func(t *testing.T, enemy *link) {
			t.Helper()
			for _, label := range []string{"video", wire.ChatLabel} {
				_, err := enemy.current.pc.CreateDataChannel(label, nil)
				must(t, err)
			}
		}},
		{"a second channel like the first", func(t *testing.T, enemy *link) {
			t.Helper()
			protocol := wire.ChatSubprotocol
			_, err := enemy.current.pc.CreateDataChannel(wire.ChatLabel, &webrtc.DataChannelInit{Protocol: &protocol})
			must(t, err)
		}},
		{"signaling without end", func(t *testing.T, enemy *link) {
			t.Helper()
			for range 3 * maxCandidates {
				enemy.seat.tell(&wire.Candidate{Type: wire.SignalCandidate, ICE: wire.ICECandidate{Candidate: "candidate:1 1 udp 1 127.0.0.1 9 typ relay raddr 0.0.0.0 rport 0", SDPMid: "0"}})
				enemy.seat.tell(&wire.Description{Type: wire.SignalOffer, SDP: "again"})
				enemy.seat.tell(&wire.Description{Type: wire.SignalAnswer, SDP: "again"})
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			chat, enemy := linked(t, newServer(t))
			c.do(t, enemy)
			must(t, enemy.send(`{"t":"msg","id":1,"text":"still here"}`))
			if e := awaitEvent(t, chat, EventMessage); e.Text != "still here" {
				t.Errorf("event %+v, want the message that came after the attack", e)
			}
			_ = chat.Close()
			enemy.close()
		})
	}
}

// TestHostileLinkEnds is what a partner can do below the frames that ends the
// chat, and nothing else.
func TestHostileLinkEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, enemy *link)
	}{
		{"channels without end", func(t *testing.T, enemy *link) {
			t.Helper()
			for i := range 2 * maxChannels {
				if _, err := enemy.current.pc.CreateDataChannel(strconv.Itoa(i), nil); err != nil {
					break // he was cut already
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			noLeaks(t)
			chat, enemy := linked(t, newServer(t))
			c.do(t, enemy)
			for e := range chat.Events() {
				if e.Kind != EventPath && e.Kind != EventLost && e.Kind != EventLeft {
					t.Errorf("event %+v", e)
				}
			}
			_ = chat.Close()
			enemy.close()
		})
	}
}

// TestMegabyte sends a frame that does not fit into the receive buffer of SCTP:
// the enemy stops himself for ever, and nobody else.
func TestMegabyte(t *testing.T) {
	noLeaks(t)
	chat, enemy := linked(t, newServer(t))
	must(t, enemy.send(strings.Repeat("x", 1<<20)))
	if _, err := chat.Send("still here"); err != nil {
		t.Fatal(err)
	}
	for frame := range enemy.frames {
		if strings.Contains(frame, "still here") {
			break
		}
	}
	_ = chat.Close()
	enemy.close()
}

// TestPartnerDies loses the partner without a bye.
func TestPartnerDies(t *testing.T) {
	noLeaks(t)
	chat, enemy := linked(t, newServer(t))
	enemy.seat.close()
	_ = enemy.carrier().pc.Close()
	awaitEvent(t, chat, EventLeft)
	_ = chat.Close()
	enemy.close()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
