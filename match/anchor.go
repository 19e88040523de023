package match

import (
	"cmp"
	"time"
)

// What one process tells another of when something happened it tells with the time
// that it is, and the other one takes it for as long ago by its own clock: so it does
// no harm that the wall clock was set since it was read, that the machine has slept,
// or that the two do not have the same.
//
// anchored is a time by a clock that is now at now, and was at then.
func anchored(at, then, now time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return now.Add(at.Sub(then))
}

// leave makes a visitor ready to be told of.
func (h *handed) leave(now time.Time) {
	h.move(now, now) // what counts is how long ago it was
	h.Now = now
}

// land is leave at the other end.
func (h *handed) land(now time.Time) { h.move(cmp.Or(h.Now, now), now) }

func (h *handed) move(then, now time.Time) {
	if h.Meeting != nil {
		h.Meeting.At = anchored(h.Meeting.At, then, now)
	}
	if t := h.Asked; t != nil {
		t.Since, t.NotBefore, t.Renew = anchored(t.Since, then, now), anchored(t.NotBefore, then, now), anchored(t.Renew, then, now)
		t.Standing.Deadline = anchored(t.Standing.Deadline, then, now)
	}
}

// move anchors when it happened, but of a ruling: until when that is good is a time
// of day.
func (i *pastItem) move(then, now time.Time) {
	switch {
	case i.Meeting != nil:
		i.Meeting.At = anchored(i.Meeting.At, then, now)
	case i.Alone != nil:
		i.Alone.At = anchored(i.Alone.At, then, now)
	case i.Level != nil:
		i.Level.At = anchored(i.Level.At, then, now)
	case i.Record != nil:
		i.Record.At = anchored(i.Record.At, then, now).UTC()
	}
}
