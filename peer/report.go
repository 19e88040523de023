package peer

import (
	"context"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// Report complains of the partner to the server, with one of the Report
// reasons of wire; what was said is not part of it. It may be called during
// the chat and after it, and waits for the answer of the server, at most 10
// seconds. The error is a ServerError if the server did not take it.
func (c *Chat) Report(ctx context.Context, reason string) error {
	report := &wire.Report{Type: wire.MatchReport, RoomID: c.room, UserID: c.cfg.UserID, Reason: reason}
	if err := report.Check(); err != nil {
		return err
	}
	text, err := marshal(report)
	if err != nil {
		return err
	}
	url, err := endpoint(c.cfg.URL, "/matchmaking")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, dialTimeout, ErrUnreachable)
	defer cancel()
	server, err := dial(ctx, url)
	if err != nil {
		return err
	}
	defer server.close()
	server.send(ctx, text)
	return reported(ctx, server)
}

// reported waits for the answer to a report.
func reported(ctx context.Context, server *socket) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case text, ok := <-server.messages:
			if !ok {
				return server.fault()
			}
			switch typeOf(text) {
			case wire.MatchReported:
				return nil
			case wire.MatchError:
				m := new(wire.MatchMessage)
				if err := unmarshal(text, m); err != nil {
					return &unreachableError{err}
				}
				return refusal(m)
			}
		}
	}
}
