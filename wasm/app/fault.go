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
		return "nopath"
	case errors.As(err, &refused):
		return reasonOf(refused)
	default:
		return "unreachable"
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
