package wire

import (
	"errors"
	"slices"
)

// The types of what is said about the outcome of ICE.
const (
	SignalOutcome = "outcome" // client: Outcome, to a server that has ExtOutcome in Accept.Ext
	SignalVerdict = "verdict" // server: Judgment, the answer to an Outcome that is not OutcomeConnected
)

// ExtOutcome announces, in Register.Ext, that a client says what became of ICE,
// and understands a Verdict in Bye. A server that wants to know has it in
// Accept.Ext.
const ExtOutcome = "outcome"

// The states of an Outcome.
const (
	OutcomeConnected = "connected" // with Path, and again if that becomes another one
	OutcomeFailed    = "failed"    // no connection came about
	OutcomeLost      = "lost"      // there was one, and it cannot be had again
)

// The limits of an Outcome.
const (
	MaxOutcomeBytes      = 1 << 10
	MaxOutcomeMillis     = 600_000 // of RTT and Took; what is longer is told as this
	MaxOutcomeCandidates = 255     // of each type; more are told as this
	MaxOutcomeFaults     = 8
	MaxFaultCode         = 999
)

// Outcome is what a client says of ICE: words and numbers from lists, so that
// there is no room for an address or a text of anybody's.
type Outcome struct {
	Type  string  `json:"type"`           // SignalOutcome
	State string  `json:"state"`          // one of the Outcome constants
	Path  Verdict `json:"path,omitempty"` // connected, lost: one of the four
	RTT   int     `json:"rtt,omitempty"`  // ms to the partner; 0: unknown
	Took  int     `json:"took,omitempty"` // ms from the match until the channel was open or, if it never was, until now

	ICE       string `json:"ice,omitempty"`       // RTCIceConnectionState (W3C WebRTC §5.6.4)
	Gathering string `json:"gathering,omitempty"` // RTCIceGatheringState (§5.6.3)
	DTLS      string `json:"dtls,omitempty"`      // RTCDtlsTransportState (§5.5.1)

	// How many candidates of our own there were.
	Host  int `json:"host,omitempty"`
	Srflx int `json:"srflx,omitempty"`
	Relay int `json:"relay,omitempty"`

	Faults []ICEFault `json:"faults,omitempty"` // of gathering
}

// ICEFault is an RTCPeerConnectionIceErrorEvent (W3C WebRTC §4.8.2): a STUN or
// TURN server that could not be used.
type ICEFault struct {
	Via  string `json:"via"`            // one of the Via constants
	Port int    `json:"port,omitempty"` // of its URL
	Code int    `json:"code"`           // of STUN, or 701: it was not reached
}

// How a server was asked.
const (
	ViaSTUN = "stun" // STUN, over whatever
	ViaUDP  = "udp"  // TURN
	ViaTCP  = "tcp"
	ViaTLS  = "tls" // also DTLS
)

// Judgment tells a client what the server takes for the reason.
type Judgment struct {
	Type    string  `json:"type"` // SignalVerdict
	Verdict Verdict `json:"verdict"`
}

// OutcomeStates are those of an Outcome.
func OutcomeStates() []string { return []string{OutcomeConnected, OutcomeFailed, OutcomeLost} }

// OutcomePaths are those of an Outcome.
func OutcomePaths() []Verdict {
	return []Verdict{VerdictDirect, VerdictRelayUDP, VerdictRelayTCP, VerdictRelayTLS}
}

// ICEStates are those of RTCIceConnectionState; the first one is that nobody said.
func ICEStates() []string {
	return []string{"", "new", "checking", "connected", "completed", "disconnected", "failed", "closed"}
}

// GatheringStates are those of RTCIceGatheringState; the first one is that nobody
// said.
func GatheringStates() []string { return []string{"", "new", "gathering", "complete"} }

// DTLSStates are those of RTCDtlsTransportState; the first one is that nobody
// said.
func DTLSStates() []string {
	return []string{"", "new", "connecting", "connected", "closed", "failed"}
}

// Vias are the ways of an ICEFault.
func Vias() []string { return []string{ViaSTUN, ViaUDP, ViaTCP, ViaTLS} }

// errOutcome is what Outcome.Check finds.
var errOutcome = errors.New("an outcome has a state from the list, a path if there was a connection, and numbers within their limits")

// Check says what of o is outside the lists and limits of this package.
func (o *Outcome) Check() error {
	connected := o.State != OutcomeFailed
	switch {
	case o.Type != SignalOutcome,
		!slices.Contains(OutcomeStates(), o.State),
		connected && !slices.Contains(OutcomePaths(), o.Path),
		!connected && o.Path != "",
		!slices.Contains(ICEStates(), o.ICE),
		!slices.Contains(GatheringStates(), o.Gathering),
		!slices.Contains(DTLSStates(), o.DTLS),
		!within(MaxOutcomeMillis, o.RTT, o.Took),
		!within(MaxOutcomeCandidates, o.Host, o.Srflx, o.Relay),
		len(o.Faults) > MaxOutcomeFaults,
		slices.ContainsFunc(o.Faults, ICEFault.outside):
		return errOutcome
	}
	return nil
}

func (f ICEFault) outside() bool {
	const maxPort = 1<<16 - 1
	return !slices.Contains(Vias(), f.Via) || !within(maxPort, f.Port) || !within(MaxFaultCode, f.Code)
}

// within tells whether all numbers are from 0 to most.
func within(most int, numbers ...int) bool {
	return slices.Min(numbers) >= 0 && slices.Max(numbers) <= most
}
