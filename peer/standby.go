package peer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// silenceTimeout is how long a socket to /signaling may be silent before it
// counts as lost: the server pings every 5 s.
const silenceTimeout = 15 * time.Second

var (
	errSilent   = errors.New("the server is silent")
	errStandby  = errors.New("the server takes nobody who stands by") // an older one
	errUnwanted = errors.New("nobody wants this socket any more")
)

// dialer opens a WebSocket: dial, but for tests.
type dialer func(ctx context.Context, url string) (*socket, error)

// standby is a socket that is opened before it is needed, and kept open until
// somebody takes it. One goroutine, run, dials it, says hello on it, and dials
// again when it is lost.
//
//	dial ─▶ hello ─▶ keep … ─▶ take: the socket is the taker's
//	 ▲                │
//	 └──── pause ◀────┘ lost
type standby struct {
	url      string
	dial     dialer
	hello    any                                     // the message of wire that says what we are
	hear     func(text string) (answer any, _ error) // a message of the server; answer is to a ping; an error gives the socket up
	stubborn bool                                    // dial again also when the server has ended it after a while

	silent chan struct{} // has a value when the socket was lost because the network is gone
	cancel context.CancelFunc
	once   sync.Once
	wanted chan struct{} // closed by take
	done   chan struct{} // closed when run has ended
	socket *socket       // for take, or nil; settled before done is closed
	err    error         // why there is none; settled before done is closed
}

// start begins to stand by, until take or end.
func (s *standby) start() *standby {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.wanted, s.done, s.silent = cancel, make(chan struct{}), make(chan struct{}), make(chan struct{}, 1)
	go s.run(ctx) // take and end wait for it
	return s
}

// take gives the socket to who needs it now, and must close it. It is nil if
// there is none, and may have died without anybody having noticed.
func (s *standby) take(ctx context.Context) *socket {
	if s == nil {
		return nil
	}
	s.once.Do(func() { close(s.wanted) })
	select {
	case <-s.done:
	case <-ctx.Done():
		s.cancel()
		<-s.done
	}
	return s.socket
}

// end gives the socket up, if nobody has taken it, and returns when nothing is
// left of it.
func (s *standby) end() {
	if s == nil {
		return
	}
	s.cancel()
	<-s.done
}

// over tells whether there is nothing to take any more, and why.
func (s *standby) over() (bool, error) {
	if s == nil {
		return true, nil
	}
	select {
	case <-s.done:
		return true, s.err
	default:
		return false, nil
	}
}

func (s *standby) run(ctx context.Context) {
	defer close(s.done)
	defer s.cancel()
	var pace backOff
	for {
		pace.begin()
		if s.err = s.attempt(ctx); s.err == nil || ctx.Err() != nil {
			return
		}
		if dismissed(s.err) && (!s.stubborn || pace.age() < steadyAfter) {
			return
		}
		select {
		case <-s.wanted: // who wants it will dial it
			return
		default:
		}
		if _, ok := sleep(ctx, pace.pause(), s.wanted); !ok {
			return
		}
	}
}

// attempt opens the socket once and keeps it. It returns nil when the socket
// has been taken.
func (s *standby) attempt(ctx context.Context) error {
	dialling, cancel := context.WithTimeoutCause(ctx, dialTimeout, ErrUnreachable)
	defer cancel()
	socket, err := s.dial(dialling, s.url)
	if err != nil {
		return err
	}
	if err := s.keep(ctx, socket); err != nil {
		socket.close()
		return err
	}
	s.socket = socket
	return nil
}

// keep answers the server until the socket is wanted.
func (s *standby) keep(ctx context.Context, socket *socket) error {
	select {
	case <-s.wanted: // already: nobody stands by
		return nil
	default:
	}
	say(ctx, socket, s.hello)
	silence := time.NewTimer(silenceTimeout)
	defer silence.Stop()
	pings := false // this server does
	for {
		select {
		case <-s.wanted:
			return nil
		case <-ctx.Done():
			return errUnwanted
		case <-silence.C:
			if pings {
				poke(s.silent)
				return errSilent
			}
		case text, ok := <-socket.messages:
			if !ok {
				return refusedStandby(socket.fault())
			}
			silence.Reset(silenceTimeout)
			answer, err := s.hear(text)
			if err != nil {
				return err
			}
			if answer != nil {
				pings = true
				say(ctx, socket, answer)
			}
		}
	}
}

// refusedStandby tells a server that does not know what standing by is from
// one that is lost, or ends it.
func refusedStandby(err error) error {
	closed, ok := errors.AsType[*closedError](err)
	if ok && (closed.code == wire.CloseBadData || closed.reason == wire.ReasonNoRegister || closed.reason == wire.ReasonUnexpected) {
		return errStandby
	}
	return err
}

// dismissed tells whether the server itself has ended a connection, and for
// good.
func dismissed(err error) bool {
	if closed, ok := errors.AsType[*closedError](err); ok {
		return closed.code != wire.CloseGoingAway
	}
	_, refused := errors.AsType[*ServerError](err)
	return refused || errors.Is(err, errStandby)
}

// say writes one of the messages of wire.
func say(ctx context.Context, to *socket, message any) {
	if text, err := marshal(message); err == nil { // it always is: the strings come from us
		to.send(ctx, text)
	}
}

// inLobby stands by at /matchmaking, and tells how many are online.
func inLobby(url string, dial dialer, online func(n int)) *standby {
	hear := func(text string) (any, error) {
		switch typeOf(text) {
		case wire.MatchWaiting:
			m := new(wire.MatchMessage)
			if unmarshal(text, m) == nil && m.Online >= 0 {
				online(m.Online)
			}
		case wire.MatchError:
			m := new(wire.MatchMessage)
			if unmarshal(text, m) != nil || m.Reason == wire.ErrorBadRequest {
				return nil, errStandby
			}
			return nil, refusal(m)
		}
		return nil, nil
	}
	return (&standby{url: url, dial: dial, hello: &wire.Standby{Type: wire.MatchStandby}, hear: hear}).start()
}

// atRooms stands by at /signaling.
func atRooms(url string, dial dialer) *standby {
	hear := func(text string) (any, error) {
		switch typeOf(text) {
		case wire.SignalPing:
			return &wire.SignalType{Type: wire.SignalPong}, nil
		case wire.SignalAccept, wire.SignalReject: // it took standby for register
			return nil, errStandby
		}
		return nil, nil
	}
	return (&standby{url: url, dial: dial, hello: &wire.SignalType{Type: wire.SignalStandby}, hear: hear, stubborn: true}).start()
}
