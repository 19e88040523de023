package signal

import (
	"net/netip"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// socket is how a member is reached: a WebSocket of this node or, through its
// proxy, one of another node. What its methods promise is what those of
// wsconn.Conn do.
type socket interface {
	Addr() netip.Addr
	Send(text []byte) error // what the other one says: it is kept if it does not arrive
	Post(text []byte) error // what we say ourselves
	SendJSON(v any) error   // the same
	Close(code wire.CloseCode, reason string)
	Keep()
	FirstMessageWithin(d time.Duration)
	UseControlPings()
	Aside(f func())
}

var (
	_ socket = (*wsconn.Conn)(nil)
	_ socket = (*remote)(nil)
)
