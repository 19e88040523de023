package signal

import (
	"context"
	"sync"
)

// gone reports that a stay has ended, some time soon: it never waits. Those
// who never registered have no name, and are not reported.
func (h *webhooks) gone(stay visit) {
	if h.stays == nil || stay == (visit{}) {
		return
	}
	select {
	case h.stays <- stay:
	default:
		h.dropped.Add(1)
	}
}

// report calls the disconnect webhook for each stay, until there are no more
// to come and all were reported, or ctx ends.
func (h *webhooks) report(ctx context.Context) {
	if h.stays == nil {
		return
	}
	var workers sync.WaitGroup
	for range goneWorkers {
		workers.Go(func() {
			for stay := range h.stays {
				if ctx.Err() != nil {
					h.dropped.Add(1)
				} else if _, err := h.post(ctx, h.goneURL, stay); err != nil {
					h.fail(err)
				}
			}
		})
	}
	workers.Wait()
}
