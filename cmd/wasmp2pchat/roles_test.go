package main

import (
	"net/http"
	"strings"
	"testing"
)

// TestWhatARoleAnswers starts processes with each role: what is not theirs is not
// there, and they are ready without it.
func TestWhatARoleAnswers(t *testing.T) {
	t.Parallel()
	needsClient(t)
	paths := map[role]string{roleWeb: "/check/servers", roleMatch: "/matchmaking", roleSignal: "/signaling"}
	for _, roles := range []string{"turn", "web", "match", "signal", "web,match,signal,turn"} {
		t.Run(roles, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, "ROLES="+roles, "REDIS_URL=redis://127.0.0.1:1", "ROOM_SECRET=the room secret of all", "TURN_SECRETS=the turn secret of all")
			page, _ := get(t, s.url+"/")
			if has := strings.Contains(roles, "web"); (page == http.StatusOK) != has {
				t.Errorf("GET / = %d, want the page: %v", page, has)
			}
			for part, path := range paths {
				status, _ := get(t, s.url+path)
				if has := strings.Contains(roles, string(part)); (status != http.StatusNotFound) != has {
					t.Errorf("GET %s = %d, want it to be there: %v", path, status, has)
				}
			}
			for _, path := range []string{"/.ok", "/version"} {
				if status, _ := get(t, s.url+path); status != http.StatusOK {
					t.Errorf("GET %s = %d, want 200 of every process", path, status)
				}
			}
			offers := s.log.line(`"msg":"turn offers"`)
			if has := strings.Contains(roles, "turn"); (offers != "") != has {
				t.Errorf("the relay offers %q, want anything: %v", offers, has)
			}
			s.log.calm(t, "redis is down", "redis cannot be reached", "no public address found")
		})
	}
}

// TestNoRelayNoPorts holds that a firewall opens nothing for a relay that is
// elsewhere.
func TestNoRelayNoPorts(t *testing.T) {
	t.Parallel()
	c, _, err := loadConfig(inFleet("REDIS_URL=redis://r", "ROLES=web,match,signal"))
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range c.ports() {
		if port.Network == "udp" || strings.Contains(port.What, "TURN") {
			t.Errorf("a node without a relay wants port %+v open", port)
		}
	}
}
