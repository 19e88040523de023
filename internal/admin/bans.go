package admin

import (
	"cmp"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Ban keeps a device or an address out.
type Ban struct {
	Name     string         `json:"name"`
	Kind     string         `json:"kind"`    // device or address
	Reasons  map[string]int `json:"reasons"` // of the reports that led to it
	Operator bool           `json:"operator,omitempty"`
	Reason   string         `json:"reason,omitempty"` // that the operator gave
	Since    time.Time      `json:"since"`
	Until    time.Time      `json:"until"`
}

// Sentence says whom to ban: an address, or a side of a room.
type Sentence struct {
	Addr   netip.Addr    // not valid: that of the side
	Room   string        // empty: it is the address
	Side   string        // a or b
	Kind   string        // of a side: device, address or, empty, both
	For    time.Duration // 0: as long as usual
	Reason string        // for the operator
}

// Banned is what came of it.
type Banned struct {
	Bans        []Ban `json:"bans"`
	Rooms       int   `json:"rooms"`       // that ended
	Allocations int   `json:"allocations"` // that ended, beside those of the rooms
}

// BanRequest is the body of POST /api/bans.
type BanRequest struct {
	Address string `json:"address,omitempty"` // 203.0.113.7, 2001:db8::7 or 2001:db8::/64
	Room    string `json:"room,omitempty"`
	Side    string `json:"side,omitempty"`
	Kind    string `json:"kind,omitempty"`
	For     string `json:"for,omitempty"` // as time.ParseDuration has it: 24h
	Reason  string `json:"reason,omitempty"`
}

// sentence is what a request means; an error says what is wrong with it.
func (b BanRequest) sentence() (s Sentence, err error) {
	s = Sentence{Room: b.Room, Side: b.Side, Kind: b.Kind, Reason: b.Reason}
	if b.For != "" {
		if s.For, err = time.ParseDuration(b.For); err != nil || s.For <= 0 {
			return s, Refuse(http.StatusBadRequest, "for: want a duration such as 24h")
		}
	}
	byAddress := b.Address != ""
	switch {
	case byAddress == (b.Room != ""):
		return s, Refuse(http.StatusBadRequest, "want an address, or a room and a side of it")
	case byAddress && (b.Side != "" || b.Kind != ""):
		return s, Refuse(http.StatusBadRequest, "side and kind go with a room")
	case byAddress:
		s.Addr, err = parseBanned(b.Address)
		return s, err
	case b.Side != "a" && b.Side != "b":
		return s, Refuse(http.StatusBadRequest, "side: want a or b")
	case b.Kind != "" && b.Kind != "device" && b.Kind != "address":
		return s, Refuse(http.StatusBadRequest, "kind: want device or address, or nothing for both")
	}
	return s, nil
}

// householdBits is what of an IPv6 address is one household's (RFC 6177 §2).
const householdBits = 64

// parseBanned reads an address, or the prefix that a ban by address is about.
func parseBanned(text string) (netip.Addr, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return addr.Unmap(), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Masked() != p || p.Bits() != p.Addr().BitLen() && (p.Addr().Is4() || p.Bits() != householdBits) {
		return netip.Addr{}, Refuse(http.StatusBadRequest, "address: want one such as 203.0.113.7 or 2001:db8::7, or a /64 of IPv6; larger networks are for a firewall")
	}
	return p.Addr().Unmap(), nil
}

// order is where a ban stands in the list: the oldest first.
func (b Ban) order() string { return b.Since.UTC().Format("20060102T150405.000000000Z") + "." + b.Name }

func (a *API) listBans(w http.ResponseWriter, r *http.Request) {
	p, ok := readPage(w, r)
	if !ok {
		return
	}
	list := slices.DeleteFunc(a.cfg.Bans(), func(b Ban) bool { return b.order() <= p.cursor })
	slices.SortFunc(list, func(x, y Ban) int { return cmp.Compare(x.order(), y.order()) })
	more := len(list) > p.limit
	replyPage(w, r, list[:min(len(list), p.limit)], more, Ban.order)
}

func (a *API) ban(w http.ResponseWriter, r *http.Request) {
	var request BanRequest
	if !readBody(w, r, &request) {
		return
	}
	sentence, err := request.sentence()
	if err != nil {
		failWith(w, err)
		return
	}
	banned, err := a.cfg.Ban(sentence)
	for _, b := range banned.Bans {
		a.note("ban "+b.Kind, b.Name)
	}
	switch {
	case err != nil && len(banned.Bans) > 0:
		Fail(w, http.StatusInternalServerError, "banned as "+names(banned.Bans)+", but it could not be written down: "+err.Error())
	case err != nil:
		failWith(w, err)
	default:
		Reply(w, http.StatusCreated, banned)
	}
}

func names(bans []Ban) string {
	list := make([]string, len(bans))
	for i, b := range bans {
		list[i] = b.Name
	}
	return strings.Join(list, ", ")
}

// lift ends a ban that somebody has appealed against.
func (a *API) lift(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	found, err := a.cfg.Lift(name)
	if !found {
		Fail(w, http.StatusNotFound, "no such ban: it may be over")
		return
	}
	a.note("lift ban", name)
	if err != nil { // it was logged too, when the disk became full
		Fail(w, http.StatusInternalServerError, "lifted, but it could not be written down: "+err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
