package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

const apiKey = "the key of an application"

// newAPI is a TURN REST API without a relay.
func newAPI(t *testing.T, environ ...string) (*turnAPI, *readiness) {
	t.Helper()
	settings := []string{prefix + "TURN_PEERS=public", prefix + "TURN_API_KEY=" + apiKey + ",the key of another one"}
	for _, setting := range environ {
		settings = append(settings, prefix+setting)
	}
	cfg, _, err := loadConfig(settings)
	must(t, err)
	state := newReadiness(nil)
	urls := []string{"stun:192.0.2.1:3478", "turn:192.0.2.1:3478?transport=udp", "turns:turn.example.org:443?transport=tcp"}
	api := newTurnAPI(cfg, newMint(turnsvc.Issuer{Secret: turnSecret, URLs: urls}), state)
	api.setKeys(cfg.TURN.APIKeys)
	return api, state
}

func (a *turnAPI) ask(t *testing.T, query string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/turn?"+query, nil)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	answer := httptest.NewRecorder()
	a.ServeHTTP(answer, r)
	return answer
}

func TestApplicationsAreGivenCredentials(t *testing.T) {
	t.Parallel()
	api, state := newAPI(t)
	key := "&key=" + url.QueryEscape(apiKey)
	for _, c := range []struct {
		name, query, header string
		want                int
		claims              string
	}{
		{"as the draft has it", "service=turn&username=ann" + key, "", 200, "ann"},
		{"an address of mail", "service=turn&username=ann%40mail.example.org" + key, "", 200, "ann@mail.example.org"},
		{"nobody by name", "service=turn" + key, "", 200, "app"},
		{"the key in a header", "service=turn&username=ann", "Authorization: Bearer " + apiKey, 200, "ann"},
		{"another key", "service=turn&username=ann&key=the+key+of+another+one", "", 200, "ann"},
		{"a wrong key in the header", "service=turn&username=ann" + key, "Authorization: Bearer x", 401, ""},
		{"a wrong key", "service=turn&username=ann&key=guess", "", 401, ""},
		{"no key", "service=turn&username=ann", "", 401, ""},
		{"another service", "service=stun&username=ann" + key, "", 400, ""},
		{"no service", "username=ann" + key, "", 400, ""},
		{"a user with a line break", "service=turn&username=a%0Ab" + key, "", 400, ""},
		{"a user who is too long", "service=turn&username=" + strings.Repeat("a", 600) + key, "", 400, ""},
		{"a side of a room", "service=turn&username=" + roomkey.NewName() + ".ma" + key, "", 400, ""},
	} {
		answer := api.ask(t, c.query, c.header)
		if answer.Code != c.want || answer.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s, want %d", c.name, answer.Code, answer.Body, c.want)
		}
		if c.want != 200 {
			continue
		}
		var got admin.Credential
		mustJSON(t, answer.Body.Bytes(), &got)
		credential, err := (turnsvc.Verifier{Secrets: []string{turnSecret}}).Check(got.Username)
		if err != nil || !credential.Accepts(got.Password) || credential.Claims != c.claims || got.TTL != 600 || len(got.URIs) != 2 || !strings.HasPrefix(got.URIs[0], "turn:") {
			t.Errorf("%s: %s (%v), want a credential of %q for ten minutes, and where TURN is", c.name, answer.Body, err, c.claims)
		}
	}
	state.drain(true)
	if answer := api.ask(t, "service=turn"+key); answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" {
		t.Errorf("while it drains: %d %s", answer.Code, answer.Body)
	}
}

// TestOneKeyHasItsShare asks more often than one key may; another one may still.
func TestOneKeyHasItsShare(t *testing.T) {
	t.Parallel()
	api, _ := newAPI(t)
	limited := 0
	for range 2 * turnAPIBurst {
		if api.ask(t, "service=turn", "Authorization: Bearer "+apiKey).Code == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited == 0 {
		t.Errorf("%d requests at once were all answered", 2*turnAPIBurst)
	}
	if answer := api.ask(t, "service=turn&key=the+key+of+another+one"); answer.Code != 200 {
		t.Errorf("another key: %d %s", answer.Code, answer.Body)
	}
	api.setKeys([]secret{"a key that came later"})
	if answer := api.ask(t, "service=turn&key=the+key+of+another+one"); answer.Code != 401 {
		t.Errorf("a key that was taken away: %d %s", answer.Code, answer.Body)
	}
}

// TestPagesOfAllowedOriginsMayAsk is CORS, with and without the question before.
func TestPagesOfAllowedOriginsMayAsk(t *testing.T) {
	t.Parallel()
	api, _ := newAPI(t, "ALLOWED_ORIGINS=https://app.example.org")
	for origin, want := range map[string]string{"https://app.example.org": "https://app.example.org", "https://evil.example": "", "null": ""} {
		answer := api.ask(t, "service=turn", "Authorization: Bearer "+apiKey)
		if answer.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Error("CORS without an Origin")
		}
		answer = api.ask(t, "service=turn", "Origin: "+origin)
		if got := answer.Header().Get("Access-Control-Allow-Origin"); got != want || answer.Header().Get("Vary") != "Origin" {
			t.Errorf("for a page of %s: allowed %q, want %q", origin, got, want)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodOptions, "/turn", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Headers", "authorization")
		before := httptest.NewRecorder()
		api.ServeHTTP(before, r)
		if got := before.Header().Get("Access-Control-Allow-Headers"); before.Code != http.StatusNoContent || (got == "Authorization") != (want != "") {
			t.Errorf("the question before, for a page of %s: %d, headers %q", origin, before.Code, got)
		}
	}
}

// TestTheRelayTakesThem allocates with what GET /turn says, on the public port; the
// chat's own clients know nothing of it, and without a key there is none.
func TestTheRelayTakesThem(t *testing.T) {
	t.Parallel()
	s := startServer(t, "TURN_API_KEY="+apiKey)
	status, body := get(t, s.url+"/turn?service=turn&username=ann&key="+url.QueryEscape(apiKey))
	var got admin.Credential
	if status != 200 || json.Unmarshal([]byte(body), &got) != nil {
		t.Fatalf("GET /turn = %d %s", status, body)
	}
	at, err := netip.ParseAddrPort(strings.TrimSuffix(strings.TrimPrefix(got.URIs[0], "turn:"), "?transport=udp"))
	must(t, err)
	c := dialTURN(t, "udp", int(at.Port()), nil)
	c.username, c.password = got.Username, got.Password
	peer := answerOnUDP(t, func(text []byte) []byte { return text })
	must(t, c.allocate(peer), c.echo(peer, "through the relay"))
	until(t, "the allocation is listed", func() bool {
		_, list := get(t, s.admin+"/api/allocations")
		return strings.Contains(list, `"user":"ann"`) && !strings.Contains(list, `"room"`)
	})
	if line := s.log.line(apiKey); line != "" {
		t.Errorf("the log holds the key: %s", line)
	}
	other := startServer(t)
	if status, _ := get(t, other.url+"/turn?service=turn"); status != http.StatusNotFound {
		t.Errorf("GET /turn without TURN_API_KEY = %d, want 404", status)
	}
	endAllocations(t, s)
	must(t, s.stop(), other.stop())
}

// TestARotationGoesAround rotates the secret of a server, and uses credentials of
// before and after it.
func TestARotationGoesAround(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	client := &admin.Client{URL: s.admin}
	mint := func() (c admin.Credential) {
		must(t, client.Do(t.Context(), http.MethodPost, "/api/credentials", admin.MintRequest{TTL: "1m"}, &c))
		return c
	}
	before := mint()
	var list []admin.Secret
	must(t, client.Do(t.Context(), http.MethodPost, "/api/turn/secrets", nil, &list))
	if len(list) != 2 || list[0].Index != 0 || !list[0].Until.IsZero() || time.Until(list[1].Until) > 10*time.Minute+keySkew || time.Until(list[1].Until) < 10*time.Minute {
		t.Errorf("secrets = %+v, want the old one to go after its last credential", list)
	}
	after := mint()
	peer := answerOnUDP(t, func(text []byte) []byte { return text })
	for _, credential := range []admin.Credential{before, after} {
		at, err := netip.ParseAddrPort(strings.TrimSuffix(strings.TrimPrefix(credential.URIs[0], "turn:"), "?transport=udp"))
		must(t, err)
		c := dialTURN(t, "udp", int(at.Port()), nil)
		c.username, c.password = credential.Username, credential.Password
		must(t, c.allocate(peer))
	}
	must(t, client.Do(t.Context(), http.MethodGet, "/api/turn/secrets", nil, &list))
	if list[0].LastUsed.IsZero() || list[1].LastUsed.IsZero() {
		t.Errorf("secrets = %+v, want both used", list)
	}
	_, metrics := get(t, s.admin+"/metrics")
	for _, series := range []string{`secret="0"`, `secret="1"`} {
		if !strings.Contains(metrics, "wasmp2pchat_turn_authenticated_total{"+series+"} ") || strings.Contains(metrics, "wasmp2pchat_turn_authenticated_total{"+series+"} 0\n") {
			t.Errorf("no metric counts what %s has signed", series)
		}
	}
	endAllocations(t, s)
	must(t, s.stop())
}

// endAllocations lets the server stop without waiting for them.
func endAllocations(t *testing.T, s *server) {
	t.Helper()
	client := &admin.Client{URL: s.admin}
	list, _, err := admin.List[admin.AllocationAnswer](t.Context(), client, "/api/allocations", url.Values{}, 100)
	must(t, err)
	for _, al := range list {
		must(t, client.Do(t.Context(), http.MethodDelete, "/api/allocations/"+al.ID, nil, nil))
	}
}
