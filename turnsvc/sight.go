package turnsvc

import (
	"net"
	"net/netip"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// Sight is what Config.Saw is told of a request.
type Sight struct {
	TransactionID [stun.TransactionIDSize]byte
	Local         net.Addr       // the socket or connection by which it came
	Client        netip.AddrPort // as the socket sees it, or a trusted proxy says
	Answered      bool           // the answer leaves now; else it has just come
	Code          int            // of an error answer; 0: a success
}

// Transport is "udp" or "tcp"; TLS counts as TCP, and DTLS as UDP.
func (s *Sight) Transport() string { return s.Local.Network() }

// At is Local as an address.
func (s *Sight) At() netip.AddrPort { return gate.AddrPort(s.Local) }

// saw tells who wants to know.
func (d *door) saw(r *request, answered bool, code stun.ErrorCode) {
	if d.srv.cfg.Saw == nil {
		return
	}
	d.srv.cfg.Saw(Sight{TransactionID: r.TransactionID, Local: d.LocalAddr(), Client: r.client, Answered: answered, Code: int(code)})
}

// Entrance is a port at which clients can come in, whether they are told or not.
type Entrance struct {
	Transport string // "udp", "tcp" or "tls"
	Port      uint16 // where clients find it: with a proxy before it, that of the proxy
}

// Entrances are all that listen.
func (s *Server) Entrances() []Entrance {
	var list []Entrance
	for _, e := range s.entrances() {
		list = append(list, Entrance{e.transport, e.port})
	}
	return list
}
