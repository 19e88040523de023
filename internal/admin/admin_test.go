package admin_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
)

const token = "0123456789abcdef"

// world is a server that has 2500 rooms and remembers what was asked of it.
type world struct {
	token    string
	ended    []string
	draining bool
	banned   []admin.Sentence
	banErr   error
	log      bytes.Buffer
}

func (w *world) api() *admin.API {
	rooms := make([]admin.Room, 2500)
	for i := range rooms {
		rooms[i] = admin.Room{ID: fmt.Sprintf("room%04d", i), Members: []admin.Member{{Side: "a", Addr: netip.MustParseAddr("203.0.113.7")}, {Side: "b", Addr: netip.MustParseAddr("2001:db8:1:2::7")}}}
	}
	bans := []admin.Ban{{Name: "young", Since: time.Unix(2, 0)}, {Name: "old", Since: time.Unix(1, 0)}}
	return admin.New(admin.Config{
		Token: func() string { return w.token }, Hosts: []string{"box.lan"}, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		Rooms: func(after string, limit int) ([]admin.Room, bool) {
			from := 0
			for from < len(rooms) && rooms[from].ID <= after {
				from++
			}
			to := min(from+limit, len(rooms))
			return rooms[from:to], to < len(rooms)
		},
		EndRoom: func(id string) bool {
			w.ended = append(w.ended, id)
			return id == "room0001"
		},
		Bans: func() []admin.Ban { return append([]admin.Ban{}, bans...) },
		Ban: func(s admin.Sentence) (admin.Banned, error) {
			w.banned = append(w.banned, s)
			return admin.Banned{Bans: []admin.Ban{{Name: "k5xw4ylt", Kind: "address"}}}, w.banErr
		},
		Draining: func() bool { return w.draining },
		Drain:    func(on bool) { w.draining = on },
		Rotate:   func() ([]admin.Secret, error) { return nil, errors.New("the disk is full") },
	})
}

// ask asks with headers, written as "Name: value"; a Host is one of them.
func (w *world) ask(t *testing.T, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Host = "127.0.0.1:9090"
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		} else {
			r.Header.Set(name, value)
		}
	}
	answer := httptest.NewRecorder()
	w.api().ServeHTTP(answer, r)
	return answer
}

// TestWhoMayAsk is who gets through, with and without a token, and from a page in
// the operator's own browser.
func TestWhoMayAsk(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		token   string
		headers []string
		want    int
	}{
		{"a command on this machine", "", nil, 200},
		{"by name on this machine", "", []string{"Host: localhost:9090"}, 200},
		{"by IPv6", "", []string{"Host: [::1]:9090"}, 200},
		{"by the name of ADMIN_ADDR", "", []string{"Host: Box.lan:9090"}, 200},
		{"typed into the address bar", "", []string{"Sec-Fetch-Site: none"}, 200},
		{"a page of this very address", "", []string{"Sec-Fetch-Site: same-origin", "Origin: http://127.0.0.1:9090"}, 200},
		{"a page of another site", "", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"a page of another port", "", []string{"Sec-Fetch-Site: same-site", "Origin: http://127.0.0.1:8080"}, 403},
		{"a page, by an old browser", "", []string{"Origin: https://evil.example"}, 403},
		{"a page without an origin of its own", "", []string{"Origin: null"}, 403},
		{"a page whose name resolves to this machine", "", []string{"Host: evil.example:9090", "Origin: http://evil.example:9090", "Sec-Fetch-Site: same-origin"}, 403},
		{"the same, reading", "", []string{"Host: evil.example:9090"}, 403},
		{"a name that only looks like an address", "", []string{"Host: 127.0.0.1.evil.example"}, 403},
		{"no host", "", []string{"Host: "}, 403},
		{"a token is wanted", token, nil, 401},
		{"another token", token, []string{"Authorization: Bearer 0123456789abcdeF"}, 401},
		{"a part of it", token, []string{"Authorization: Bearer 0123456789abcde"}, 401},
		{"an empty one", token, []string{"Authorization: Bearer "}, 401},
		{"another scheme", token, []string{"Authorization: Basic " + token}, 401},
		{"the token", token, []string{"Authorization: Bearer " + token}, 200},
		{"the token, in lower case letters before it", token, []string{"Authorization: bearer " + token}, 200},
		{"the token, by whatever name", token, []string{"Authorization: Bearer " + token, "Host: admin.example.org"}, 200},
		{"the token, from a page of another site", token, []string{"Authorization: Bearer " + token, "Sec-Fetch-Site: cross-site"}, 403},
	} {
		for _, q := range []struct{ method, path string }{{"GET", "/api/rooms"}, {"POST", "/api/drain"}, {"DELETE", "/api/drain"}, {"DELETE", "/api/rooms/room0001"}} {
			w := &world{token: c.token}
			answer := w.ask(t, q.method, q.path, "", c.headers...)
			if refused := answer.Code >= 400; refused != (c.want >= 400) || refused && answer.Code != c.want {
				t.Errorf("%s: %s %s = %d %s, want %d", c.name, q.method, q.path, answer.Code, answer.Body, c.want)
			}
			if answer.Code >= 400 && (w.draining || len(w.ended) > 0 || w.log.Len() > 0) {
				t.Errorf("%s: %s %s was refused, and did something", c.name, q.method, q.path)
			}
			if answer.Code == 401 && answer.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s: 401 without WWW-Authenticate", c.name)
			}
			if answer.Header().Get("Access-Control-Allow-Origin") != "" || answer.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: headers %v, want no CORS, and no cache", c.name, answer.Header())
			}
		}
	}
}

// TestBodies holds that a form, which a page can send anywhere, changes nothing, nor
// does what is too long or not understood.
func TestBodies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, kind, body string
		want             int
	}{
		{"a form", "application/x-www-form-urlencoded", `{"address":"192.0.2.7"}`, 415},
		{"a text", "text/plain", `{"address":"192.0.2.7"}`, 415},
		{"no type", "", `{"address":"192.0.2.7"}`, 415},
		{"JSON", "application/json; charset=utf-8", `{"address":"192.0.2.7"}`, 201},
		{"a field that nobody knows", "application/json", `{"address":"192.0.2.7","forever":true}`, 400},
		{"two objects", "application/json", `{"address":"192.0.2.7"}{}`, 400},
		{"too long", "application/json", `{"reason":"` + strings.Repeat("x", 5000) + `"}`, 400},
		{"nothing", "application/json", ``, 400},
		{"nobody", "application/json", `{}`, 400},
		{"both", "application/json", `{"address":"192.0.2.7","room":"r","side":"a"}`, 400},
		{"a side of an address", "application/json", `{"address":"192.0.2.7","side":"a"}`, 400},
		{"no side", "application/json", `{"room":"r"}`, 400},
		{"a kind that there is not", "application/json", `{"room":"r","side":"a","kind":"user"}`, 400},
		{"a member", "application/json", `{"room":"r","side":"b","kind":"device","for":"90m"}`, 201},
		{"no duration", "application/json", `{"address":"192.0.2.7","for":"soon"}`, 400},
		{"a negative duration", "application/json", `{"address":"192.0.2.7","for":"-1h"}`, 400},
		{"a /64", "application/json", `{"address":"2001:db8::/64"}`, 201},
		{"a /32 of IPv4", "application/json", `{"address":"192.0.2.7/32"}`, 201},
		{"a /48", "application/json", `{"address":"2001:db8::/48"}`, 400},
		{"a network of IPv4", "application/json", `{"address":"192.0.2.0/24"}`, 400},
		{"bits beyond the prefix", "application/json", `{"address":"2001:db8::7/64"}`, 400},
		{"a zone", "application/json", `{"address":"fe80::1%eth0"}`, 400},
	} {
		w := new(world)
		answer := w.ask(t, http.MethodPost, "/api/bans", c.body, "Content-Type: "+c.kind)
		if answer.Code != c.want || (len(w.banned) > 0) != (c.want == 201) {
			t.Errorf("%s: %d %s, and %d bans; want %d", c.name, answer.Code, answer.Body, len(w.banned), c.want)
		}
		var problem admin.ProblemError
		if c.want >= 400 && (json.Unmarshal(answer.Body.Bytes(), &problem) != nil || problem.Status != c.want || problem.Detail == "" || answer.Header().Get("Content-Type") != "application/problem+json") {
			t.Errorf("%s: %s is no problem of RFC 9457", c.name, answer.Body)
		}
	}
}

// TestABanThatIsNotKept says that it holds all the same.
func TestABanThatIsNotKept(t *testing.T) {
	t.Parallel()
	w := &world{banErr: errors.New("no space left on device")}
	answer := w.ask(t, http.MethodPost, "/api/bans", `{"address":"192.0.2.7"}`, "Content-Type: application/json")
	if answer.Code != 500 || !strings.Contains(answer.Body.String(), "banned as k5xw4ylt, but") || !strings.Contains(w.log.String(), "k5xw4ylt") {
		t.Errorf("%d %s, log %s", answer.Code, answer.Body, &w.log)
	}
	if answer := w.ask(t, http.MethodPost, "/api/turn/secrets", ""); answer.Code != 500 || strings.Contains(w.log.String(), "rotate") {
		t.Errorf("a rotation that fails = %d %s, log %s", answer.Code, answer.Body, &w.log)
	}
}

// TestChangesAreWrittenDown holds the audit: what, to whom, by whom, and no token.
func TestChangesAreWrittenDown(t *testing.T) {
	t.Parallel()
	for by, w := range map[string]*world{"loopback": {}, `"token 9f9f5111"`: {token: token}} {
		w.ask(t, http.MethodDelete, "/api/rooms/room0001", "", "Authorization: Bearer "+token)
		w.ask(t, http.MethodDelete, "/api/rooms/room0002", "", "Authorization: Bearer "+token)
		w.ask(t, http.MethodGet, "/api/rooms", "", "Authorization: Bearer "+token)
		if text := w.log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, `msg=operator did="end room" to=room0001 by=`+by+"\n") || strings.Contains(text, token) {
			t.Errorf("log = %s, want one line, by %s", text, by)
		}
	}
}

// TestClientReadsPages reads lists of several pages.
func TestClientReadsPages(t *testing.T) {
	t.Parallel()
	w := &world{token: token}
	server := httptest.NewServer(w.api())
	t.Cleanup(server.Close)
	client := &admin.Client{URL: server.URL + "/", Token: token, HTTP: server.Client()}
	for limit, want := range map[int]struct {
		n    int
		more bool
	}{1: {1, true}, 1000: {1000, true}, 1001: {1001, true}, 2499: {2499, true}, 2500: {2500, false}, 9999: {2500, false}} {
		rooms, more, err := admin.List[admin.RoomAnswer](t.Context(), client, "/api/rooms", url.Values{}, limit)
		if err != nil || len(rooms) != want.n || more != want.more {
			t.Errorf("List of %d = %d, %v, %v; want %+v", limit, len(rooms), more, err, want)
			continue
		}
		for i, room := range rooms {
			if room.ID != fmt.Sprintf("room%04d", i) || room.Members[0].From != "203.0.113.0/24" || room.Members[1].From != "2001:db8:1::/48" {
				t.Fatalf("item %d is %+v", i, room)
			}
		}
	}
	rooms, _, err := admin.List[admin.RoomAnswer](t.Context(), client, "/api/rooms", url.Values{"addresses": {"full"}}, 1001)
	if last := cmp.Or(len(rooms), 1) - 1; err != nil || rooms[last].Members[1].From != "2001:db8:1:2::7" {
		t.Errorf("with whole addresses the last is %+v, %v", rooms[last], err)
	}
	bans, more, err := admin.List[admin.Ban](t.Context(), client, "/api/bans", url.Values{}, 1)
	if err != nil || !more || len(bans) != 1 || bans[0].Name != "old" {
		t.Errorf("the first ban = %+v, %v, %v; want the oldest", bans, more, err)
	}
	bans, more, err = admin.List[admin.Ban](t.Context(), client, "/api/bans", url.Values{}, 2)
	if err != nil || more || len(bans) != 2 || bans[1].Name != "young" {
		t.Errorf("both bans = %+v, %v, %v", bans, more, err)
	}
}

// TestClientSaysWhatIsWrong tells faults of the API from the answers of others.
func TestClientSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := &world{token: token}
	server := httptest.NewServer(w.api())
	t.Cleanup(server.Close)
	client := &admin.Client{URL: server.URL, HTTP: server.Client()}
	err := client.Do(t.Context(), http.MethodGet, "/api/rooms", nil, nil)
	if problem, ok := errors.AsType[*admin.ProblemError](err); !ok || problem.Status != http.StatusUnauthorized {
		t.Errorf("without the token: %v, want 401", err)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	client = &admin.Client{URL: other.URL}
	if err := client.Do(t.Context(), http.MethodGet, "/api/rooms", nil, nil); !errors.Is(err, admin.ErrNotTheAPI) {
		t.Errorf("another server: %v, want ErrNotTheAPI", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := client.Do(ctx, http.MethodGet, "/api/rooms", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
