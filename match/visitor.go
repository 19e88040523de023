package match

import (
	"bytes"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// visitor is one connection to the lobby.
type visitor struct {
	lobby *Lobby
	conn  socket
	pipe  atomic.Pointer[pipe] // set: he is at another process, for which his connection is kept here

	mu sync.Mutex // held by the reader while something is done for him: only who hands him over asks for it too

	// The reader's own.
	heard []byte // what the client said and nobody has looked at yet
	stood bool   // has stood by
	away  bool   // he was handed over
	ended bool   // his connection has

	// Written by the reader before the ticket is offered, read-only after.
	ext    []string  // of his request
	ticket *Ticket   // nil until the request came
	warm   *prepared // nil: he does not prepare

	waits      atomic.Bool   // he counts as one who waits
	through    atomic.Bool   // his request counts as a skip
	alone      atomic.Bool   // his partner has not come: to be offered again
	introduced atomic.Bool   // the last match that he was in was told, or could not be
	told       atomic.Uint64 // the numbers of the last WAITING message

	asker atomic.Pointer[Ticket] // for others than the reader: what the ticket is, or would have been; of its fields only Party

	room   string // that he was told of last; guarded by meetings.mu
	closed bool   // guarded by meetings.mu
}

// Message keeps what the client says until the reader rests or hears more: then
// that and the offer are done in one go, in a rush after those of others.
func (v *visitor) Message(text []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if p := v.pipe.Load(); p != nil {
		p.heard(text)
		return
	}
	v.catchUp()
	v.heard = bytes.Clone(text)
}

// hearFar is Message for what has come from another process.
func (v *visitor) hearFar(text []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.catchUp()
	v.heard = text
}

// catchUp hears what was kept.
func (v *visitor) catchUp() {
	if v.heard != nil {
		v.conn.Aside(v.hear)
	}
}

// hear takes the request, a standby before it, and reports before and after it.
// Whatever else clients say after it does not count.
func (v *visitor) hear() {
	said, err := parse(v.heard)
	v.heard = nil
	switch {
	case v.ticket != nil && (err != nil || said.report == nil):
	case err != nil:
		v.refuse(wire.MatchMessage{Reason: wire.ErrorBadRequest})
	case said.report != nil:
		v.report(*said.report)
	case said.standby:
		v.stand()
	default:
		v.ask(said.request)
	}
}

// ask makes a ticket for the visitor, unless he has to come later.
func (v *visitor) ask(request wire.MatchRequest) {
	v.decide()
	l, now := v.lobby, time.Now()
	party := Party{
		User: request.UserID, Device: request.Device, Addr: v.conn.Addr(),
		Hides: slices.Contains(request.Ext, wire.ExtRelayOnly),
	}
	ticket := &Ticket{Party: party, Tags: request.Tags, Since: now, Visitor: v}
	v.asker.Store(ticket) // who bans him or drains sees him, or he is refused below
	if l.draining.Load() {
		v.refuse(wire.MatchMessage{Reason: wire.ErrorShuttingDown})
		return
	}
	if wait := l.turnstile.offer(party.Addr, now); wait > 0 {
		v.refuse(wire.MatchMessage{Reason: wire.ErrorTooFast, Wait: seconds(wait)})
		return
	}
	verdict := l.cfg.Bans.judge(party, l.turnstile.peoplePerAddr(), now)
	if verdict.ban != "" {
		v.refuse(wire.MatchMessage{Reason: wire.ErrorBanned, Wait: seconds(verdict.until.Sub(now)), Ban: verdict.ban})
		return
	}
	if !v.enter() {
		v.refuse(wire.MatchMessage{Reason: wire.ErrorTooMany})
		return
	}
	v.conn.Keep()
	v.ext = request.Ext
	v.ticket = ticket
	if slices.Contains(request.Ext, wire.ExtWarm) {
		v.warm = new(prepared)
		v.prepare()
	}
	coolUntil := verdict.coolUntil
	if was, moved := l.meetings.wasAlone(party.User); was {
		v.ticket.First = true
		l.others.place(party.User, true)
		if !moved {
			l.reoffers.Add(1)
		}
	} else {
		coolUntil = later(coolUntil, now.Add(l.turnstile.coolDown(party, now)))
	}
	if coolUntil.After(now) {
		v.ticket.NotBefore, v.ticket.Since = coolUntil, coolUntil // a cool-down is no waiting
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// report takes a complaint about the last partner, or the one before. What it
// leads to is the business of Bans; it ends nothing here.
func (v *visitor) report(r wire.Report) {
	counts, known := v.lobby.accuse(r)
	if counts {
		v.lobby.reports.Add(1)
	}
	switch {
	case known:
		v.reportTaken()
	case !v.lobby.others.ask(v, r):
		v.reportUnknown()
	}
}

// enter counts the visitor as one who waits, and tells whether he may.
func (v *visitor) enter() bool {
	if !v.lobby.turnstile.enter(v.conn.Addr()) {
		return false
	}
	v.waits.Store(true)
	v.lobby.visitors.Add(1)
	return true
}

// settle takes back what enter has counted: he has a partner, or has left.
func (v *visitor) settle() {
	if v.waits.CompareAndSwap(true, false) {
		v.lobby.turnstile.leave(v.conn.Addr())
		v.lobby.visitors.Add(-1)
	}
}

// skip counts, once, that he is through with his request.
func (v *visitor) skip() {
	if v.through.CompareAndSwap(false, true) {
		v.lobby.turnstile.skip(v.ticket.Party, time.Now())
	}
}

// Idle offers the ticket when all that the client sent was handled: whoever
// asks and leaves in one breath is not offered, and who was silent is offered
// again when he answers.
func (v *visitor) Idle() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if p := v.pipe.Load(); p != nil {
		p.rested()
	} else if v.heard != nil || v.ticket != nil {
		v.conn.near.Later(v.rest)
	}
}

func (v *visitor) rest() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.away {
		return
	}
	if v.heard != nil {
		v.hear()
	}
	if v.ticket == nil {
		return
	}
	if v.alone.Swap(false) {
		v.again()
	}
	v.lobby.pool.Offer(v.ticket)
}

// again takes a visitor back whose partner has not come: to be offered before
// all others, on the connection that he has.
func (v *visitor) again() {
	if v.lobby.draining.Load() {
		v.lobby.others.move([]string{v.ticket.User})
		v.refuse(wire.MatchMessage{Reason: wire.ErrorShuttingDown})
		return
	}
	v.conn.Keep()
	v.told.Store(0)
	v.introduced.Store(false)
	v.enter()   // he counts, but is not sent away again
	v.prepare() // the room that he had is over
	v.lobby.pool.Return(v.ticket)
	v.lobby.reoffers.Add(1)
}

// Closed takes the ticket back: who has left is matched with nobody.
func (v *visitor) Closed(left bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if p := v.pipe.Load(); p != nil {
		p.gone(left)
		return
	}
	v.ended = true
	v.catchUp()
	v.decide()
	if v.ticket == nil {
		return
	}
	v.lobby.pool.Cancel(v.ticket)
	v.forgo()
	if v.lobby.meetings.part(v) {
		v.lobby.others.place(v.ticket.User, false)
	}
	v.settle()
	v.skip()
}

// Presence implements Visitor.
func (v *visitor) Presence() Presence {
	switch {
	case !v.conn.Quiet():
		return Busy
	case v.conn.silentFor(v.lobby.cfg.silentAfter):
		return Silent
	default:
		return Here
	}
}

// Probe implements Visitor: the answer makes the reader run and rest, and so
// offer the ticket.
func (v *visitor) Probe() { v.conn.Ping() }

// Meet implements Visitor: it tells the client that there is a partner. The
// client closes then.
func (v *visitor) Meet(both Meeting) error {
	l := v.lobby
	defer v.introduced.Store(true)
	if !v.open(both) {
		return wsconn.ErrClosed
	}
	v.settle()
	v.skip()
	l.meetings.note(v, both)
	m := wire.MatchMessage{
		Type: wire.MatchFound, RoomID: both.RoomID, UserID: v.ticket.User, CreatedAt: both.At.UTC(),
		Tags: both.Tags, SignalingURL: l.signalingURL(both), Role: role(both),
	}
	if l.cfg.ICEServers != nil {
		m.ICEServers, m.ExpiresAt = l.cfg.ICEServers(v.wanted(both))
	}
	var space [2 << 10]byte // enough for a name, twelve URLs and two credentials
	if err := v.conn.Send(appendFound(space[:0], &m)); err != nil {
		if both.Side == wire.SideA {
			l.meetings.cancel(both.RoomID) // the other one is told nothing
			if v.warm != nil {
				v.unused(both.RoomName)
			}
		}
		return err
	}
	if both.Side == wire.SideA {
		l.matches.Add(1)
	}
	v.met(both)
	v.conn.EndWithin(partTime)
	return nil
}

// wantsWaiting tells whether the client understands WAITING messages.
func (v *visitor) wantsWaiting() bool {
	request := wire.MatchRequest{Tags: v.ticket.Tags, Ext: v.ext}
	return request.WantsWaiting()
}

// coolingBit marks, among the numbers of a WAITING message, that there was a
// cool-down.
const coolingBit = 1 << 63

// News implements Visitor: it says how many are here and how many wait, to a
// client that asked, when it has changed. Of a cool-down it tells the rest,
// and when it is over; the seconds between the client can count, and those until
// tags matter no more. Who prepares his connection is given what he needs for it.
func (v *visitor) News(waiting int) {
	if !v.wantsWaiting() {
		return
	}
	m := wire.MatchMessage{Type: wire.MatchWaiting, Waiting: max(1, waiting)}
	m.Online = max(m.Waiting, v.lobby.cfg.Online())
	numbers := uint64(m.Online)<<32 | uint64(m.Waiting)
	if rest := time.Until(v.ticket.NotBefore); rest > 0 {
		m.Wait = seconds(rest)
		numbers |= coolingBit
	}
	if len(v.ticket.Tags) > 0 && slices.Contains(v.ext, wire.ExtWaiting) {
		m.Relax = seconds(max(0, time.Until(v.ticket.Since.Add(time.Duration(v.lobby.tagWait.Load())))))
	}
	m.ICEServers, m.ExpiresAt = v.warmUp()
	if v.told.Swap(numbers) != numbers || m.ICEServers != nil {
		v.inform(m)
	}
}

// inform sends a WAITING. Who prepares his connection is sent none after a MATCH,
// unless he is offered again: it would take his room from him.
func (v *visitor) inform(m wire.MatchMessage) {
	post := func() { _ = v.conn.Post(wsconn.JSON(m)) } // its reader learns of an end by itself
	if v.warm == nil {
		post()
	} else {
		v.warm.whileOpen(post)
	}
}

// seconds is how many of them make a wait: never too few.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// End implements Visitor.
func (v *visitor) End(reason string) {
	if reason != wire.MatchTimeout {
		v.refuse(wire.MatchMessage{Reason: reason})
		return
	}
	v.lobby.timeouts.Add(1)
	v.part(wire.MatchMessage{Type: wire.MatchTimeout}, wire.CloseNormal, wire.ReasonTimeout)
}

// refuse says for which reason there is no match, and closes.
func (v *visitor) refuse(m wire.MatchMessage) {
	m.Type = wire.MatchError
	v.lobby.refusals[m.Reason].Add(1)
	code, reason := farewell(m.Reason)
	v.part(m, code, reason)
}

// farewell is how a connection is closed after an ERROR.
func farewell(reason string) (wire.CloseCode, string) {
	switch reason {
	case wire.ErrorTooMany:
		return wire.ClosePolicy, wire.ReasonTooMany
	case wire.ErrorTooFast:
		return wire.ClosePolicy, wire.ReasonTooFast
	case wire.ErrorBanned:
		return wire.ClosePolicy, wire.ReasonBanned
	case wire.ErrorShuttingDown:
		return wire.CloseGoingAway, wire.ReasonShutdown
	default:
		return wire.CloseBadData, wire.ReasonBadJSON
	}
}

// part says a last word and closes.
func (v *visitor) part(m wire.MatchMessage, code wire.CloseCode, reason string) {
	_ = v.conn.Post(wsconn.JSON(m)) // its reader learns of an end by itself
	v.conn.Close(code, reason)
}
