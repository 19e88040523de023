package peer

import (
	"context"
	"errors"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// maxParked is how many silent sockets are kept open until the server has
// given us the seat on another one. A browser cannot drop a connection without
// a close frame, and that means to leave.
const maxParked = 4

// lostError says that a socket is lost, and the seat perhaps is not.
type lostError struct{ cause error }

func (e *lostError) Error() string { return e.cause.Error() }
func (e *lostError) Unwrap() error { return e.cause }

// run is the life of the seat.
func (s *seat) run(ctx context.Context, ready *standby) {
	defer close(s.done)
	err := s.sit(ctx, ready)
	for _, socket := range s.parked {
		s.closing.Go(socket.close)
	}
	s.closing.Wait()
	s.err = err
	close(s.in)
}

// sit keeps the seat, on one socket after the other, until it is gone or ctx
// ends.
func (s *seat) sit(ctx context.Context, ready *standby) error {
	stoodBy := false
	socket := ready.take(ctx)
	if socket != nil {
		stoodBy = true
	}
	for {
		var err error
		if socket == nil {
			socket, err = s.open(ctx)
		}
		if err == nil {
			err = s.occupy(ctx, socket)
		}
		socket = nil
		var lost *lostError
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.As(err, &lost):
			return err
		case s.register.ResumeToken != "":
			if !sleep(ctx, s.pace.pause(), s.haste) {
				return context.Cause(ctx)
			}
		case stoodBy && !s.seated: // it may have been dead for long
			stoodBy = false
		default:
			return lost.cause
		}
	}
}

// open dials another socket.
func (s *seat) open(ctx context.Context) (*socket, error) {
	s.pace.begin()
	ctx, cancel := context.WithTimeoutCause(ctx, dialTimeout, ErrUnreachable)
	defer cancel()
	type dialled struct {
		socket *socket
		err    error
	}
	result := make(chan dialled, 1)
	go func() { // waited for below
		socket, err := s.dial(ctx, s.url)
		result <- dialled{socket, err}
	}()
	var d dialled
	select {
	case d = <-result:
	case <-s.haste: // what is being dialled goes by the network that was
		s.pace.forget()
		cancel()
		d = <-result
	}
	if d.err != nil {
		return nil, &lostError{d.err}
	}
	return d.socket, nil
}

// occupy asks for the seat on a socket and carries messages until that is
// lost, or the seat is. From now on the socket is the seat's.
func (s *seat) occupy(ctx context.Context, socket *socket) error {
	v := &visit{seat: s, socket: socket, again: s.asked, flowing: !s.asked && s.role != ""}
	s.asked = true
	say(ctx, socket, &s.register)
	err := v.carry(ctx)
	if errors.Is(err, errSilent) && ctx.Err() == nil {
		s.park(socket)
	} else {
		s.closing.Go(socket.close)
	}
	return err
}

// park keeps a socket that is not to be told anything.
func (s *seat) park(socket *socket) {
	if len(s.parked) == maxParked {
		s.closing.Go(s.parked[0].close)
		s.parked = s.parked[1:]
	}
	s.parked = append(s.parked, socket)
}

// unpark closes what is parked: the server knows where we are.
func (s *seat) unpark() {
	for _, socket := range s.parked {
		s.closing.Go(socket.close)
	}
	s.parked = nil
}

// visit is the time that the seat spends on one socket.
type visit struct {
	*seat
	socket  *socket
	again   bool // we had asked for the seat before, on another one
	flowing bool // what is told may be written
}

// carry carries messages both ways.
func (v *visit) carry(ctx context.Context) error {
	quiet := time.NewTimer(joinTimeout) // until accept, then until the next silence
	defer quiet.Stop()
	for {
		if err := v.flush(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-v.wake:
		case <-v.haste:
			if v.register.ResumeToken != "" {
				v.pace.forget()
				return &lostError{errSilent}
			}
		case <-quiet.C:
			if !v.seated {
				return &lostError{ErrUnreachable}
			}
			if v.register.ResumeToken != "" {
				return &lostError{errSilent}
			}
		case text, ok := <-v.socket.messages:
			if !ok {
				return ended(v.socket.fault())
			}
			if err := v.hear(ctx, text); err != nil {
				return err
			}
			if v.seated {
				quiet.Reset(silenceTimeout)
			}
		}
	}
}

// flush writes what was kept.
func (v *visit) flush(ctx context.Context) error {
	if !v.flowing {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.overflow {
			return errBacklog
		}
		return nil
	}
	texts, ok := v.take()
	if !ok {
		return errBacklog
	}
	for _, text := range texts {
		v.socket.send(ctx, text)
	}
	return nil
}

// hear acts on one message of the server. Types that it does not know are for
// later versions.
func (v *visit) hear(ctx context.Context, text string) error {
	switch typeOf(text) {
	case wire.SignalPing:
		say(ctx, v.socket, &wire.SignalType{Type: wire.SignalPong})
	case wire.SignalAccept:
		return v.accepted(text)
	case wire.SignalReject:
		return rejected(text)
	case wire.SignalICEServers:
		var refresh wire.Refresh
		if unmarshal(text, &refresh) == nil && len(refresh.ICEServers) > 0 {
			newest(v.fresh, refresh.ICEServers)
		}
	case wire.SignalBye:
		v.pass(ctx, text)
		return ErrPartnerGone
	case wire.SignalOffer, wire.SignalAnswer, wire.SignalCandidate:
		v.pass(ctx, text)
	}
	return nil
}

// pass hands a message to link. It may wait: link takes everything at once.
func (v *visit) pass(ctx context.Context, text string) {
	select {
	case v.in <- text:
	case <-ctx.Done():
	}
}

// accepted notes that the seat is ours.
func (v *visit) accepted(text string) error {
	accept := new(wire.Accept)
	if err := unmarshal(text, accept); err != nil {
		return &unreachableError{err}
	}
	if v.seated && !accept.Resumed {
		return errNotOurs
	}
	if !v.seated {
		v.settle(accept)
	}
	if v.again {
		newest(v.back, returned{rebuilt: accept.Rebuilt})
		if len(accept.ICEServers) > 0 {
			newest(v.fresh, accept.ICEServers)
		}
	}
	v.seated, v.flowing = true, true
	v.register.ResumeToken = accept.ResumeToken
	v.unpark()
	return nil
}

// settle takes from the first accept what the match did not say.
func (v *visit) settle(accept *wire.Accept) {
	if v.role != "" {
		return
	}
	if accept.IsExistClient || accept.IsExistUser {
		v.assign(roleOffer)
	} else {
		v.assign(roleAnswer)
	}
	if len(v.iceServers) == 0 {
		v.iceServers = accept.ICEServers
	}
	close(v.joined)
}

// rejected is why the server refused the seat.
func rejected(text string) error {
	var reject wire.Reject
	if err := unmarshal(text, &reject); err != nil {
		return &unreachableError{err}
	}
	if reject.Reason == wire.RejectNotFound { // the room was there a moment ago: the partner has left it
		return ErrPartnerGone
	}
	return &ServerError{Reason: reject.Reason}
}

// ended tells whether the end of a socket is the end of the seat: it is if the
// server said so, and is not about to come back.
func ended(err error) error {
	var closed *closedError
	if errors.As(err, &closed) {
		switch closed.reason {
		case wire.ReasonLeft, wire.ReasonAbsent, wire.ReasonReplaced,
			wire.ReasonBadJSON, wire.ReasonNoRegister, wire.ReasonUnexpected, wire.ReasonRegisteredOnce:
			return err
		}
	}
	return &lostError{err}
}

// newest leaves a value in a channel with room for one. Only run calls it.
func newest[T any](c chan T, value T) {
	select {
	case <-c: // nobody wants the old one
	default:
	}
	c <- value
}
