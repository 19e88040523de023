package redisdb

import "time"

// Bounds of what is logged: a server that comes and goes each second for a day, or
// a cluster whose nodes are missed in turn, must not fill a disk.
const (
	linesAtOnce = 20               // then
	linesEvery  = 30 * time.Second // one
	maxReasons  = 16               // that are told apart while Redis is away
)

// voice decides what is worth a line.
type voice struct {
	said  map[string]bool // reasons, since Redis went
	spent int             // of linesAtOnce
	at    time.Time       // when spent was right
}

// may reports whether there may be one more line now.
func (v *voice) may(now time.Time) bool {
	if v.at.IsZero() {
		v.at = now
	}
	if back := int(now.Sub(v.at) / linesEvery); back > 0 {
		v.spent = max(0, v.spent-back)
		v.at = v.at.Add(time.Duration(back) * linesEvery)
	}
	if v.spent >= linesAtOnce {
		return false
	}
	v.spent++
	return true
}

// up reports whether it is worth a line that Redis is there.
func (v *voice) up(now time.Time) bool {
	v.said = nil
	return v.may(now)
}

// down reports whether a reason is: once for each time that Redis goes.
func (v *voice) down(reason string, now time.Time) bool {
	if v.said[reason] || len(v.said) >= maxReasons || !v.may(now) {
		return false
	}
	if v.said == nil {
		v.said = map[string]bool{}
	}
	v.said[reason] = true
	return true
}
