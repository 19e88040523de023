package timeline

import (
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// noAnswerAfter is how long after an offer somebody who leaves has waited for
// its answer; before that he has changed his mind.
const noAnswerAfter = 10 * time.Second

// facts are what the events of a room say of it. Of the two, a is 1 and b 2;
// 0 is neither.
type facts struct {
	matched               bool
	seated, left, reports [sides + 1]bool
	relay, srflx          [sides + 1]bool // candidates that he has, as far as is known
	path                  [sides + 1]wire.Verdict
	refused               [sides + 1][RefusedBudget + 1]bool
	stranger              [sides + 1]bool // the relay let him not reach where the other one may be
	failed, noDTLS, lost  bool
	absent                bool
	offered               uint32 // ms; of the first offer that was not answered
	isOffered, isAnswered bool
	leftAt                uint32 // ms; of the first who left
}

// gather reads the events of a room.
func gather(records []record) (f facts) {
	for i := range records {
		r := &records[i]
		switch who := r.who(); r.kind {
		case Matched:
			f.matched = true
		case Registered, Resumed, Rebuilt:
			f.seated[who] = true
			f.reports[who] = f.reports[who] || r.kind == Registered && r.detail&ClientReports != 0
		case Offered:
			if !f.isOffered {
				f.isOffered, f.offered = true, r.after
			}
		case Answered:
			f.isAnswered = true
		case NobodyCame:
			f.absent = true
		case Left:
			if f.left == [sides + 1]bool{} {
				f.leftAt = r.after
			}
			f.left[who] = true
		case GaveUp:
			f.lost = true
		default:
			f.connectivity(r, who)
		}
	}
	return f
}

// connectivity reads what is about ICE and the relay.
func (f *facts) connectivity(r *record, who uint8) {
	switch r.kind {
	case Candidate:
		f.has(CandidateType(r.detail&candidateTypes), who)
	case Gathered:
		f.has(CandidateType(r.detail), who)
	case Refused:
		f.refused[who][min(Refusal(r.detail), RefusedBudget)] = true
	case Forbidden:
		f.stranger[who] = f.stranger[who] || r.detail == 1
	case Connected:
		if paths := wire.OutcomePaths(); int(r.detail) < len(paths) {
			f.path[who] = paths[r.detail]
		}
	case Failed:
		ice, _, dtls := states(r.detail)
		f.failed = true
		f.noDTLS = f.noDTLS || (ice == "connected" || ice == "completed") && dtls != "new"
	case Lost:
		f.lost = true
	default:
	}
}

func (f *facts) has(t CandidateType, who uint8) {
	switch t {
	case Relay:
		f.relay[who] = true
	case Srflx:
		f.srflx[who] = true
	default:
	}
}

// judge says what became of a room; ended: that it is over, or what would be said
// if it were.
func judge(records []record, ended bool) wire.Verdict {
	f := gather(records)
	path := f.connected()
	switch {
	case path != "" && f.lost:
		return wire.VerdictLost
	case !ended:
		return wire.VerdictOpen
	case path != "":
		return path
	case f.failed:
		return f.failure()
	default:
		return f.unconnected()
	}
}

// connected is the path of the two, empty if neither has reported one. Each knows
// how he comes to his own relay, and not how the other one comes to his: the one
// that is harder to come by is the path.
func (f *facts) connected() (path wire.Verdict) {
	for _, possible := range wire.OutcomePaths() {
		if f.path[1] == possible || f.path[2] == possible {
			path = possible
		}
	}
	return path
}

// failure is why two who have tried could not be connected: what one of them was
// refused comes before what he lacks, for that is why he lacks it.
func (f *facts) failure() wire.Verdict {
	if f.isOffered && !f.isAnswered {
		return wire.VerdictNoAnswer
	}
	if f.noDTLS {
		return wire.VerdictNoData
	}
	for _, why := range []struct {
		verdict  wire.Verdict
		refusals []Refusal
	}{
		{wire.VerdictBudget, []Refusal{RefusedBudget}},
		{wire.VerdictQuota, []Refusal{RefusedQuota, RefusedPorts}},
		{wire.VerdictCredential, []Refusal{RefusedExpired, RefusedWrong}},
	} {
		for _, refusal := range why.refusals {
			if f.lacks(1, refusal) || f.lacks(2, refusal) {
				return why.verdict
			}
		}
	}
	switch a, b := f.relay[1], f.relay[2]; {
	case a && b:
		return wire.VerdictNoPath
	case a && f.srflx[2] && f.stranger[1], b && f.srflx[1] && f.stranger[2]:
		return wire.VerdictForbidden
	default:
		return wire.VerdictNoRelay
	}
}

// lacks tells whether somebody has no relayed address because he was refused one.
func (f *facts) lacks(who int, refusal Refusal) bool { return !f.relay[who] && f.refused[who][refusal] }

// unconnected is what is said of a room of which nobody has said that it was
// connected, or failed.
func (f *facts) unconnected() wire.Verdict {
	leaver := f.left[1] || f.left[2]
	waited := time.Duration(f.leftAt-f.offered) * time.Millisecond
	switch {
	case f.absent:
		return wire.VerdictPartnerAbsent
	case !f.seated[1] || !f.seated[2]:
		if leaver {
			return wire.VerdictPartnerLeft
		}
		return wire.VerdictPartnerAbsent
	case f.isOffered && !f.isAnswered && leaver && waited >= noAnswerAfter:
		return wire.VerdictNoAnswer
	case leaver && (!f.isOffered || !f.isAnswered || f.reports[1] && f.reports[2]):
		return wire.VerdictPartnerLeft
	default:
		return wire.VerdictUnknown
	}
}

// sentence says a verdict to an operator.
func sentence(v wire.Verdict) string {
	switch v {
	case wire.VerdictDirect:
		return "Connected directly, with no server in between."
	case wire.VerdictRelayUDP:
		return "Connected over the relay, by UDP."
	case wire.VerdictRelayTCP:
		return "Connected over the relay, by TCP: UDP is blocked on one side."
	case wire.VerdictRelayTLS:
		return "Connected over the relay, by TLS: UDP is blocked on one side."
	case wire.VerdictLost:
		return "They were connected, and the network of one was lost in the middle."
	case wire.VerdictPartnerAbsent:
		return "The second one never came into the room."
	case wire.VerdictPartnerLeft:
		return "One of them left before they were connected."
	case wire.VerdictNoAnswer:
		return "An offer was made and never answered: the other one's program stopped on the way."
	case wire.VerdictNoRelay:
		return "One of them has no relayed address, and no direct path works: the relay cannot be reached from there, neither by UDP nor by TCP."
	case wire.VerdictCredential:
		return "The relay refused a credential: it has expired, or the secrets of two servers differ."
	case wire.VerdictQuota:
		return "The relay had no allocation or no port left: see TURN_MAX_ALLOCATIONS, its limits per user and address, and TURN_RELAY_PORTS."
	case wire.VerdictBudget:
		return "What the relay may carry this month was spent: TURN_MONTHLY_BUDGET."
	case wire.VerdictForbidden:
		return "The relay refused to send to the other one's address: it knows him by another one, or it is private."
	case wire.VerdictNoData:
		return "A path was found, but DTLS got nothing through it: large packets may be dropped on the way."
	case wire.VerdictNoPath:
		return "Both had relayed addresses, and nothing got through: the relay's ports may be blocked by a firewall."
	case wire.VerdictOpen:
		return "The room is still in use."
	default:
		return "Nobody said what became of it: clients of other programs do not."
	}
}
