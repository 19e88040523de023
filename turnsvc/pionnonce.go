package turnsvc

import (
	"time"

	"github.com/pion/stun/v3"
)

// pionNonce is the nonce that pion wants to see in our orders. Ours to clients
// are better.
type pionNonce struct {
	value string
	asked time.Time
}

// pionNonceAge is when pion is asked for a new one; it takes them for an hour.
const pionNonceAge = 30 * time.Minute

// renew has an order given to pion once more, with the nonce that pion's answer brings:
// it finds that of before too old whenever the wall clock has been set forward, or the
// machine has slept, and the client's is none the worse for it.
func (d *door) renew(o *order, answer *stun.Message) {
	nonce, _ := answer.Get(stun.AttrNonce)
	d.nonce = pionNonce{value: string(nonce), asked: time.Now()}
	d.order, o.renewed = nil, true
	d.endTurn(o)
	if o.ends {
		d.srv.quota.left() // begin counts it again
	}
	if o.ours {
		d.parting = o
	} else {
		d.next = o
	}
}
