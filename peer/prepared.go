package peer

import (
	"github.com/pion/webrtc/v4"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// prepared is a connection that waits for its partner: it has found its
// candidates, and holds relayed addresses, so that nothing is left to do after
// MATCH but offer, answer and checks.
//
// Where candidates can be gathered into a pool, nothing is settled yet, and
// it serves whoever has to answer as well. Elsewhere (Firefox) only an offer
// that is set makes ICE gather, and only who makes the offer can use it.
type prepared struct {
	cfg    Config
	search Search
	ready  chan struct{} // closed when the fields below are settled
	conn   *connection   // nil if it cannot be made
	offer  string
	pooled bool
}

// prepare gets ready for a partner who has not been found yet. It does not
// wait.
func prepare(cfg Config, search Search, servers []wire.ICEServer) *prepared {
	p := &prepared{cfg: cfg, search: search, ready: make(chan struct{})}
	go p.gather(servers) // take and close wait for it
	return p
}

// gather makes the connection and has it look for candidates.
func (p *prepared) gather(servers []wire.ICEServer) {
	defer close(p.ready)
	conn, err := newConnection(p.cfg, p.search, servers, openBoth, true, make(chan struct{}, 1))
	if err != nil {
		return // whoever needs a connection will hear why
	}
	offer, err := conn.offer()
	p.pooled = conn.pooled()
	if err == nil && !p.pooled {
		err = conn.setLocal(offer)
	}
	if err != nil {
		conn.close()
		return
	}
	p.conn, p.offer = conn, offer.SDP
}

// renew takes newer ICE servers, before the credentials of the first end. What
// was allocated with those is kept: the relay goes on refreshing it for them.
func (p *prepared) renew(servers []wire.ICEServer) {
	select {
	case <-p.ready:
		if p.conn != nil {
			p.conn.setServers(p.search, servers)
		}
	default: // it has just begun with servers that are as good
	}
}

// take gives the connection to who makes the first offer, or answers it; nil
// if there is none that he can use. What it holds is his then, or given up.
func (p *prepared) take(role role) *connection {
	<-p.ready
	if p.conn != nil && role != roleOffer && !p.pooled {
		p.close()
		return nil
	}
	return p.conn
}

// firstOffer is the offer that was made ready. It must be set, and told, next.
func (p *prepared) firstOffer() webrtc.SessionDescription {
	return webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: p.offer}
}

// close gives up what was prepared.
func (p *prepared) close() {
	<-p.ready
	if p.conn != nil {
		p.conn.close()
	}
}
