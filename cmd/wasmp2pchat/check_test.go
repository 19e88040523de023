package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// checks returns a checkServers with a relay at the URLs, and how to ask it;
// headers come in pairs.
func checks(t *testing.T, urls []string, settings ...string) func(from string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	cfg, _, err := loadConfig(settings)
	if err != nil {
		t.Fatal(err)
	}
	handler := checkServers(cfg, newMint(turnsvc.Issuer{Secret: turnSecret, URLs: urls}))
	return func(from string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://chat.example.org/check/servers", nil)
		r.RemoteAddr = from
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
}

// TestCheckAnswers holds what the page is told: where STUN is answered too, and
// of the visitor's address no more than its network.
func TestCheckAnswers(t *testing.T) {
	t.Parallel()
	urls := []string{
		"stun:192.0.2.1:3478", "turn:192.0.2.1:3478?transport=udp", "turn:192.0.2.1:3479?transport=udp",
		"turn:192.0.2.1:3478?transport=tcp", "turns:chat.example.org:443?transport=tcp",
	}
	ask := checks(t, urls, "WASMP2PCHAT_TRUSTED_PROXIES=10.0.0.0/8")
	for from, want := range map[string]string{
		"198.51.100.77:1":          "198.51.100.0/24",
		"[::ffff:198.51.100.88]:1": "198.51.100.0/24",
		"[2001:db8:1:2:3:4:5:6]:1": "2001:db8:1::/48",
		"10.0.0.1:1":               "203.0.113.0/24", // a proxy says so
		"nowhere":                  "",
	} {
		w := ask(from, "X-Forwarded-For", "203.0.113.9", "Sec-Fetch-Site", "same-origin")
		var got checkAnswer
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s is answered %d %q: %v", from, w.Code, w.Body, err)
		}
		if got.From != want {
			t.Errorf("%s comes from %q, want %q", from, got.From, want)
		}
		if stun := []string{"stun:192.0.2.1:3478", "stun:192.0.2.1:3479"}; !slices.Equal(got.STUN, stun) {
			t.Errorf("STUN is at %q, want %q", got.STUN, stun)
		}
		if len(got.A) != 2 || len(got.B) != 2 || got.A[1].Username == got.B[1].Username {
			t.Errorf("the sides are %v and %v, want STUN and TURN for each of two users", got.A, got.B)
		}
		if cache := w.Header().Get("Cache-Control"); cache != "no-store" {
			t.Errorf("Cache-Control: %q, want no-store", cache)
		}
	}
}

func TestCheckWithoutARelay(t *testing.T) {
	t.Parallel()
	if got, want := checks(t, nil)("192.0.2.7:1").Body.String(), `{"a":[],"b":[],"stun":[],"from":"192.0.2.0/24"}`+"\n"; got != want {
		t.Errorf("the answer is %s, want %s", got, want)
	}
}

func TestCheckIsForItsOwnPage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		header, value string
		want          int
	}{
		"its own page":              {"Sec-Fetch-Site", "same-origin", http.StatusOK},
		"without TLS":               {"Accept", "*/*", http.StatusOK},
		"its own origin":            {"Origin", "https://chat.example.org", http.StatusOK},
		"another site":              {"Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		"another name of this site": {"Sec-Fetch-Site", "same-site", http.StatusForbidden},
		"the address bar":           {"Sec-Fetch-Site", "none", http.StatusForbidden},
		"another origin":            {"Origin", "https://evil.example", http.StatusForbidden},
		"no origin that is one":     {"Origin", "null", http.StatusForbidden},
	} {
		if w := checks(t, nil)("192.0.2.1:1", c.header, c.value); w.Code != c.want {
			t.Errorf("%s is answered %d, want %d", name, w.Code, c.want)
		}
	}
}

// TestCheckIsBounded holds that nobody is refused because of others, and
// everybody welcome again when Retry-After says so.
func TestCheckIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ask := checks(t, nil)
		for range checksAtOnce {
			if w := ask("192.0.2.1:1"); w.Code != http.StatusOK {
				t.Fatalf("one of the first %d is answered %d", checksAtOnce, w.Code)
			}
		}
		w := ask("192.0.2.1:2")
		wait, err := time.ParseDuration(w.Header().Get("Retry-After") + "s")
		if w.Code != http.StatusTooManyRequests || err != nil {
			t.Fatalf("one more is answered %d, Retry-After %q; want 429 and seconds", w.Code, w.Header().Get("Retry-After"))
		}
		if w := ask("192.0.2.2:1"); w.Code != http.StatusOK {
			t.Errorf("somebody else is answered %d", w.Code)
		}
		<-time.After(wait)
		if w := ask("192.0.2.1:3"); w.Code != http.StatusOK {
			t.Errorf("after %v one is answered %d", wait, w.Code)
		}
		if w := ask("192.0.2.1:4"); w.Code != http.StatusTooManyRequests {
			t.Errorf("and another one %d, want 429", w.Code)
		}
	})
	ask := checks(t, nil, "WASMP2PCHAT_WS_MAX_PER_IP=0")
	for range 10 * checksAtOnce {
		if w := ask("192.0.2.1:1"); w.Code != http.StatusOK {
			t.Fatalf("where nothing is counted per address, one is answered %d", w.Code)
		}
	}
}

// TestCheckRelaysToItself holds that the two sides of a check reach one another
// through the relay, and nobody else: no host, and no side of another check.
func TestCheckRelaysToItself(t *testing.T) {
	t.Parallel()
	s := startServer(t, "TURN_PEERS=room", "TURN_ALLOW_PEERS=127.0.0.0/8")
	ask := func() (answer checkAnswer) {
		status, body := get(t, s.url+"/check/servers")
		if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
			t.Fatalf("GET /check/servers = %d %q: %v", status, body, err)
		}
		return answer
	}
	mine, others := ask(), ask()
	a, b, c := newChecker(t, "a", mine.A), newChecker(t, "b", mine.B), newChecker(t, "c", others.A)
	host := answerOnUDPAt(t, "127.0.0.4:0", func(p []byte) []byte { return p })
	if err := a.do(stun.MethodCreatePermission, peerAddress(host)); err == nil {
		t.Error("a check may reach a host")
	}
	for _, pair := range [][2]*checker{{a, b}, {b, a}, {c, a}, {a, c}} {
		if err := pair[0].do(stun.MethodCreatePermission, peerAddress(pair[1].relayed)); err != nil {
			t.Fatal(err) // a relayed address is looked at when something is sent there
		}
	}
	for _, side := range []*checker{c, a} { // what c sends is lost, so what a sends comes first
		side.says(t, b.relayed)
	}
	m, err := b.receive()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.Get(stun.AttrData); err != nil || string(got) != a.name {
		t.Errorf("b hears %q, %v; want what a sends, %q", got, err, a.name)
	}
	for _, side := range []*checker{a, b, c} {
		side.giveUp(t) // or the server would let it live for a while
	}
}

// checker is one side of a check, with an allocation.
type checker struct {
	*turnClient
	name    string
	relayed netip.AddrPort
}

func newChecker(t *testing.T, name string, servers []wire.ICEServer) *checker {
	t.Helper()
	c := &checker{turnClient: (&guest{t: t, ip: "127.0.0.1"}).relays(wire.MatchMessage{ICEServers: servers}), name: name}
	c.mayAllocate(t)
	var at stun.XORMappedAddress
	if err := at.GetFromAs(c.answer, stun.AttrXORRelayedAddress); err != nil {
		t.Fatal(err)
	}
	ip, _ := netip.AddrFromSlice(at.IP)
	c.relayed = netip.AddrPortFrom(ip.Unmap(), uint16(at.Port))
	return c
}

// says sends the name of the checker.
func (c *checker) says(t *testing.T, to netip.AddrPort) {
	t.Helper()
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication), peerAddress(to), stun.RawAttribute{Type: stun.AttrData, Value: []byte(c.name)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.conn.Write(m.Raw); err != nil {
		t.Fatal(err)
	}
}
