package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wasmp2pchat/wasmp2pchat/internal/timeline"
	"github.com/wasmp2pchat/wasmp2pchat/match"
)

// adminHandler answers on ADMIN_ADDR: is the process alive, can it serve, what
// has it done, who is banned, what doctor asks, and what happened in a room.
func adminHandler(state *readiness, registry *prometheus.Registry, bans *match.Bans, facts http.Handler, events *timeline.Store, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "alive\n") // the client has gone
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if reason := state.notReady(); reason != "" {
			http.Error(w, reason, http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, strings.Join(append([]string{"ready"}, state.warnings()...), "\nwarning: ")+"\n") // the client has gone
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("GET /api/doctor", facts)
	mux.HandleFunc("GET /api/bans", func(w http.ResponseWriter, _ *http.Request) { listBans(w, bans) })
	mux.HandleFunc("DELETE /api/bans/{name}", func(w http.ResponseWriter, r *http.Request) { liftBan(w, r.PathValue("name"), bans, log) })
	mux.Handle("GET /api/rooms/{id}/timeline", timeline.Handler(events))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

func listBans(w http.ResponseWriter, bans *match.Bans) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(bans.List()) // the client has gone
}

// liftBan ends a ban that somebody has appealed against.
func liftBan(w http.ResponseWriter, name string, bans *match.Bans, log *slog.Logger) {
	found, err := bans.Lift(name)
	switch {
	case !found:
		http.Error(w, "no such ban", http.StatusNotFound)
	case err != nil: // it was logged too, when the disk became full
		http.Error(w, "lifted, but it could not be written down: "+err.Error(), http.StatusInternalServerError)
	default:
		log.Info("ban lifted", "ban", name)
		w.WriteHeader(http.StatusNoContent)
	}
}
