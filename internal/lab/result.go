package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Result is what was seen of a pair.
type Result struct {
	Pair   Pair
	Best   Way
	Rounds []Round
}

// Round is one chat.
type Round struct {
	Err     string        // why there was none; empty: there was
	Way     Way           // how the two were connected
	Types   [2]string     // what ICE calls the local candidate of each
	Opened  time.Duration // from START on both sides to the chat, the later of the two
	Lost    [2]int        // messages that did not come: from A, from B
	Doubled [2]int        // messages that came again
	Took    time.Duration // all of it
}

// Account is what one of the two says of a round.
type Account struct {
	Err     string  `json:"error,omitempty"`
	Opened  float64 `json:"opened_ms"`
	Type    string  `json:"type"`            // of the local candidate: host, srflx, prflx or relay
	Remote  string  `json:"remote"`          // of the remote one
	Relay   string  `json:"relay,omitempty"` // how the own relay is reached
	Family  int     `json:"family"`          // of the own leg; 0: not known
	Lost    int     `json:"lost"`            // of the partner's messages
	Doubled int     `json:"doubled"`
}

// together makes one round of what the two say.
func together(said [2]Account, took time.Duration) Round {
	r := Round{Took: took}
	for i, one := range said {
		if one.Err != "" {
			r.Err = strings.TrimPrefix(r.Err+", ", ", ") + fmt.Sprintf("%c: %s", 'A'+rune(i), one.Err)
		}
		r.Types[i] = one.Type
		r.Opened = max(r.Opened, time.Duration(one.Opened*float64(time.Millisecond)))
		r.Lost[1-i], r.Doubled[1-i] = one.Lost, one.Doubled // it counts what the other one sent
		leg := Leg{By: "udp", Family: one.Family}
		if one.Type == "relay" {
			r.Way.Relays++
			leg.By = one.Relay
		}
		r.Way.Legs[i] = leg
	}
	if r.Err != "" {
		r.Way = Way{}
	}
	return r
}

// Fault says what is wrong with a round; empty if nothing is. A better way than theory
// has is luck: a symmetric NAT takes one of 40,000 ports by chance, dozens of times, and
// now and then it is one that the other side has sent to.
func (r Round) Fault(best Way) string {
	switch lost, doubled := r.Lost[0]+r.Lost[1], r.Doubled[0]+r.Doubled[1]; {
	case r.Err != "":
		return r.Err
	case lost > 0 || doubled > 0:
		return fmt.Sprintf("%d messages lost, %d doubled", lost, doubled)
	case r.Way.Relays > best.Relays:
		return fmt.Sprintf("%v, where %v is possible", r.Way, best)
	case r.Way.Relays < best.Relays:
		return "" // luck
	}
	for i, leg := range r.Way.Legs {
		if want := best.Legs[i]; leg.By != want.By || want.Family != 0 && leg.Family != 0 && leg.Family != want.Family {
			return fmt.Sprintf("%v, where %v is possible", r.Way, best)
		}
	}
	return ""
}

// Good counts the rounds in which everything was right.
func (r Result) Good() int {
	good := 0
	for _, round := range r.Rounds {
		if round.Fault(r.Best) == "" {
			good++
		}
	}
	return good
}

// OK tells whether all were right, there was one, and theory was, too.
func (r Result) OK() bool {
	return len(r.Rounds) > 0 && r.Good() == len(r.Rounds) && !r.RefutesTheory()
}

// RefutesTheory tells whether the way was better every time, of several: so much luck
// nobody has.
func (r Result) RefutesTheory() bool {
	for _, round := range r.Rounds {
		if round.Err != "" || round.Way.Relays >= r.Best.Relays {
			return false
		}
	}
	return len(r.Rounds) > 1
}

// P50 is the median time to open, of the rounds that opened; 0 if none did.
func (r Result) P50() time.Duration {
	var list []time.Duration
	for _, round := range r.Rounds {
		if round.Err == "" {
			list = append(list, round.Opened)
		}
	}
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[(len(list)-1)/2]
}

// Messages sums up what was lost and doubled.
func (r Result) Messages() (lost, doubled [2]int) {
	for _, round := range r.Rounds {
		for i := range lost {
			lost[i] += round.Lost[i]
			doubled[i] += round.Doubled[i]
		}
	}
	return lost, doubled
}

// Seen is how the two were connected, and what ICE calls the ends, each different
// one once, in the order of the rounds.
func (r Result) Seen() (ways, types string) {
	var w, t []string
	for _, round := range r.Rounds {
		way, pair := round.Way.String(), round.Types[0]+"–"+round.Types[1]
		if round.Err != "" {
			way, pair = "none", "–"
		}
		if !slices.Contains(w, way) {
			w = append(w, way)
		}
		if !slices.Contains(t, pair) {
			t = append(t, pair)
		}
	}
	return strings.Join(w, ", "), strings.Join(t, ", ")
}
