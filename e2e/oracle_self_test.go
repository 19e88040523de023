//go:build soak

package e2e

import (
	"testing"
	"time"
)

// history makes what an oracle was told, second by second.
type history struct{ *oracle }

// stay is one of user from one second until another one; 0: he still waits.
func (h history) stay(user string, from, to int, rooms ...string) *stay {
	s := &stay{o: h.oracle, user: user, asked: seconds(from), ended: seconds(to), rooms: rooms}
	h.stays = append(h.stays, s)
	return s
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// meet lets two meet who were told of one room.
func (h history) meet(a, b *stay, at int) {
	a.met, b.met, a.walked, b.bye = seconds(at), seconds(at), seconds(at), seconds(at)
	a.heard, b.heard = []string{b.user}, []string{a.user}
}

// TestOracle holds the oracle itself to histories whose faults are known.
func TestOracle(t *testing.T) {
	for _, c := range []struct {
		name   string
		happen func(h history)
		broken func(v *judgment) int // the count that tells of the fault; nil: all is well
	}{
		{"two meet", func(h history) {
			h.meet(h.stay("a", 1, 2, "r"), h.stay("b", 2, 2, "r"), 2)
		}, nil},
		{"three in a room", func(h history) {
			h.meet(h.stay("a", 1, 2, "r"), h.stay("b", 2, 2, "r"), 2)
			h.stay("c", 2, 2, "r").lost = true
		}, func(v *judgment) int { return v.Double }},
		{"told of two rooms", func(h history) {
			h.meet(h.stay("a", 1, 2, "r", "s"), h.stay("b", 2, 2, "r"), 2)
		}, func(v *judgment) int { return v.Double }},
		{"hears two", func(h history) {
			a := h.stay("a", 1, 2, "r")
			h.meet(a, h.stay("b", 2, 2, "r"), 2)
			a.heard = append(a.heard, "c")
		}, func(v *judgment) int { return v.Double }},
		{"himself, in another tab", func(h history) {
			h.stay("a", 1, 2, "r").lost = true
			h.stay("a", 2, 2, "r").lost = true
		}, func(v *judgment) int { return v.Self }},
		{"the same two again", func(h history) {
			h.meet(h.stay("a", 1, 2, "r"), h.stay("b", 2, 2, "r"), 2)
			h.meet(h.stay("a", 3, 3, "s"), h.stay("b", 3, 3, "s"), 4)
		}, func(v *judgment) int { return v.Again }},
		{"the same two after another one", func(h history) {
			h.meet(h.stay("a", 1, 2, "r"), h.stay("b", 2, 2, "r"), 2)
			h.meet(h.stay("a", 3, 3, "s"), h.stay("c", 3, 3, "s"), 4)
			h.meet(h.stay("b", 3, 3, "t"), h.stay("d", 3, 3, "t"), 4)
			h.meet(h.stay("a", 5, 5, "u"), h.stay("b", 5, 5, "u"), 6)
		}, nil},
		{"one is left over", func(h history) { h.stay("a", 1, 0) }, nil},
		{"two are left over", func(h history) {
			h.stay("a", 1, 0)
			h.stay("b", 2, 0)
		}, func(v *judgment) int { return v.Stranded }},
		{"two tabs of one user are left over", func(h history) {
			h.stay("a", 1, 0)
			h.stay("a", 2, 0)
		}, nil},
		{"two wait side by side, and then meet others", func(h history) {
			h.meet(h.stay("a", 1, 20, "r"), h.stay("c", 20, 20, "r"), 20)
			h.meet(h.stay("b", 2, 20, "s"), h.stay("d", 20, 20, "s"), 20)
		}, func(v *judgment) int { return v.Stranded }},
		{"two wait side by side while there is trouble", func(h history) {
			h.meet(h.stay("a", 1, 20, "r"), h.stay("c", 20, 20, "r"), 20)
			h.meet(h.stay("b", 2, 20, "s"), h.stay("d", 20, 20, "s"), 20)
			h.troubles = []trouble{{seconds(8), seconds(18)}, {seconds(3), seconds(9)}}
		}, nil},
		{"tags keep two apart for a while", func(h history) {
			h.stay("a", 90, 0).tags = []string{"x"}
			h.stay("b", 90, 0).tags = []string{"y"}
		}, nil},
		{"tags bring two together", func(h history) {
			h.stay("a", 90, 0).tags = []string{"x", "y"}
			h.stay("b", 90, 0).tags = []string{"y"}
		}, func(v *judgment) int { return v.Stranded }},
		{"a ghost that is noticed", func(h history) {
			h.stay("b", 1, 2).left = true
			h.stay("a", 1, 2, "r").absent = seconds(12)
		}, nil},
		{"a ghost that is noticed late", func(h history) {
			h.stay("a", 1, 2, "r").absent = seconds(14)
		}, func(v *judgment) int { return v.Eternal }},
		{"a ghost that nobody notices", func(h history) {
			h.stay("a", 1, 2, "r")
		}, func(v *judgment) int { return v.Eternal }},
		{"a ghost in a seat that was held", func(h history) {
			s := h.stay("a", 1, 2, "r")
			s.back, s.absent = seconds(20), seconds(50)
		}, nil},
		{"a ghost in a seat that was held for too long", func(h history) {
			s := h.stay("a", 1, 2, "r")
			s.back, s.absent = seconds(20), seconds(52)
		}, func(v *judgment) int { return v.Eternal }},
		{"nobody says bye", func(h history) {
			a, b := h.stay("a", 1, 2, "r"), h.stay("b", 2, 2, "r")
			h.meet(a, b, 2)
			b.bye = 0
		}, func(v *judgment) int { return v.Alone }},
		{"no seat", func(h history) {
			s := h.stay("a", 1, 2, "r")
			s.lost, s.refused = true, seconds(2)
			s.refused++
		}, func(v *judgment) int { return v.Refused }},
		{"a lost message", func(h history) {
			a, b := h.stay("a", 1, 2, "r"), h.stay("b", 2, 2, "r")
			h.meet(a, b, 9)
			a.repeats = []time.Duration{seconds(5)}
		}, func(v *judgment) int { return v.Lost }},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOracle(seconds(8))
			o.born = time.Now().Add(-seconds(100))
			c.happen(history{o})
			v, want := o.judge(), 0
			if c.broken != nil {
				if want = c.broken(v); want == 0 {
					t.Error("the fault was not seen")
				}
			}
			if got := v.broken(); got != want {
				t.Errorf("%d promises are broken, want the %d of this fault: %v\n%s", got, want, v, v.why())
			}
		})
	}
}
