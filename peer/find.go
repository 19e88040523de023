package peer

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// dialTimeout is how long the server may take to accept a connection.
const dialTimeout = 10 * time.Second

const (
	// answerTimeout is how long the server may take to answer a request on a
	// socket that stood by: some round trips of a slow phone network. The socket
	// may have died without anybody having noticed.
	answerTimeout = 3 * time.Second

	// awayTimeout is how long the network may be gone while one waits, and
	// maxAsks how often one asks again after that.
	awayTimeout = 30 * time.Second
	maxAsks     = 5
)

// errStale is a socket that stood by, and did not live to hear an answer.
var errStale = errors.New("the socket was dead")

// quest is a search that goes on: what Connect has in its hands until there is
// a chat.
type quest struct {
	client *Client
	search Search
	url    string // of /matchmaking
	rooms  string // the URL of /signaling
	ask    string // the MatchRequest

	lobby, atRooms *standby
	blank          *blank    // what it can be made of; nil: nothing
	warm           *prepared // what link has prepared; nil: nothing
	leaving        sync.WaitGroup
}

// begin starts a quest when it is its turn, under a context that Close ends.
func (c *Client) begin(ctx context.Context, search Search) (*quest, context.Context, error) {
	q := &quest{client: c, search: search}
	if err := q.check(); err != nil {
		return nil, nil, err
	}
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		<-c.turn
		return nil, nil, context.Canceled
	}
	ctx, c.abort = context.WithCancel(ctx)
	c.stayAwake()
	c.readyRooms(q.rooms)
	c.readyBlank()
	q.lobby, q.atRooms = c.lobby, c.rooms
	q.blank, c.blank = c.blank, nil
	return q, ctx, nil
}

// check settles what q asks for, or says what is wrong with it.
func (q *quest) check() (err error) {
	cfg := q.client.cfg
	if q.search.OnProgress == nil {
		q.search.OnProgress = func(Progress) {}
	}
	request := wire.MatchRequest{
		UserID:    cfg.UserID,
		Device:    cfg.Device,
		CreatedAt: time.Now().UTC(),
		Tags:      q.search.Tags,
		Ext:       []string{wire.ExtWaiting, wire.ExtWarm},
	}
	if q.search.RelayOnly {
		request.Ext = append(request.Ext, wire.ExtRelayOnly) // before the relay is told where we are, for the partner's sake
	}
	if err := request.Check(); err != nil {
		return err
	}
	if q.ask, err = marshal(&request); err != nil {
		return err
	}
	if q.url, err = endpoint(cfg.URL, "/matchmaking"); err != nil {
		return err
	}
	q.rooms, err = endpoint(cfg.URL, "/signaling")
	return err
}

// find waits in the pool until somebody comes: the first step of Connect. How
// long that may take is the server's decision, and the context's.
//
//	we ── MatchRequest ─▶ server
//	   ◀── WAITING …──────        how many are there, again and again
//	   ◀── MATCH ─────────        or ERROR, or TIMEOUT
//	   ── close 1000 ────▶
//
// If the network goes while we wait, and comes back, it asks again.
func (q *quest) find(ctx context.Context) (*wire.MatchMessage, error) {
	server := q.lobby.take(ctx)
	select {
	case <-q.atRooms.silent: // before; what stood by was given up for that
	default:
	}
	var pace backOff
	var heard time.Time // the server, last; zero: never
	for asks := 0; ; {
		pace.begin()
		match, err := q.inquire(ctx, server)
		server = nil
		var lost *lostError
		switch {
		case err == nil:
			return match, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, errStale):
			continue
		case !errors.As(err, &lost):
			return nil, err
		case !lost.undialled:
			heard = time.Now()
			asks++
		}
		if time.Since(heard) >= awayTimeout || asks > maxAsks {
			return nil, lost.cause
		}
		q.unprepare()
		if _, ok := sleep(ctx, pace.pause(), nil); !ok {
			return nil, context.Cause(ctx)
		}
	}
}

// inquire asks for a partner, on the socket that stood by or, if that is nil,
// on another one, and waits until there is a match, or an end of waiting.
func (q *quest) inquire(ctx context.Context, server *socket) (*wire.MatchMessage, error) {
	if server != nil {
		return q.wait(ctx, server, answerTimeout)
	}
	dialling, cancel := context.WithTimeoutCause(ctx, dialTimeout, ErrUnreachable)
	defer cancel()
	server, err := q.client.dial(dialling, q.url)
	if err != nil {
		return nil, &lostError{cause: err, undialled: true}
	}
	return q.wait(ctx, server, 0)
}

// wait asks for a partner. With patience, which is for a socket that stood by,
// it is errStale if nothing comes of it.
func (q *quest) wait(ctx context.Context, server *socket, patience time.Duration) (*wire.MatchMessage, error) {
	defer q.leaving.Go(server.close) // nobody needs to wait for its last words
	server.send(ctx, q.ask)
	q.search.OnProgress(Progress{Phase: PhaseWaiting})
	var late <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		late = timer.C
	}
	for heard := false; ; heard = true {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-late:
			return nil, errStale
		case <-q.atRooms.silent: // the network is gone, and here nobody pings
			return nil, &lostError{cause: &unreachableError{errSilent}}
		case text, ok := <-server.messages:
			switch {
			case !ok && late != nil:
				return nil, errStale
			case !ok && heard && !dismissed(server.fault()):
				return nil, &lostError{cause: server.fault()}
			case !ok:
				return nil, server.fault()
			}
			match, err := q.told(text)
			if late != nil && refusedAs(err, wire.ErrorBadRequest) { // it knows no standby
				return nil, errStale
			}
			if heard && refusedAs(err, wire.ErrorShuttingDown) { // it will be back
				return nil, &lostError{cause: err}
			}
			if match != nil || err != nil {
				return match, err
			}
			late = nil
		}
	}
}

// told handles one message of the matchmaking server; it returns the match,
// why there will be none, or neither: wait on. Types that it does not know
// are for later versions.
func (q *quest) told(text string) (*wire.MatchMessage, error) {
	switch typeOf(text) {
	case wire.MatchWaiting, wire.MatchFound, wire.MatchError:
		m := new(wire.MatchMessage)
		if err := unmarshal(text, m); err != nil {
			return nil, &unreachableError{err}
		}
		switch m.Type {
		case wire.MatchWaiting:
			q.prepare(m)
			q.search.OnProgress(Progress{Phase: PhaseWaiting, Online: m.Online, Waiting: m.Waiting, Pause: seconds(m.Wait), Relax: seconds(m.Relax)})
		case wire.MatchFound:
			return m, nil
		case wire.MatchError:
			return nil, refusal(m)
		}
	case wire.MatchTimeout:
		return nil, ErrNobody
	}
	return nil, nil
}

// prepare lets link get ready with the ICE servers of a WAITING: while one
// waits, there is time for that.
func (q *quest) prepare(m *wire.MatchMessage) {
	switch {
	case len(m.ICEServers) == 0:
	case q.warm == nil:
		q.warm = prepare(q.client.cfg, q.search, m.ICEServers, q.takeBlank(), "")
	default:
		q.warm.renew(m.ICEServers)
	}
}

// catchUp lets link get ready when there is a match already, for who did not
// wait: while the offer is on its way, there is time for that.
func (q *quest) catchUp(m *wire.MatchMessage) {
	if m.Role != "" && len(m.ICEServers) > 0 && q.warm == nil && q.blank != nil {
		q.warm = prepare(q.client.cfg, q.search, m.ICEServers, q.takeBlank(), role(m.Role))
	}
}

func (q *quest) takeBlank() *blank {
	taken := q.blank
	q.blank = nil
	return taken
}

// unprepare gives up what was prepared: whoever answers the next request may be
// another server, or the same one anew, and the relay of the last one has gone.
func (q *quest) unprepare() {
	if warm := q.prepared(); warm != nil {
		q.leaving.Go(warm.close)
	}
}

// prepared is the connection that was prepared, if there is one. Whoever calls
// it owns the result.
func (q *quest) prepared() *prepared {
	warm := q.warm
	q.warm = nil
	return warm
}

// end gives back what the search did not use, and lets the next one begin.
func (q *quest) end() {
	if q.warm != nil {
		q.warm.close()
	}
	q.blank.close()
	q.leaving.Wait()
	c := q.client
	c.mu.Lock()
	c.abort()
	c.abort = nil
	c.restLater()
	c.mu.Unlock()
	<-c.turn
}

// refusedAs tells whether err is a refusal with that reason.
func refusedAs(err error, reason string) bool {
	var refused *ServerError
	return errors.As(err, &refused) && refused.Reason == reason
}

// refusal is what the server said no with.
func refusal(m *wire.MatchMessage) error {
	return &ServerError{Reason: m.Reason, Wait: seconds(m.Wait), Ban: m.Ban}
}

// seconds is a time as wire has it; what makes no sense counts as none.
func seconds(n int) time.Duration {
	const year = 365 * 24 * 60 * 60
	return time.Duration(min(max(n, 0), year)) * time.Second
}

// typeOf is the type of a server's message; empty if it has none.
func typeOf(text string) string {
	var m wire.SignalType
	if err := unmarshal(text, &m); err != nil {
		return ""
	}
	return m.Type
}

// endpoint is the address of a WebSocket below the base URL of a server.
func endpoint(base, path string) (string, error) {
	scheme, rest, ok := strings.Cut(strings.TrimRight(base, "/"), "://")
	if !ok || rest == "" {
		return "", ErrURL
	}
	switch scheme {
	case "http", "ws":
		return "ws://" + rest + path, nil
	case "https", "wss":
		return "wss://" + rest + path, nil
	}
	return "", ErrURL
}
