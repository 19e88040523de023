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
	role   role          // that the match has given us; empty before there is one
	ready  chan struct{} // closed when the fields below are settled
	conn   *connection   // nil if it cannot be made
	offer  string        // empty if we answer
	pooled bool
}

// prepare gets ready for a partner who has not been found yet or, with a role,
// has just been found. It does not wait. It owns the blank, which may be nil.
func prepare(cfg Config, search Search, servers []wire.ICEServer, blank *blank, role role) *prepared {
	p := &prepared{cfg: cfg, search: search, role: role, ready: make(chan struct{})}
	go p.gather(servers, blank) // take and close wait for it
	return p
}

// gather has a connection look for candidates.
func (p *prepared) gather(servers []wire.ICEServer, blank *blank) {
	defer close(p.ready)
	pool := p.role != roleAnswer // Chromium fills one for an answer too, and then gathers anew
	conn := blank.take()
	if conn != nil && !conn.adapt(p.search, servers, pool) {
		conn.close()
		conn = nil
	}
	var err error
	if conn == nil {
		conn, err = newConnection(p.cfg, p.search, servers, openBoth, pool, make(chan struct{}, 1))
	}
	if err != nil {
		return // whoever needs a connection will hear why
	}
	p.pooled, conn.stale = conn.pooled(), p.role == ""
	if p.role == roleAnswer {
		p.conn = conn
		return
	}
	offer, err := conn.offer()
	if err == nil && !p.pooled {
		err = conn.pc.SetLocalDescription(offer)
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
	if p.conn != nil && p.offer != "" && role != roleOffer && !p.pooled {
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

// blank is a connection that knows no server yet and looks for nothing: what
// takes time to make (in a browser 5 to 30 ms, and a key for DTLS), before
// anybody needs it. A nil one is none.
type blank struct {
	made chan struct{} // closed when conn is settled
	conn *connection   // nil if it cannot be made
}

// newBlank makes a blank, soon; nil where that is of no use.
func newBlank(cfg Config) *blank {
	if !blanksHelp {
		return nil
	}
	b := &blank{made: make(chan struct{})}
	go b.make(cfg) // take waits for it
	return b
}

func (b *blank) make(cfg Config) {
	defer close(b.made)
	b.conn, _ = newConnection(cfg, Search{}, nil, openBoth, false, make(chan struct{}, 1)) // whoever needs one will hear why there is none
}

// take gives the connection to who needs it now; nil if there is none.
func (b *blank) take() *connection {
	if b == nil {
		return nil
	}
	<-b.made
	return b.conn
}

// close gives it up.
func (b *blank) close() {
	if conn := b.take(); conn != nil {
		conn.close()
	}
}
