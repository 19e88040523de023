package timeline

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// Kind is what happened.
type Kind uint8

// The kinds of events, and what Event.Detail says of each.
const (
	_           Kind = iota
	Matched          // a partner was found for this side; Detail: 1, they share a tag. Took: how long he waited
	Reoffered        // his partner has not come, he waits again
	Registered       // he took a seat; Detail: the Client bits
	Resumed          // he came back to his seat
	Rebuilt          // he came back to a seat that an earlier process knew
	Offered          //
	Answered         //
	Candidate        // he told one; Detail: CandidateDetail
	Hidden           // candidates that were not passed on, because he hides
	SocketLost       // his seat is held
	GaveUp           // he has not come back to it
	Left             // he closed
	NobodyCame       // the second one did not register in time
	Over             // nobody is in the room any more
	Allocated        // at the relay; Detail: AllocationDetail. From: his network
	Refused          // the relay gave him no allocation; Detail: a Refusal
	Forbidden        // the relay let him not reach an address; Detail: 1, it is not the other one's; 0, no stranger's may be reached
	Deallocated      //
	Connected        // says he; Detail: a place in wire.OutcomePaths. Took, RTT
	Failed           // says he; Detail: StateDetail. Took
	Lost             // says he; Detail: StateDetail
	Gathered         // says he of his candidates; Detail: a CandidateType. Count
	Fault            // says he: a server could not be used; Detail: its code. Via, Port
)

// The Detail of Registered.
const (
	ClientReports    uint16 = 1 << iota // he will say what becomes of ICE
	ClientResumes                       //
	ClientHides                         //
	ClientStandalone                    // he may leave when he is connected
)

// CandidateType is that of an ICE candidate (RFC 8839 §5.1).
type CandidateType uint16

// The types.
const (
	Host CandidateType = iota
	Srflx
	Prflx
	Relay
)

// The rest of the Detail of Candidate.
const (
	candidateTypes          = 3      // the bits of a CandidateType
	CandidateIPv6    uint16 = 1 << 2 // else IPv4
	CandidateName    uint16 = 1 << 3 // a name of mDNS stands for the address
	CandidateOverTCP uint16 = 1 << 4
)

// Refusal is why the relay made no allocation.
type Refusal uint16

// The refusals.
const (
	RefusedExpired Refusal = iota // 401
	RefusedWrong                  // 401: not a password of ours
	RefusedQuota                  // 486
	RefusedPorts                  // 508
	RefusedBudget                 // 508
)

// The Detail of Allocated: how the client came, and AllocationIPv6 if the relayed
// address is one.
const (
	OverUDP uint16 = iota
	OverTCP
	OverTLS
	OverDTLS
	AllocationIPv6 uint16 = 1 << 2
	transports            = 3 // the bits of the first four
)

// StateDetail packs the states of Failed and Lost; what is not in the lists of
// wire is as if it had not been said.
func StateDetail(ice, gathering, dtls string) uint16 {
	place := func(list []string, state string) uint16 { return uint16(max(0, slices.Index(list, state))) }
	return place(wire.ICEStates(), ice) | place(wire.GatheringStates(), gathering)<<4 | place(wire.DTLSStates(), dtls)<<8
}

// states unpacks a StateDetail.
func states(detail uint16) (ice, gathering, dtls string) {
	pick := func(list []string, place uint16) string { return list[min(int(place&15), len(list)-1)] }
	return pick(wire.ICEStates(), detail), pick(wire.GatheringStates(), detail>>4), pick(wire.DTLSStates(), detail>>8)
}

// Event is what a service tells. What its Kind does not name is zero.
type Event struct {
	Kind   Kind
	Side   wire.Side // whom it is about; empty: nobody in particular
	Seat   bool      // Side is that of a seat in signaling
	Detail uint16
	Count  int        // 0: once
	User   string     // Matched, Registered: the id by which both services know him
	From   netip.Addr // where he came from; only its network is kept: /24, for IPv6 /48
	Took   int        // ms
	RTT    int        // ms
	Via    string     // as wire.ICEFault has it
	Port   int
}

// record is an Event as it is kept: 16 bytes, and no pointers for the garbage
// collector.
type record struct {
	after  uint32 // ms since the room began
	kind   Kind
	side   uint8 // 0: nobody; 1: a; 2: b; and isIPv6
	detail uint16
	count  uint16
	more   [6]byte // the network that he came from; or Took and RTT; or Via and Port
}

// isIPv6 marks, in record.side, that more is a /48.
const isIPv6 = 1 << 7

// sides is what record.side may be without isIPv6.
const sides = 2

// who is the side of a record: 0, 1 or 2.
func (r *record) who() uint8 { return r.side &^ isIPv6 }

// same tells whether a record differs from another one in time and count only.
func (r *record) same(as *record) bool {
	return r.kind == as.kind && r.side == as.side && r.detail == as.detail && r.more == as.more
}

// compact is the record of an event, but for its time and side.
func (e *Event) compact() record {
	r := record{kind: e.Kind, detail: e.Detail, count: clip16(max(1, e.Count))}
	switch e.Kind {
	case Connected, Failed, Lost, Matched:
		binary.BigEndian.PutUint32(r.more[:4], uint32(min(max(0, e.Took), wire.MaxOutcomeMillis)))
		binary.BigEndian.PutUint16(r.more[4:], clip16(e.RTT))
	case Fault:
		r.more[0] = uint8(max(0, slices.Index(wire.Vias(), e.Via)))
		binary.BigEndian.PutUint16(r.more[1:], clip16(e.Port))
	default:
		if from := e.From.Unmap(); from.Is4() {
			b := from.As4()
			copy(r.more[:], b[:shownBits4/8])
		} else if from.Is6() {
			b := from.As16()
			copy(r.more[:], b[:shownBits6/8])
			r.side = isIPv6
		}
	}
	return r
}

// How much of an address is kept: enough to know the network by, not the
// household.
const (
	shownBits4 = 24
	shownBits6 = 48
)

// from is the network that a record names; not valid if it names none.
func (r *record) from() netip.Prefix {
	switch {
	case r.more == [6]byte{}, r.kind == Connected, r.kind == Failed, r.kind == Lost, r.kind == Matched, r.kind == Fault:
		return netip.Prefix{}
	case r.side&isIPv6 != 0:
		var b [16]byte
		copy(b[:], r.more[:])
		return netip.PrefixFrom(netip.AddrFrom16(b), shownBits6)
	}
	var b [4]byte
	copy(b[:], r.more[:shownBits4/8])
	return netip.PrefixFrom(netip.AddrFrom4(b), shownBits4)
}

// took and rtt are in ms.
func (r *record) took() int { return int(binary.BigEndian.Uint32(r.more[:4])) }
func (r *record) rtt() int  { return int(binary.BigEndian.Uint16(r.more[4:])) }

// fault is how a server was asked, and at which port.
func (r *record) fault() (via string, port int) {
	return wire.Vias()[r.more[0]], int(binary.BigEndian.Uint16(r.more[1:]))
}

func clip16(n int) uint16 { return uint16(min(max(0, n), 1<<16-1)) }
