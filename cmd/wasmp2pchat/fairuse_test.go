package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
	"github.com/wasmp2pchat/wasmp2pchat/match"
)

// twoBans is a file of bans, as match writes it: one that holds, one that is over.
const twoBans = `{"format":1,"records":[
	{"mark":"0123456789abcdef0123456789abcdef","at":"2026-11-21T10:00:00Z","kind":"device","times":1,
	 "ban":{"name":"k5xw4ylt","kind":"device","reasons":{"spam":4,"minor":1},"since":"2026-11-21T10:00:00Z","until":"2199-01-01T00:00:00Z"}},
	{"mark":"fedcba9876543210fedcba9876543210","at":"2026-11-21T10:00:00Z","kind":"address","times":1,
	 "ban":{"name":"mfrggzdf","kind":"address","reasons":{"spam":20},"since":"2026-11-20T10:00:00Z","until":"2026-11-21T10:00:00Z"}}]}`

// TestBansAreListedAndLifted asks as an operator does to whom somebody has
// appealed.
func TestBansAreListedAndLifted(t *testing.T) {
	t.Parallel()
	cfg, _, err := loadConfig([]string{prefix + "STATE_DIR=" + t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(cfg.StateDir, "bans.json")
	if err := os.WriteFile(file, []byte(twoBans), 0o600); err != nil {
		t.Fatal(err)
	}
	bans, err := openBans(cfg, "the secret of the rooms", nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	api := adminHandler(new(readiness), nil, admin.Config{
		Token: func() string { return "" }, Bans: func() []admin.Ban { return asBans(bans.List()) }, Lift: bans.Lift,
	})
	ask := func(method, path string) *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
		r.Host = "127.0.0.1:9090"
		api.ServeHTTP(answer, r)
		return answer
	}
	var list []match.Ban
	answer := ask(http.MethodGet, "/api/bans")
	if err := json.Unmarshal(answer.Body.Bytes(), &list); err != nil || len(list) != 1 || list[0].Name != "k5xw4ylt" || list[0].Kind != match.BanDevice || list[0].Reasons["spam"] != 4 {
		t.Errorf("GET /api/bans = %s (%v), want the one that holds", answer.Body, err)
	}
	for _, step := range []struct {
		path string
		want int
	}{
		{"/api/bans/nobody", http.StatusNotFound},
		{"/api/bans/mfrggzdf", http.StatusNotFound}, // it is over
		{"/api/bans/k5xw4ylt", http.StatusNoContent},
		{"/api/bans/k5xw4ylt", http.StatusNotFound},
	} {
		if answer := ask(http.MethodDelete, step.path); answer.Code != step.want {
			t.Errorf("DELETE %s = %d %s, want %d", step.path, answer.Code, answer.Body, step.want)
		}
	}
	if answer := ask(http.MethodGet, "/api/bans"); strings.TrimSpace(answer.Body.String()) != "[]" {
		t.Errorf("GET /api/bans = %s, want an empty list", answer.Body)
	}
	if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), "k5xw4ylt") {
		t.Errorf("the file holds %s (%v), want the ban gone", text, err)
	}
}

func TestADamagedFileOfBansStopsTheStart(t *testing.T) {
	t.Parallel()
	cfg, _, err := loadConfig([]string{prefix + "STATE_DIR=" + t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(cfg.StateDir, "bans.json")
	if err := os.WriteFile(file, []byte(twoBans[:100]), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = openBans(cfg, "the secret of the rooms", nil, slog.New(slog.DiscardHandler))
	h, ok := errors.AsType[*hinted](err)
	if !ok || !strings.Contains(err.Error(), file) || !strings.Contains(h.hint, "move it away") {
		t.Errorf("openBans = %v, want an error that names the file, and what to do", err)
	}
}

// TestLimitsPerAddressCanBeLifted holds that load tests, which come from one
// address, meet none of them.
func TestLimitsPerAddressCanBeLifted(t *testing.T) {
	t.Parallel()
	for environ, want := range map[string]struct {
		rules match.FairUse
		crowd int
	}{
		"MATCH_MAX_PER_IP=50": {match.FairUse{MaxPerAddr: 50, OffersPerAddr: 2, SkipEvery: match.SkipEvery, PeoplePerAddr: match.PeoplePerAddr}, 32},
		"WS_MAX_PER_IP=0":     {match.FairUse{SkipEvery: match.SkipEvery}, 0},
		"MATCH_CROWD=0":       {match.FairUse{MaxPerAddr: 50, OffersPerAddr: 2, SkipEvery: match.SkipEvery, PeoplePerAddr: match.PeoplePerAddr}, 0},
	} {
		cfg, _, err := loadConfig([]string{prefix + environ, prefix + "MATCH_AVOID=0"})
		if err != nil {
			t.Fatal(err)
		}
		pool := poolConfig(cfg, nil)
		if rules := fairUse(cfg); rules != want.rules || pool.Crowd != want.crowd || pool.Avoid != 0 || pool.TagWait != 8*time.Second || pool.MaxWait != 2*time.Minute {
			t.Errorf("with %q: %+v, and the pool %+v; want %+v, and crowds of %d", environ, rules, pool, want.rules, want.crowd)
		}
	}
}
