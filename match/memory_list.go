package match

// list is a doubly linked list of tickets. It allocates nothing: a ticket has
// a link for each list that it can be on.
type list struct{ head, tail *link }

// link is a ticket's place on one list.
type link struct {
	ticket     *Ticket
	on         *list // nil: on none
	next, prev *link
}

// add puts t at the end, or at the head.
func (l *list) add(k *link, t *Ticket, atHead bool) {
	k.ticket, k.on = t, l
	switch {
	case l.head == nil:
		l.head, l.tail = k, k
	case atHead:
		k.next, l.head.prev = l.head, k
		l.head = k
	default:
		k.prev, l.tail.next = l.tail, k
		l.tail = k
	}
}

// insert puts t before those whose order is greater, of which there are few, or none.
func (l *list) insert(k *link, t *Ticket) {
	after := l.tail
	for after != nil && after.ticket.memory.order > t.memory.order {
		after = after.prev
	}
	if after == nil || after == l.tail {
		l.add(k, t, after == nil)
		return
	}
	k.ticket, k.on = t, l
	k.prev, k.next = after, after.next
	after.next.prev = k
	after.next = k
}

// leave takes k off its list, if it is on one.
func (k *link) leave() {
	if k.on == nil {
		return
	}
	if k.prev == nil {
		k.on.head = k.next
	} else {
		k.prev.next = k.next
	}
	if k.next == nil {
		k.on.tail = k.prev
	} else {
		k.next.prev = k.prev
	}
	k.on, k.next, k.prev = nil, nil, nil
}
