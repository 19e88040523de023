package match

import "time"

const (
	tickEvery  = 100 * time.Millisecond // how often Memory looks whose time has come
	wheelSlots = 1024                   // of tickEvery each: a revolution takes 102 s
)

// wheel is a hashed timing wheel: setting and forgetting a ticket's next
// moment costs the same however many wait. What is due later than in one
// revolution is passed over until then.
type wheel struct {
	slots [wheelSlots]list
	at    int64 // the slot of the last turn
	fired list  // due, and not yet taken
}

// set makes t due at a time, which replaces the one before.
func (w *wheel) set(t *Ticket, due time.Duration) {
	t.memory.wheel.leave()
	t.memory.due = due
	slot := max(int64(due/tickEvery), w.at)
	w.slots[slot%wheelSlots].add(&t.memory.wheel, t, false)
}

// turn moves what is due to fired. The slot of now is looked at again next time.
func (w *wheel) turn(now time.Duration) {
	last := int64(now / tickEvery)
	w.at = max(w.at, last-wheelSlots+1)
	for ; ; w.at++ {
		for k := w.slots[w.at%wheelSlots].head; k != nil; {
			next := k.next
			if k.ticket.memory.due <= now {
				k.leave()
				w.fired.add(k, k.ticket, false)
			}
			k = next
		}
		if w.at >= last {
			return
		}
	}
}

// take is a ticket that is due, or nil.
func (w *wheel) take() *Ticket {
	k := w.fired.head
	if k == nil {
		return nil
	}
	k.leave()
	return k.ticket
}
