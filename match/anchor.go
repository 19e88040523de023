package match

import "time"

// anchored is a time of day as it would have been read had the wall clock always been
// what it is now. What one process tells another of is told so, for they share the
// wall clock only, which may have been set since it was read, or the machine has
// slept. The heir does the same with what it is told: so it knows from then on how
// long ago that is, whoever sets the clock.
func anchored(at, now time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return now.Add(at.Sub(now))
}

// anchor anchors all that was told of a visitor.
func (h *handed) anchor(now time.Time) {
	if h.Meeting != nil {
		h.Meeting.At = anchored(h.Meeting.At, now)
	}
	if t := h.Asked; t != nil {
		t.Since, t.NotBefore, t.Renew = anchored(t.Since, now), anchored(t.NotBefore, now), anchored(t.Renew, now)
		t.Standing.Deadline = anchored(t.Standing.Deadline, now)
	}
}

// anchor anchors when it happened, but of a ruling: until when that is good is a time
// of day.
func (i *pastItem) anchor(now time.Time) {
	switch {
	case i.Meeting != nil:
		i.Meeting.At = anchored(i.Meeting.At, now)
	case i.Alone != nil:
		i.Alone.At = anchored(i.Alone.At, now)
	case i.Level != nil:
		i.Level.At = anchored(i.Level.At, now)
	case i.Record != nil:
		i.Record.At = anchored(i.Record.At, now).UTC()
	}
}
