package main

import (
	"errors"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

// refusal is what the server said beside no.
type refusal struct {
	wait time.Duration // before it makes sense to ask again
	ban  string        // the name of the ban
	code string        // of the room, if somebody was found
}

// How long one waits if the server has not said.
const (
	waitAtDoor  = time.Minute
	waitOutside = 24 * time.Hour // the shortest ban
)

// fault is the word for what ended a search.
func fault(err error) string {
	var refused *peer.ServerError
	switch {
	case errors.Is(err, peer.ErrNobody):
		return "nobody"
	case errors.Is(err, peer.ErrPartnerGone):
		return "gone"
	case errors.Is(err, peer.ErrNoPath):
		return endOf(err)
	case errors.As(err, &refused):
		return reasonOf(refused)
	default:
		return "unreachable"
	}
}

// endOf is the word for why two who were found could not be connected, as the
// server has it.
func endOf(err error) string {
	room, ok := errors.AsType[*peer.RoomError](err)
	if !ok {
		return "nopath"
	}
	switch room.Verdict {
	case peer.EndNoRelay:
		return "no_relay"
	case peer.EndCredential:
		return "relay_refused"
	case peer.EndQuota:
		return "relay_full"
	case peer.EndBudget:
		return "relay_spent"
	case peer.EndForbidden:
		return "relay_forbidden"
	case peer.EndNoData:
		return "no_data"
	default: // peer.EndNoPath, or nobody knows
		return "nopath"
	}
}

// adviceOf is the word for what the visitor can do about that; empty: try again.
func adviceOf(why string) string {
	switch why {
	case "nopath", "relay_forbidden":
		return "nopath_more"
	case "no_relay":
		return "no_relay_more"
	case "relay_refused":
		return "relay_refused_more"
	case "relay_full":
		return "relay_full_more"
	case "relay_spent":
		return "relay_spent_more"
	case "no_data":
		return "no_data_more"
	default:
		return ""
	}
}

// reasonOf is the word for why the server refused.
func reasonOf(refused *peer.ServerError) string {
	switch refused.Reason {
	case peer.RefusedBanned:
		return "banned"
	case peer.RefusedTooFast:
		return "too_fast"
	case peer.RefusedTooMany:
		return "too_many"
	}
	return "refused"
}

func refusalOf(err error) refusal {
	if room, ok := errors.AsType[*peer.RoomError](err); ok {
		return refusal{code: room.Code}
	}
	var refused *peer.ServerError
	if !errors.As(err, &refused) {
		return refusal{}
	}
	r := refusal{wait: refused.Wait, ban: cut(plain(refused.Ban), maxTagBytes)}
	if r.wait == 0 {
		r.wait = waitAtDoor
		if refused.Reason == peer.RefusedBanned {
			r.wait = waitOutside
		}
	}
	return r
}
