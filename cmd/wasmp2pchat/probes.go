package main

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/witness"
	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// How often one address (/64 for IPv6) may have the server watch its requests.
const (
	probesPerSecond = 6.0 / 60
	probesAtOnce    = 6
)

// watch tells the witness what the relay sees.
func watch(seen *witness.Witness) func(turnsvc.Sight) {
	return func(s turnsvc.Sight) {
		if seen.Idle() {
			return
		}
		seen.Saw(s.TransactionID, witness.Sighting{
			Transport: s.Transport(), Local: s.At(), From: s.Client, Answered: s.Answered, Code: s.Code,
		})
	}
}

// probes answers `wasmp2pchat doctor`, which looks for what is wrong between two
// machines: POST asks the server to watch for its requests, and GET what it saw.
func probes(cfg *config, seen *witness.Witness, relay *turnsvc.Server) http.Handler {
	limits := wsconn.Limits{TrustedProxies: cfg.TrustedProxies}
	if countsAddresses(cfg) {
		limits.RatePerAddr, limits.Burst = probesPerSecond, probesAtOnce
	}
	open := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { openProbe(w, r, cfg, seen, relay) })
	mux := http.NewServeMux()
	mux.Handle("POST /doctor/probes", wsconn.NewGuard(limits).Wrap(open))
	mux.HandleFunc("GET /doctor/probes/{id}", func(w http.ResponseWriter, r *http.Request) {
		list, known := seen.Seen(r.PathValue("id"), time.Now())
		if !known {
			http.Error(w, "no such probe, or no longer", http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(witness.Account{Seen: list}) // the client has gone
	})
	return private(sameOrigin(mux))
}

func openProbe(w http.ResponseWriter, r *http.Request, cfg *config, seen *witness.Witness, relay *turnsvc.Server) {
	now := time.Now()
	probe, err := seen.Open(now)
	if err != nil {
		w.Header().Set("Retry-After", "60")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	welcome := witness.Welcome{
		ID: probe.ID, Prefix: hex.EncodeToString(probe.Prefix[:]), ExpiresIn: int(witness.TTL / time.Second), Now: now,
		From: wsconn.ClientAddr(r, cfg.TrustedProxies), Relay: [2]uint16{cfg.TURN.RelayPorts.Min, cfg.TURN.RelayPorts.Max},
	}
	for _, e := range relay.Entrances() {
		switch e.Transport {
		case "udp":
			welcome.UDP = append(welcome.UDP, e.Port)
		case "tcp":
			welcome.TCP = append(welcome.TCP, e.Port)
		default:
			welcome.TLS = append(welcome.TLS, e.Port)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(welcome) // the client has gone
}
