package redisdb

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/redis/rueidis"
)

// downError says why there is no Redis.
type downError struct{ why error }

// Error begins with the text of ErrDown.
func (e *downError) Error() string { return ErrDown.Error() + ": " + e.why.Error() }

// Unwrap makes it one that Is ErrDown, and what the reason is.
func (e *downError) Unwrap() []error { return []error{ErrDown, e.why} }

// absent is what there is while there is no Redis, for this reason: a client that
// looks for a connection for each command, and is told that there is none.
func absent(why error) *present {
	err := &downError{why}
	client, _ := rueidis.NewClient(rueidis.ClientOption{ // its error is err, and the client is one in spite of it
		InitAddress: []string{"nowhere"},
		DialCtxFn: func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
			return nil, err
		},
		ForceSingleClient: true,
		DisableRetry:      true,
		DisableCache:      true,
	})
	return &present{client: client, why: err}
}
