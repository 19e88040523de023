package peer

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// verdictTimeout is how long the server may take to say why two could not be
// connected: it knows what both have said, and what its relay has refused.
const verdictTimeout = time.Second

// Why two who were matched could not be connected, so far as the server knows:
// what users can do something about is told apart.
const (
	EndNoRelay    = string(wire.VerdictNoRelay)    // the relay cannot be reached from one of the two networks
	EndCredential = string(wire.VerdictCredential) // the relay refused a credential
	EndQuota      = string(wire.VerdictQuota)      // the relay is full
	EndBudget     = string(wire.VerdictBudget)     // the relay has carried all that it may
	EndForbidden  = string(wire.VerdictForbidden)  // the relay may not send to one of the two
	EndNoData     = string(wire.VerdictNoData)     // a path was found, and nothing got through it
	EndNoPath     = string(wire.VerdictNoPath)     // both had all they need
)

// RoomError is ErrNoPath or ErrPartnerGone, of two who were matched.
type RoomError struct {
	Verdict string // one of the End constants; empty: the server has not said
	Code    string // what to name when one asks the operator: he can look up what happened in the room
	Err     error
}

func (e *RoomError) Error() string {
	if e.Verdict == "" {
		return e.Err.Error()
	}
	return e.Err.Error() + ": " + e.Verdict
}

func (e *RoomError) Unwrap() error { return e.Err }

// inRoom says of an error in which room it was.
func inRoom(err error, roomID string) error {
	if _, known := errors.AsType[*RoomError](err); known || !errors.Is(err, ErrNoPath) && !errors.Is(err, ErrPartnerGone) {
		return err
	}
	return &RoomError{Code: wire.RoomCode(roomID), Err: err}
}

// ended is the error of a link that has ended, with what the server said of it.
func (l *link) ended() error {
	err := inRoom(l.err, l.seat.register.RoomID)
	if failed, ok := errors.AsType[*RoomError](err); ok && errors.Is(err, ErrNoPath) {
		failed.Verdict = string(l.verdict)
	}
	return err
}

// explain tells the server that there is no path, or no longer, and hears why
// before there was one. It is the last thing that the link says.
func (l *link) explain(ctx context.Context) {
	if l.verdict != "" || !l.seat.reports.Load() {
		return
	}
	state := wire.OutcomeFailed
	if l.carrier() != nil {
		state = wire.OutcomeLost
	}
	l.seat.tell(l.outcome(state))
	late := time.NewTimer(verdictTimeout)
	defer late.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-late.C:
			return
		case text, ok := <-l.seat.inbox:
			if !ok || l.learn(text) {
				return
			}
		}
	}
}

// learn takes a verdict from a message that may have one: the answer to an
// outcome, or a bye because the partner has given up. A wire.Judgment is read as a
// wire.Bye, which has all that is in it: a codec of its own would cost every
// visitor half a kilobyte. It is false for every other message.
func (l *link) learn(text string) bool {
	var bye wire.Bye
	switch typeOf(text) {
	case wire.SignalVerdict, wire.SignalBye:
		if unmarshal(text, &bye) == nil && bye.Verdict.Failed() {
			l.verdict = bye.Verdict
		}
		return true
	}
	return false
}

// outcome is what is told of a connection that has failed, or is lost.
func (l *link) outcome(state string) *wire.Outcome {
	c := l.current
	o := &wire.Outcome{Type: wire.SignalOutcome, State: state, Took: millis(l.took)}
	if state == wire.OutcomeLost {
		l.mu.Lock()
		o.Path = verdictOf(l.path.Kind)
		l.mu.Unlock()
	} else {
		o.Took = millis(time.Since(l.seat.since))
	}
	o.ICE, o.Gathering, o.DTLS = c.states()
	c.mu.Lock()
	defer c.mu.Unlock()
	o.Host, o.Srflx, o.Relay = c.gathered.host, c.gathered.srflx, c.gathered.relay
	o.Faults = c.faults
	return o
}

// reportPath tells the server which way the frames go.
func (l *link) reportPath(path Path) {
	if l.seat.reports.Load() {
		l.seat.tell(&wire.Outcome{
			Type: wire.SignalOutcome, State: wire.OutcomeConnected, Path: verdictOf(path.Kind), RTT: millis(path.RTT), Took: millis(l.took),
		})
	}
}

// millis is d in ms, within what an outcome may say.
func millis(d time.Duration) int {
	return int(min(max(0, d.Milliseconds()), wire.MaxOutcomeMillis))
}

// verdictOf is a path as the server calls it; one that is not known is direct.
func verdictOf(kind PathKind) wire.Verdict {
	switch kind {
	case PathRelayUDP:
		return wire.VerdictRelayUDP
	case PathRelayTCP:
		return wire.VerdictRelayTCP
	case PathRelayTLS:
		return wire.VerdictRelayTLS
	default:
		return wire.VerdictDirect
	}
}

// gathered counts candidates of our own by their types.
type gathered struct{ host, srflx, relay int }

// count counts one.
func (g *gathered) count(candidate string) {
	f := strings.Fields(candidate)
	if len(f) < 8 || f[6] != "typ" {
		return
	}
	n := &g.host
	switch f[7] {
	case candidateRelay:
		n = &g.relay
	case "srflx":
		n = &g.srflx
	}
	*n = min(*n+1, wire.MaxOutcomeCandidates)
}

// faultOf says of a URL (RFC 7064, RFC 7065) no more than how it is reached.
func faultOf(url string, code int) wire.ICEFault {
	at, query, _ := strings.Cut(url, "?")
	scheme, host, _ := strings.Cut(at, ":")
	fault := wire.ICEFault{Via: wire.ViaSTUN, Port: 3478, Code: min(max(0, code), wire.MaxFaultCode)}
	switch {
	case scheme == "turns":
		fault.Via, fault.Port = wire.ViaTLS, 5349
	case scheme == "turn" && query == "transport=tcp":
		fault.Via = wire.ViaTCP
	case scheme == "turn":
		fault.Via = wire.ViaUDP
	}
	if port, err := strconv.ParseUint(host[strings.LastIndexByte(host, ':')+1:], 10, 16); err == nil {
		fault.Port = int(port)
	}
	return fault
}
