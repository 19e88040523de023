package wsconn

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestOrigins(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		origin  string
		allowed []string
		want    int
	}{
		"no origin: not a browser":        {"", nil, http.StatusOK},
		"the same host":                   {"https://chat.example.org", nil, http.StatusOK},
		"the same host in capitals":       {"https://CHAT.example.org", nil, http.StatusOK},
		"a foreign host":                  {"https://evil.example", nil, http.StatusForbidden},
		"null":                            {"null", nil, http.StatusForbidden},
		"a look-alike suffix":             {"https://chat.example.org.evil.example", nil, http.StatusForbidden},
		"a look-alike prefix":             {"https://evilchat.example.org", nil, http.StatusForbidden},
		"a user part":                     {"https://chat.example.org@evil.example", nil, http.StatusForbidden},
		"another port":                    {"https://chat.example.org:8443", nil, http.StatusForbidden},
		"garbage":                         {"http://[::1", nil, http.StatusForbidden},
		"an allowed one":                  {"https://app.example", []string{"https://app.example"}, http.StatusOK},
		"an allowed host by other scheme": {"http://app.example", []string{"https://app.example"}, http.StatusForbidden},
		"a fellow of the server":          {"https://n2.example", nil, http.StatusOK},
		"any, where any is allowed":       {"https://evil.example", []string{"*"}, http.StatusOK},
	} {
		g := NewGuard(Limits{Origins: c.allowed, Fellow: func(origin string) bool { return origin == "https://n2.example" }})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://chat.example.org/signaling", nil)
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if got := serve(g, r); got != c.want {
			t.Errorf("%s: status %d, want %d", name, got, c.want)
		}
	}
}

// TestLimitsOfAGuardChange holds that the next one is let in by the limits of now,
// and that who is in stays.
func TestLimitsOfAGuardChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(Limits{MaxPerAddr: 1, RatePerAddr: 1, Burst: 1, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
		ask := func(origin string) int {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://chat.example.org/signaling", nil)
			r.RemoteAddr = "10.0.0.1:1"
			r.Header.Set("X-Forwarded-For", "198.51.100.7")
			r.Header.Set("Origin", origin)
			return serve(g, r)
		}
		const home, foreign = "http://chat.example.org", "https://app.example"
		addr := netip.MustParseAddr("198.51.100.7")
		if status, why := g.enter(addr); status != http.StatusOK {
			t.Fatalf("the first one is refused: %s", why)
		}
		for _, c := range []struct {
			name   string
			limits Limits
			origin string
			want   int
		}{
			{"one per address", Limits{MaxPerAddr: 1}, home, http.StatusTooManyRequests},
			{"two per address", Limits{MaxPerAddr: 2}, home, http.StatusOK},
			{"one in all", Limits{MaxTotal: 1}, home, http.StatusServiceUnavailable},
			{"no limit", Limits{}, home, http.StatusOK},
			{"a foreign origin", Limits{}, foreign, http.StatusForbidden},
			{"an origin that is allowed by now", Limits{Origins: []string{foreign}}, foreign, http.StatusOK},
			{"a rate, of which nothing is used", Limits{RatePerAddr: 1, Burst: 1}, home, http.StatusOK},
			{"a rate that is used up", Limits{RatePerAddr: 1, Burst: 1}, home, http.StatusTooManyRequests},
		} {
			g.SetLimits(c.limits)
			if got := ask(c.origin); got != c.want {
				t.Errorf("%s: status %d, want %d", c.name, got, c.want)
			}
		}
		g.SetLimits(Limits{RatePerAddr: 10, Burst: 1})
		<-time.After(100 * time.Millisecond)
		if got := ask(home); got != http.StatusOK {
			t.Errorf("a tenth of a second later at ten a second: status %d, want 200", got)
		}
		if got := g.Stats().Open; got != 1 {
			t.Errorf("%d are in, want the first one", got)
		}
		g.leave(addr)
	})
}

func TestClientAddr(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, c := range map[string]struct {
		remote    string
		forwarded []string
		want      string
	}{
		"no proxy":                             {"198.51.100.7:1234", nil, "198.51.100.7"},
		"a stranger's header is ignored":       {"198.51.100.7:1234", []string{"1.2.3.4"}, "198.51.100.7"},
		"a proxy's header counts":              {"10.0.0.1:1", []string{"1.2.3.4"}, "1.2.3.4"},
		"only the rightmost hop counts":        {"10.0.0.1:1", []string{"6.6.6.6, 1.2.3.4"}, "1.2.3.4"},
		"proxies in a row are passed":          {"10.0.0.1:1", []string{"6.6.6.6, 1.2.3.4, 10.0.0.2"}, "1.2.3.4"},
		"headers are joined in order":          {"10.0.0.1:1", []string{"6.6.6.6", "1.2.3.4"}, "1.2.3.4"},
		"what is no address ends the walk":     {"10.0.0.1:1", []string{"1.2.3.4, unknown"}, "10.0.0.1"},
		"a proxy without a header is a client": {"10.0.0.1:1", nil, "10.0.0.1"},
		"an IPv4-mapped client":                {"[::ffff:198.51.100.7]:1", nil, "198.51.100.7"},
		"IPv6 through a proxy":                 {"[fd00::1]:1", []string{"2a0a:5151::7"}, "2a0a:5151::7"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		r.Header["X-Forwarded-For"] = c.forwarded
		if got := ClientAddr(r, proxies).String(); got != c.want {
			t.Errorf("%s: ClientAddr = %s, want %s", name, got, c.want)
		}
	}
}

func TestConnectionsPerAddress(t *testing.T) {
	t.Parallel()
	g := NewGuard(Limits{MaxPerAddr: 2, MaxTotal: 5})
	for i, c := range []struct {
		addr string
		want int
	}{
		{"198.51.100.7", http.StatusOK},
		{"198.51.100.7", http.StatusOK},
		{"198.51.100.7", http.StatusTooManyRequests},
		{"198.51.100.8", http.StatusOK},
		{"2a0a:5151:0:1::1", http.StatusOK},
		{"2a0a:5151:0:1::2", http.StatusOK},
		{"198.51.100.9", http.StatusServiceUnavailable},
	} {
		if got, _ := g.enter(netip.MustParseAddr(c.addr)); got != c.want {
			t.Errorf("connection %d, from %s: status %d, want %d", i, c.addr, got, c.want)
		}
	}
	g.leave(netip.MustParseAddr("2a0a:5151:0:1::1"))
	if got, _ := g.enter(netip.MustParseAddr("2a0a:5151:0:1::9")); got != http.StatusOK {
		t.Errorf("after one of the /64 has left: status %d, want 200", got)
	}
	if s := g.Stats(); s.Open != 5 || s.RefusedPerAddr != 1 || s.RefusedTotal != 1 {
		t.Errorf("Stats() = %+v, want 5 open, 1 refused per address, 1 in all", s)
	}
}

func TestNewConnectionsPerSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(Limits{RatePerAddr: 5})
		addr := netip.MustParseAddr("198.51.100.7")
		open := func() (n int) {
			for range 100 {
				if status, _ := g.enter(addr); status == http.StatusOK {
					g.leave(addr)
					n++
				}
			}
			return n
		}
		if got := open(); got != 20 {
			t.Errorf("in a burst %d connections are let in, want 20", got)
		}
		<-time.After(time.Second)
		if got := open(); got != 5 {
			t.Errorf("a second later %d more are let in, want 5", got)
		}
	})
}

func TestGuardForgetsAddresses(t *testing.T) {
	t.Parallel()
	g := NewGuard(Limits{RatePerAddr: 5})
	addr := netip.MustParseAddr("2a0a:5151::")
	for range 2 * maxSubscribers {
		next := addr.As16()
		for i := 7; ; i-- { // the next /64
			if next[i]++; next[i] != 0 {
				break
			}
		}
		addr = netip.AddrFrom16(next)
		g.enter(addr)
		g.leave(addr)
	}
	if got := len(g.subs); got > maxSubscribers {
		t.Errorf("after %d addresses %d are remembered, want at most %d", 2*maxSubscribers, got, maxSubscribers)
	}
}

// serve runs a request through a guard in front of a handler that says 200.
func serve(g *Guard, r *http.Request) int {
	w := httptest.NewRecorder()
	g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })).ServeHTTP(w, r)
	return w.Code
}

// TestAProxyThatIsNotTrustedIsNamedOnce holds that strangers cannot fill the
// log with it.
func TestAProxyThatIsNotTrustedIsNamedOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trusted   string
		forwarded string
		want      int
	}{
		"behind a proxy that is not trusted": {"10.0.0.0/8", "1.2.3.4", 1},
		"behind a trusted one":               {"198.51.100.0/24", "1.2.3.4", 0},
		"behind none":                        {"10.0.0.0/8", "", 0},
	} {
		var log bytes.Buffer
		g := NewGuard(Limits{TrustedProxies: []netip.Prefix{netip.MustParsePrefix(c.trusted)}, Log: slog.New(slog.NewTextHandler(&log, nil))})
		for range 5 {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://chat.example.org/matchmaking", nil)
			r.RemoteAddr = "198.51.100.7:1234"
			if c.forwarded != "" {
				r.Header.Set("X-Forwarded-For", c.forwarded)
			}
			serve(g, r)
		}
		if got := strings.Count(log.String(), "TRUSTED_PROXIES"); got != c.want {
			t.Errorf("%s: 5 requests wrote %d warnings, want %d: %s", name, got, c.want, log.String())
		}
	}
}

func TestARequestThatIsNoWebSocket(t *testing.T) {
	t.Parallel()
	hub := NewHub(Config{})
	guard := NewGuard(Limits{})
	w := httptest.NewRecorder()
	guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hub.Accept(w, r, func(*Conn) Session { t.Error("a session was opened"); return nil })
	})).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "Bad Request") {
		t.Errorf("status %d %q, want 400", w.Code, w.Body)
	}
	if open := guard.Stats().Open; open != 0 {
		t.Errorf("the guard counts %d connections, want 0", open)
	}
}

func TestBurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(Limits{RatePerAddr: 0.1, Burst: 2})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		for i, want := range []int{http.StatusOK, http.StatusOK, http.StatusTooManyRequests} {
			if got := serve(g, r); got != want {
				t.Errorf("request %d at once: status %d, want %d", i+1, got, want)
			}
		}
	})
}
