package signal

import (
	"encoding/json"
	"errors"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// maxOutcomes is how many outcomes are heard of one connection: a path changes
// seldom, and who says more says nothing of use.
const maxOutcomes = 16

// errOutcomeSize is an outcome that is longer than any of ours.
var errOutcomeSize = errors.New("an outcome of more than 1 KiB")

// parseOutcome reads an outcome. What it does not know in it is for later
// versions, and dropped.
func parseOutcome(text []byte) (*wire.Outcome, error) {
	if len(text) > wire.MaxOutcomeBytes {
		return nil, errOutcomeSize
	}
	o := new(wire.Outcome)
	if err := json.Unmarshal(text, o); err != nil {
		return nil, err
	}
	return o, o.Check()
}

// report hears what became of ICE, of a member that has announced it. Who could
// not be connected is told why, as far as is known.
func (m *member) report(text []byte) {
	m.outcomes++
	s := m.seat.Load()
	if s == nil || m.outcomes > maxOutcomes {
		return
	}
	o, err := parseOutcome(text)
	if err != nil {
		m.fault(wire.ReasonBadJSON)
		return
	}
	m.rooms.happened(s, Event{Kind: EventOutcome, Outcome: o})
	if o.State == wire.OutcomeConnected || m.rooms.cfg.Verdict == nil {
		return
	}
	verdict := wire.Judgment{Type: wire.SignalVerdict, Verdict: m.rooms.cfg.Verdict(s.room.alias)}
	_ = m.conn.SendJSON(&verdict) // our own reader learns of an end by itself
}

// why is the verdict of a bye: empty, unless the room has failed.
func (r *Rooms) why(f farewell) wire.Verdict {
	if !f.reports || r.cfg.Verdict == nil {
		return ""
	}
	if v := r.cfg.Verdict(f.room); v.Failed() {
		return v
	}
	return ""
}
