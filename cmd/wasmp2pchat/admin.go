package main

import (
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
)

// adminHandler answers on ADMIN_ADDR: is the process alive, can it serve, what
// has it done, and the admin API. The first two are for everybody who can come there.
func adminHandler(state *readiness, more map[string]http.Handler, cfg admin.Config) *admin.API {
	api := admin.New(cfg)
	api.HandleOpen("GET /healthz", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "alive\n") // the client has gone
	}))
	api.HandleOpen("GET /readyz", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if reason := state.notReady(); reason != "" {
			http.Error(w, reason, http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, strings.Join(append([]string{"ready"}, state.warnings()...), "\nwarning: ")+"\n") // the client has gone
	}))
	for pattern, handler := range more {
		api.Handle(pattern, handler)
	}
	api.Handle("GET /debug/pprof/", http.HandlerFunc(pprof.Index))
	api.Handle("GET /debug/pprof/profile", http.HandlerFunc(pprof.Profile))
	api.Handle("GET /debug/pprof/symbol", http.HandlerFunc(pprof.Symbol))
	api.Handle("GET /debug/pprof/trace", http.HandlerFunc(pprof.Trace))
	return api
}

// insights is what else answers on ADMIN_ADDR, by pattern: what this server has
// done, what doctor asks, and what happened in a room.
func insights(registry *prometheus.Registry, facts http.Handler, events chronicle) map[string]http.Handler {
	return map[string]http.Handler{
		"GET /metrics":                 promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		"GET /api/doctor":              facts,
		"GET /api/rooms/{id}/timeline": events.history(),
	}
}

// isLoopback reports whether only this machine can come to an address, or nobody.
func isLoopback(addr listenAddr) bool {
	host, _, err := net.SplitHostPort(string(addr))
	if err != nil {
		return true // off
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// adminHosts are the names that ADMIN_ADDR itself has.
func adminHosts(cfg *config) []string {
	host, _, err := net.SplitHostPort(string(cfg.AdminAddr))
	if err != nil || host == "" {
		return nil
	}
	return []string{strings.ToLower(host)}
}
