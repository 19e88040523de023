package turnsvc

import (
	"sync/atomic"
	"time"
)

// exhaustedPause is how often at most it is said that the ports have run out.
const exhaustedPause = time.Minute

// A pacer says yes at most once in a while. The zero value is ready.
type pacer struct{ next atomic.Int64 } // when it says yes again, as a time of the meter

// ready reports whether it is time, and if so not again for pause.
func (p *pacer) ready(now, pause time.Duration) bool {
	due := p.next.Load()
	return int64(now) >= due && p.next.CompareAndSwap(due, int64(now+pause))
}

// portsRanOut counts an Allocate that found no port (508: RFC 8656 §7.2) and
// tells the operator, who alone can mend it.
func (s *Server) portsRanOut(family byte, why error) {
	s.count.ports.Add(1)
	if !s.exhausted.ready(s.homes.meter.now(), exhaustedPause) {
		return
	}
	use, name := s.homes.ports(family), "IPv4"
	if family == family6 {
		name = "IPv6"
	}
	s.log.Warn("turn has no relay port left", "family", name, "range", s.cfg.RelayPorts.String(),
		"ports", use.Size, "taken", use.Taken, "why", why.Error(),
		"hint", "widen WASMP2PCHAT_TURN_RELAY_PORTS, and what the firewall and Docker let through: a browser takes a port for every turn: URL")
}
