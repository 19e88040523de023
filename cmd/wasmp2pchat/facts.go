package main

import (
	"net/http"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"

	"github.com/wasmp2pchat/wasmp2pchat/internal/doctor"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// facts answers on ADMIN_ADDR what `wasmp2pchat doctor` asks on the machine of the
// server: what the server knows of itself, and nobody else needs to know.
func facts(cfg *config, state *readiness, front *front, relay *turnsvc.Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		share, stats := shareDescriptors(cfg.TURN.MaxAllocations), relay.Stats()
		wanted, receive, send := gate.Buffers(r.Context())
		f := doctor.Facts{
			Version: buildVersion(), Now: time.Now(), NotReady: state.notReady(), Warnings: state.warnings(), PublicIPs: front.publicIPs(),
			Descriptors: doctor.Descriptors{
				Limit: descriptorLimit(), WebSockets: share.webSockets, Allocations: share.allocations, Wanted: cfg.TURN.MaxAllocations,
			},
			Ports:     doctor.Ports{First: cfg.TURN.RelayPorts.Min, Last: cfg.TURN.RelayPorts.Max, Taken: max(stats.PortsIPv4.Taken, stats.PortsIPv6.Taken), Refused: stats.RefusedPorts},
			Buffers:   doctor.Buffers{Wanted: wanted, Receive: receive, Send: send},
			DataPlane: doctor.DataPlane{Asked: cfg.TURN.DataPlane.String(), Taken: plane(stats).String()},
		}
		for _, reached := range relay.Reach(r.Context()) {
			f.URLs = append(f.URLs, doctor.OwnURL{URL: reached.URL, OK: reached.OK, Reason: reached.Reason})
		}
		admin.Reply(w, http.StatusOK, f)
	})
}

// plane is the best one at work.
func plane(stats turnsvc.Stats) turnsvc.DataPlane {
	best := turnsvc.PlanePion
	for each := range stats.Carried {
		best = min(best, each)
	}
	return best
}
