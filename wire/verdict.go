package wire

import "slices"

// Verdict says what became of a room, or why nothing did. The list is fixed:
// the server counts by it, and the page has words for each that a visitor may
// have to read.
type Verdict string

// The verdicts. Four are those of a chat that came about.
const (
	VerdictDirect   Verdict = "direct"    // connected, no server in between
	VerdictRelayUDP Verdict = "relay-udp" // connected over the relay
	VerdictRelayTCP Verdict = "relay-tcp"
	VerdictRelayTLS Verdict = "relay-tls"

	VerdictLost Verdict = "lost" // it was connected, and the network was lost

	VerdictPartnerAbsent Verdict = "partner-absent" // the second one never came
	VerdictPartnerLeft   Verdict = "partner-left"   // one of them left before they were connected
	VerdictNoAnswer      Verdict = "no-answer"      // an offer was made, and nobody answered it
	VerdictNoRelay       Verdict = "no-relay"       // one of them has no relayed address: the relay cannot be reached from there, by UDP or TCP
	VerdictCredential    Verdict = "credential"     // the relay refused a credential
	VerdictQuota         Verdict = "quota"          // the relay had no allocation, or no port, left
	VerdictBudget        Verdict = "budget"         // what the relay may carry this month was spent
	VerdictForbidden     Verdict = "forbidden"      // the relay refused the address of the other one
	VerdictNoData        Verdict = "no-data"        // a path was found, and DTLS got nothing through it
	VerdictNoPath        Verdict = "no-path"        // both had all they need, and nothing got through

	VerdictOpen    Verdict = "open"    // it goes on
	VerdictUnknown Verdict = "unknown" // nobody said, as with clients that do not report
)

// Verdicts lists all of them.
func Verdicts() []Verdict {
	return []Verdict{
		VerdictDirect, VerdictRelayUDP, VerdictRelayTCP, VerdictRelayTLS, VerdictLost, VerdictPartnerAbsent, VerdictPartnerLeft, VerdictNoAnswer,
		VerdictNoRelay, VerdictCredential, VerdictQuota, VerdictBudget, VerdictForbidden, VerdictNoData, VerdictNoPath, VerdictOpen, VerdictUnknown,
	}
}

// Failed tells whether two were there and could not be connected: whoever of
// them hears it should try elsewhere, or later, and not at once.
func (v Verdict) Failed() bool {
	return slices.Contains([]Verdict{
		VerdictNoRelay, VerdictCredential, VerdictQuota, VerdictBudget, VerdictForbidden, VerdictNoData, VerdictNoPath,
	}, v)
}

// RoomCodeLength is how many characters of a room's id, the first ones, name it
// to people: enough to tell apart the rooms that a server remembers.
const RoomCodeLength = 8

// RoomCode is what a visitor is shown of a room's id, and can tell the operator:
// it admits to nothing.
func RoomCode(roomID string) string { return roomID[:min(len(roomID), RoomCodeLength)] }
