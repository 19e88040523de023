package admin

import "net/http"

// Node is one process of a fleet, as it says of itself.
type Node struct {
	ID             string   `json:"id"`
	Self           bool     `json:"self"`            // it is the one that answers
	Epoch          string   `json:"epoch,omitempty"` // of this start of it; empty: it is alone
	URL            string   `json:"url,omitempty"`
	Region         string   `json:"region,omitempty"`
	Roles          []string `json:"roles"`
	Version        string   `json:"version"`
	Draining       bool     `json:"draining"`        // it takes no new visitors
	Online         int      `json:"online"`          // visitors
	Waiting        int      `json:"waiting"`         // of those, for a partner
	Allocations    int      `json:"allocations"`     // of its relay
	MaxAllocations int      `json:"max_allocations"` // 0: it relays nothing
	LagMS          int64    `json:"lag_ms"`          // milliseconds since it has told this
}

func (a *API) listNodes(w http.ResponseWriter, _ *http.Request) {
	Reply(w, http.StatusOK, a.cfg.Nodes())
}
