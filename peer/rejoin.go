package peer

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// acceptTimeout is how long register may go unanswered on a socket that
	// stood by and may be dead: longer than a server asks its webhook.
	acceptTimeout = 6 * time.Second

	// elsewhereTimeout is how long a dial may take where the seat can be had at
	// another server as well.
	elsewhereTimeout = 4 * time.Second

	// maxParked is how many sockets are kept open until the server has given us
	// the seat on another one. A browser cannot drop a connection without a
	// close frame, and that means to leave.
	maxParked = 4
)

var (
	errBacklog = errors.New("too much to tell while the server is away")
	errNotOurs = errors.New("the server gave our seat away")
)

// lostError says that a socket is lost, and the seat perhaps is not.
type lostError struct {
	cause     error
	undialled bool // there never was one
	open      bool // what we write to it may still arrive
}

func (e *lostError) Error() string { return e.cause.Error() }
func (e *lostError) Unwrap() error { return e.cause }

// run is the life of the seat.
func (s *seat) run(ctx context.Context, ready *standby) {
	defer close(s.done)
	s.err = s.sit(ctx, ready)
	close(s.in)
	s.unpark()
	s.closing.Wait()
}

// sit keeps the seat, on one socket after the other, until it is gone or ctx
// ends.
func (s *seat) sit(ctx context.Context, ready *standby) error {
	began := time.Now()
	socket := ready.take(ctx)
	stoodBy := socket != nil
	for {
		err := s.spend(ctx, socket)
		s.note(true)
		var lost *lostError
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.As(err, &lost):
			return err
		case s.register.ResumeToken != "", lost.undialled && !s.seated && time.Since(began) < joinTimeout:
			if !s.pause(ctx) {
				return context.Cause(ctx)
			}
		case s.seated || !stoodBy: // it is not ours to ask back
			return lost.cause
		}
		socket, stoodBy = nil, false
	}
}

// pause waits until it is time to dial again; false means that ctx has ended.
func (s *seat) pause(ctx context.Context) bool {
	hurried, ok := sleep(ctx, s.pace.pause(), s.haste)
	if hurried {
		s.pace.forget()
		_, ok = sleep(ctx, s.pace.rest(), nil)
	}
	return ok
}

// spend is the time on one socket: the one that stood by or, if that is nil,
// another one.
func (s *seat) spend(ctx context.Context, socket *socket) error {
	patience := acceptTimeout
	s.pace.begin()
	if socket == nil {
		var err error
		if socket, err = s.open(ctx); err != nil {
			s.turn()
			return &lostError{cause: err, undialled: true}
		}
		patience = joinTimeout - s.pace.age()
	}
	v := &visit{seat: s, socket: socket, again: s.asked, flowing: !s.asked && s.role != ""}
	s.asked = true
	s.register.Attempt++ // that on the socket before may be slower
	say(ctx, socket, &s.register)
	err := v.carry(ctx, patience)
	if !v.accepted { // that one listens, and knows nothing of us
		s.turn()
	}
	var lost *lostError
	if errors.As(err, &lost) && lost.open && ctx.Err() == nil {
		s.park(socket)
	} else {
		s.closing.Go(socket.close)
	}
	return err
}

// turn changes where the seat is asked for next: who keeps the room is not there,
// and any other server of the fleet knows who keeps it now.
func (s *seat) turn() {
	if s.elsewhere != "" {
		s.url, s.elsewhere = s.elsewhere, s.url
	}
}

// open dials another socket.
func (s *seat) open(ctx context.Context) (*socket, error) {
	patience := dialTimeout
	if s.elsewhere != "" {
		patience = elsewhereTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, ErrUnreachable)
	defer cancel()
	dialled := make(chan struct{})
	var socket *socket
	var err error
	go func() { // waited for below
		defer close(dialled)
		socket, err = s.dial(ctx, s.url)
	}()
	select {
	case <-dialled:
	case <-s.haste: // that way is no longer there
		s.pace.forget()
		cancel()
		<-dialled
	}
	return socket, err
}

// park keeps a socket that shall not be told of an end.
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
	socket   *socket
	again    bool // we have asked for the seat on another one
	accepted bool // the seat is ours on this one
	flowing  bool // what is told may be written
}

// carry carries messages both ways, until the socket is lost or the seat is.
// The server has that long for its first word.
func (v *visit) carry(ctx context.Context, patience time.Duration) error {
	quiet := time.NewTimer(patience)
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
				return &lostError{cause: errSilent, open: true}
			}
		case <-quiet.C:
			select {
			case text, ok := <-v.socket.messages: // which has come in time: accept, perhaps
				quiet.Reset(0)
				if err := v.listen(ctx, text, ok, quiet); err != nil {
					return err
				}
			default:
				if err := v.missed(); err != nil {
					return err
				}
			}
		case text, ok := <-v.socket.messages:
			if err := v.listen(ctx, text, ok, quiet); err != nil {
				return err
			}
		}
	}
}

// listen takes what has come from the socket: a message or, if not ok, its end.
func (v *visit) listen(ctx context.Context, text string, ok bool, quiet *time.Timer) error {
	if !ok {
		return ended(v.socket.fault())
	}
	if err := v.hear(ctx, text); err != nil {
		return err
	}
	if v.accepted {
		quiet.Reset(silenceTimeout)
	}
	return nil
}

// missed is what it means that the server says nothing: that the socket is lost, or
// nothing, for one that we could not leave.
func (v *visit) missed() error {
	switch {
	case !v.accepted:
		return &lostError{cause: ErrUnreachable, open: true}
	case v.register.ResumeToken != "":
		return &lostError{cause: errSilent, open: true}
	}
	return nil
}

// flush writes what was kept, if it may be written.
func (v *visit) flush(ctx context.Context) error {
	texts, ok := v.take(v.flowing)
	if !ok {
		return &unreachableError{errBacklog}
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
		return v.accept(text)
	case wire.SignalReject:
		return rejected(text)
	case wire.SignalICEServers:
		var refresh wire.Refresh
		if unmarshal(text, &refresh) == nil && len(refresh.ICEServers) > 0 {
			v.renew(refresh.ICEServers)
		}
	case wire.SignalBye:
		v.pass(ctx, text)
		return ErrPartnerGone
	case wire.SignalOffer, wire.SignalAnswer, wire.SignalCandidate, wire.SignalVerdict:
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

// accept notes that the seat is ours.
func (v *visit) accept(text string) error {
	accept := new(wire.Accept)
	if err := unmarshal(text, accept); err != nil {
		return &unreachableError{err}
	}
	if v.seated && !accept.Resumed {
		return &unreachableError{errNotOurs}
	}
	switch {
	case v.role == "":
		v.settle(accept)
	case v.again:
		v.report(accept)
	}
	v.accepted, v.seated, v.flowing = true, true, true
	v.note(false)
	v.reports.Store(slices.Contains(accept.Ext, wire.ExtOutcome))
	v.register.ResumeToken = accept.ResumeToken
	v.unpark()
	return nil
}

// settle takes from the first accept what the match did not say.
func (v *visit) settle(accept *wire.Accept) {
	v.assign(roleAnswer)
	if accept.IsExistClient || accept.IsExistUser {
		v.assign(roleOffer)
	}
	if len(v.iceServers) == 0 {
		v.iceServers = accept.ICEServers
	}
	close(v.joined)
}

// report tells link that the seat is ours on another socket.
func (v *visit) report(accept *wire.Accept) {
	back := returned{rebuilt: accept.Rebuilt, servers: accept.ICEServers}
	select {
	case last := <-v.back: // which link has not seen
		back.rebuilt = back.rebuilt || last.rebuilt
		if len(back.servers) == 0 {
			back.servers = last.servers
		}
	default:
	}
	if len(back.servers) > 0 {
		select {
		case <-v.fresh: // older ones
		default:
		}
	}
	v.back <- back
}

// renew hands the newest ICE servers to link.
func (v *visit) renew(servers []wire.ICEServer) {
	select {
	case <-v.fresh: // nobody wants the old ones
	default:
	}
	v.fresh <- servers
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
	if closed, ok := errors.AsType[*closedError](err); ok {
		switch closed.reason {
		case wire.ReasonLeft, wire.ReasonAbsent, wire.ReasonReplaced,
			wire.ReasonBadJSON, wire.ReasonNoRegister, wire.ReasonUnexpected, wire.ReasonRegisteredOnce:
			return err
		}
	}
	return &lostError{cause: err}
}
