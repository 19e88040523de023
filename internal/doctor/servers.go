package doctor

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// parseServers reads what /check/servers answers.
func parseServers(text []byte) (a, b []wire.ICEServer) {
	var answer struct{ A, B []wire.ICEServer }
	if json.Unmarshal(text, &answer) != nil {
		return nil, nil
	}
	return answer.A, answer.B
}

// judgeServers is whether visitors are given what they need.
func judgeServers(servers []wire.ICEServer, expires time.Time, s *site, w *watching) Check {
	c := Check{ID: "credentials", Subject: "iceServers", Status: OK}
	list := urls(servers)
	user, _ := credential(servers)
	now := s.date.Add(time.Since(s.asked))
	if w != nil {
		now = w.welcome.Now
	}
	switch {
	case len(list) == 0:
		c.Status = Fail
		c.Seen = "visitors are told of no STUN and no TURN: who cannot connect directly cannot chat"
		c.Fix = "journalctl -u wasmp2pchat | grep withheld   says why: the server tells of no way on which it does not reach itself"
	case user == "":
		c.Status = Warn
		c.Seen, c.Fix = "visitors are told of no TURN", "journalctl -u wasmp2pchat | grep withheld"
	case !expires.IsZero() && !s.date.IsZero() && expires.Before(now):
		c.fail(ClockOff, "the credential had expired before it came", "sudo timedatectl set-ntp true   (on every node)")
	default:
		c.Seen = fmt.Sprintf("%d URLs", len(list))
		if !expires.IsZero() {
			c.Seen += ", good until " + expires.UTC().Format(time.TimeOnly) + " UTC"
		}
	}
	return c
}

// judgeSource is whether the page and STUN see us at the same address: a proxy
// that is not known as one stands before the page, else.
func judgeSource(page netip.Addr, bound []*binding, onHost bool) []Check {
	for _, b := range bound {
		if !b.ok() || !page.IsValid() || b.mapped.Addr().Is4() != page.Is4() {
			continue
		}
		c := Check{ID: "probe", Subject: "where we come from", Status: OK, Seen: page.String()}
		switch {
		case b.mapped.Addr() == page, onHost: // there the two may be asked at different addresses
		case isInner(page) && !isInner(b.mapped.Addr()):
			c.Status = Warn
			c.Seen = fmt.Sprintf("the page sees us at %v, STUN at %v: all visitors count as one, and the relay does not know them", page, b.mapped.Addr())
			c.Fix = setting + "TRUSTED_PROXIES=" + page.String() + "   (the proxy before the page)"
		default:
			c.Seen = fmt.Sprintf("the page sees us at %v, STUN at %v", page, b.mapped.Addr())
		}
		return []Check{c}
	}
	return nil
}
