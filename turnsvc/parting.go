package turnsvc

import (
	"net"

	"github.com/pion/stun/v3"
)

// pion forgets an allocation when its time is over, when its client gives it back,
// or when its goroutine that reads from the relay meets an error, which it never does
// (relay.ReadFrom). So an allocation that is closed for another reason, such as the end
// of its room, takes leave as if its client had given it back: with a Refresh whose
// LIFETIME is 0 (RFC 8656 §8.2), in an order of ours.
//
//	grant.close ─▶ relay.Close ─▶ part ─▶ coming ─▶ give ─▶ pion ─▶ deleted
//
// That its relay is closed, and that nothing can be done with it any more, is so
// after the second step. What then is left is memory, so nobody is woken for it: the
// order goes before the next one of the door, which may be an Allocate of the same
// client. Where none comes, the time of the allocation passes.

// partingKey signs such orders, which do not leave the process.
const partingKey = "parting"

// part lets pion forget an allocation that was closed.
func (d *door) part(g *grant) {
	d.mu.Lock()
	d.parted[g.id] = g
	held := d.held[g.client] == g
	if held {
		delete(d.held, g.client)
	}
	d.mu.Unlock()
	if held {
		d.freed(g.client)
	}
}

// coming is the order that comes now; nil if there is none.
func (d *door) coming() *order {
	if d.parting == nil {
		d.parting = d.takeLeave()
	}
	if d.parting != nil {
		return d.parting
	}
	return d.next
}

// took notes that an order is coming no more.
func (d *door) took(o *order) {
	if o == d.parting {
		d.parting = nil
	} else {
		d.next = nil
	}
}

// takeLeave is the order to forget one of those that have parted, or nil.
func (d *door) takeLeave() *order {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, g := range d.parted {
		delete(d.parted, id)
		return &order{
			request: &request{
				Message: &stun.Message{TransactionID: stun.NewTransactionID(), Type: stun.NewType(stun.MethodRefresh, stun.ClassRequest)},
				client:  g.client, from: net.UDPAddrFromAddrPort(g.client),
			},
			user: &user{key: []byte(partingKey)}, grant: g, attrs: []stun.Setter{seconds(0)}, ends: true, ours: true,
		}
	}
	return nil
}
