package signal

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// registration is all that Ayame's clients put into register; null counts as
// left out. What is not in wire.Register is for the webhook only.
type registration struct {
	wire.Register
	Key           *string         `json:"key,omitempty"` // the old name of SignalingKey, which wins
	SignalingKey  *string         `json:"signalingKey,omitempty"`
	AuthnMetadata json.RawMessage `json:"authnMetadata,omitempty"` // any JSON
	AyameClient   *string         `json:"ayameClient,omitempty"`
	Libwebrtc     *string         `json:"libwebrtc,omitempty"`
	Environment   *string         `json:"environment,omitempty"`
	Standalone    bool            `json:"standalone,omitempty"` // it needs us only until the two are connected
}

// acceptance is an accept with what the webhook says of the client.
type acceptance struct {
	wire.Accept
	AuthzMetadata json.RawMessage `json:"authzMetadata,omitempty"`
}

// errRegister is what is wrong with a registration.
var errRegister = errors.New("a register message has a roomId of 1 to 128 bytes and an id and a token of at most as many")

// parseRegister reads a register message.
func parseRegister(text []byte) (registration, error) {
	var reg registration
	if err := json.Unmarshal(text, &reg); err != nil {
		return registration{}, err
	}
	if reg.RoomID == "" || len(reg.RoomID) > wire.MaxRoomIDBytes || len(reg.ClientID) > wire.MaxClientIDBytes || len(reg.ResumeToken) > wire.MaxTokenBytes {
		return registration{}, errRegister
	}
	if reg.SignalingKey == nil {
		reg.SignalingKey = reg.Key
	}
	reg.Key = nil
	if string(reg.AuthnMetadata) == "null" {
		reg.AuthnMetadata = nil
	}
	return reg, nil
}

// attempt is the Attempt, as far as it counts: nobody dials that often.
func (reg *registration) attempt() uint16 { return uint16(min(max(reg.Attempt, 0), math.MaxUint16)) }

// claim is what the rooms remember of a registration.
func (reg *registration) claim() claim {
	connection := ulid.MustNew(ulid.Now(), rand.Reader).String() // which never fails
	c := claim{
		visit:      visit{RoomID: reg.RoomID, ClientID: reg.ClientID, ConnectionID: connection},
		said:       reg.ClientID,
		attempt:    reg.attempt(),
		refresh:    slices.Contains(reg.Ext, wire.ExtRefresh),
		resume:     slices.Contains(reg.Ext, wire.ExtResume),
		early:      slices.Contains(reg.Ext, wire.ExtEarly),
		hidden:     slices.Contains(reg.Ext, wire.ExtRelayOnly),
		reports:    slices.Contains(reg.Ext, wire.ExtOutcome),
		standalone: reg.Standalone,
	}
	if c.ClientID == "" {
		c.ClientID = connection
	}
	return c
}

// register is the first message of a client. The order is Ayame's: whether
// the id admits, then what the webhook says, then whether there is a seat.
func (m *member) register(text []byte) {
	if m.registered {
		m.fault(wire.ReasonRegisteredOnce)
		return
	}
	m.rooms.standing.remove(m)
	reg, err := parseRegister(text)
	if err != nil {
		m.fault(wire.ReasonBadJSON)
		return
	}
	for !m.elsewhere(&reg, text) && !m.enter(&reg) {
		continue // Retire has come in between: who keeps the room is asked again
	}
}

// enter seeks a seat in a room of this node; it is not done if the room is not ours
// to make any more.
func (m *member) enter(reg *registration) (done bool) {
	if reg.ResumeToken != "" {
		return m.resume(reg)
	}
	door, ok := m.rooms.admit(reg.RoomID)
	if !ok {
		m.reject(wire.RejectNotFound, wire.RejectNotFound)
		return true
	}
	c := reg.claim()
	m.stay(&c)
	if m.rooms.hooks.authnURL == "" {
		return m.join(door, c, nil)
	}
	return m.ask(door, c, reg)
}

// stay keeps the connection of a client that has registered. One without a
// page's timers is not asked for pongs, as Ayame has it, but is found when it
// is half-open all the same.
func (m *member) stay(c *claim) {
	m.registered, m.standalone, m.hidden, m.reports = true, c.standalone, c.hidden, c.reports
	if c.standalone {
		m.conn.UseControlPings()
	}
	m.conn.Keep()
}

// admission is what lets a client into a room.
type admission struct {
	expires time.Time // until when the id of the room admits; zero: an application has named it
	alias   string    // by which TURN knows the room if an application has named it, and if it is new
}

// admit decides about the id of a room. The id that an application has chosen
// goes no further: credentials are made of names that cannot be chosen.
func (r *Rooms) admit(roomID string) (door admission, ok bool) {
	expires, err := r.cfg.Admit(roomID)
	switch {
	case err == nil:
		return admission{expires: expires}, true
	case r.cfg.OpenRoom != nil:
		return admission{alias: r.cfg.OpenRoom()}, true
	default:
		return admission{}, false
	}
}

// join takes a seat for a client that may have one; it is not done if the room is
// not ours to make any more.
func (m *member) join(door admission, c claim, g *grant) (done bool) {
	s, n, verdict := m.rooms.enter(door, m, c, g)
	m.relieve(s, n)
	switch verdict {
	case seated:
		m.rooms.accepted.Add(1)
		m.arrived(s, EventRegistered)
		m.greet(s, wire.Accept{Type: wire.SignalAccept}, s.grant)
	case roomFull:
		m.reject(wire.RejectFull, wire.RejectFull)
	case roomOver:
		m.reject(wire.RejectNotFound, wire.RejectNotFound)
	case overtaken:
		m.conn.Close(wire.CloseNormal, wire.ReasonReplaced)
	case tooLate: // nobody is there to be told
	case notOurs:
		return false
	}
	return true
}

// greet sends accept, then what was kept for the seat, and then introduces
// the two of a full room: nothing that one says can come before the accept of
// the other. Whoever sits on side B came second and makes the offer.
func (m *member) greet(s *seat, a wire.Accept, g *grant) {
	second := s.side == wire.SideB
	a.ConnectionID, a.IsExistClient, a.IsExistUser = s.ConnectionID, second, second
	if s.resume {
		a.ResumeToken = m.rooms.notary.token(s)
	}
	if s.reports && m.rooms.cfg.Verdict != nil {
		a.Ext = []string{wire.ExtOutcome}
	}
	var expires time.Time
	a.ICEServers, expires = m.rooms.iceServers(s, m.rooms.prepare(s, m, a.ResumeToken), g)
	answer := acceptance{Accept: a}
	if g != nil {
		answer.AuthzMetadata = g.authz
	}
	_ = m.conn.SendJSON(&answer) // our own reader learns of an end by itself
	s.connect(m)
	m.rooms.tell(m.rooms.introduce(s, m, refreshAt(time.Now(), expires)))
}

// iceServers is what a seat is given to connect with: of the webhook, if it
// gave any, for as long as that pleases, else minted until a time.
func (r *Rooms) iceServers(s *seat, partner netip.Addr, g *grant) ([]wire.ICEServer, time.Time) {
	switch {
	case g != nil && len(g.iceServers) > 0:
		return g.iceServers, time.Time{}
	case r.cfg.ICEServers == nil:
		return nil, time.Time{}
	default:
		return r.cfg.ICEServers(s.room.alias, s.side, s.hidden, partner)
	}
}
