package peer

import (
	"context"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// dialTimeout is how long the server may take to accept a connection.
const dialTimeout = 10 * time.Second

// find waits in the pool until somebody comes: the first step of Connect. How
// long that may take is the server's decision, and the context's.
//
//	we ── MatchRequest ─▶ server
//	   ◀── WAITING …──────        how many are there, again and again
//	   ◀── MATCH ─────────        or ERROR, or TIMEOUT
//	   ── close 1000 ────▶
func find(ctx context.Context, cfg Config) (*wire.MatchMessage, error) {
	request := wire.MatchRequest{
		UserID:    cfg.UserID,
		Device:    cfg.Device,
		CreatedAt: time.Now().UTC(),
		Tags:      cfg.Tags,
		Ext:       []string{wire.ExtWaiting},
	}
	if err := request.Check(); err != nil {
		return nil, err
	}
	text, err := marshal(&request)
	if err != nil {
		return nil, err
	}
	url, err := endpoint(cfg.URL, "/matchmaking")
	if err != nil {
		return nil, err
	}
	dialling, cancel := context.WithTimeoutCause(ctx, dialTimeout, ErrUnreachable)
	defer cancel()
	server, err := dial(dialling, url)
	if err != nil {
		return nil, err
	}
	defer server.close()

	server.send(ctx, text)
	cfg.OnProgress(Progress{Phase: PhaseWaiting})
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case text, ok := <-server.messages:
			if !ok {
				return nil, server.fault()
			}
			match, err := cfg.told(text)
			if match != nil || err != nil {
				return match, err
			}
		}
	}
}

// told handles one message of the matchmaking server; it returns the match,
// why there will be none, or neither: wait on. Types that it does not know
// are for later versions.
func (cfg *Config) told(text string) (*wire.MatchMessage, error) {
	switch typeOf(text) {
	case wire.MatchWaiting, wire.MatchFound, wire.MatchError:
		m := new(wire.MatchMessage)
		if err := unmarshal(text, m); err != nil {
			return nil, &unreachableError{err}
		}
		switch m.Type {
		case wire.MatchWaiting:
			cfg.OnProgress(Progress{Phase: PhaseWaiting, Online: m.Online, Waiting: m.Waiting, Pause: seconds(m.Wait)})
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
		return "", errURL
	}
	switch scheme {
	case "http", "ws":
		return "ws://" + rest + path, nil
	case "https", "wss":
		return "wss://" + rest + path, nil
	}
	return "", errURL
}
