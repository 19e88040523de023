package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/doctor"
)

// proxied puts a proxy before a server, which does to each request what change
// says.
func proxied(t *testing.T, change func(*httputil.ProxyRequest), answer func(*http.Response) error) string {
	t.Helper()
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			change(r)
			r.Out.Host = r.In.Host
		},
		ModifyResponse: answer,
	})
	t.Cleanup(proxy.Close)
	return proxy.URL
}

func to(t *testing.T, s *server) *url.URL {
	t.Helper()
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestDoctorSeesThroughProxies holds what it says of proxies that do not pass on
// what they should, and that everything else is looked at all the same.
func TestDoctorSeesThroughProxies(t *testing.T) {
	needsClient(t)
	t.Parallel()
	const trusted = "TRUSTED_PROXIES=127.0.0.0/8"
	s, other := startServer(t, room, loopback, trusted), startServer(t, room, loopback, trusted)
	asIs := func(*http.Response) error { return nil }
	for name, c := range map[string]struct {
		change func(*httputil.ProxyRequest)
		answer func(*http.Response) error
		id     string
		want   doctor.Cause
		fix    string
	}{
		"all is well": {func(r *httputil.ProxyRequest) { r.SetURL(to(t, s)) }, asIs, "websocket", "", ""},
		"WebSockets are not passed on": {
			func(r *httputil.ProxyRequest) { r.SetURL(to(t, s)); r.Out.Header.Del("Upgrade") },
			func(r *http.Response) error { r.Header.Set("Server", "nginx"); return nil },
			"websocket", doctor.NoUpgrade, "proxy_set_header Upgrade $http_upgrade;",
		},
		"rooms are at a server with another secret": {
			func(r *httputil.ProxyRequest) {
				r.SetURL(to(t, s))
				if r.In.URL.Path == "/signaling" {
					r.SetURL(to(t, other))
				}
			}, asIs, "signaling", doctor.SecretMismatch, "WASMP2PCHAT_ROOM_SECRET",
		},
		"the clock is an hour ahead": {
			func(r *httputil.ProxyRequest) { r.SetURL(to(t, s)) },
			func(r *http.Response) error {
				r.Header.Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
				return nil
			}, "clock", doctor.ClockOff, "timedatectl",
		},
		"the program behind it is gone": {
			func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "127.0.0.1:1"}) }, asIs,
			"page", doctor.PageMissing, "ADDR",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, code := examine(t, nil, proxied(t, c.change, c.answer))
			worst := doctor.Check{}
			for _, got := range has(t, report, c.id) {
				if got.Cause == c.want && worst.Status == "" {
					worst = got
				}
			}
			if worst.Status == "" || !strings.Contains(worst.Fix, c.fix) || (code == 0) != (c.want == "") {
				t.Errorf("doctor ends with %d, and says %+v; want %q, fix with %q", code, report.Checks, c.want, c.fix)
			}
			for _, got := range report.Checks {
				if got.Status == doctor.Fail && got.Cause != c.want {
					t.Errorf("doctor also says %+v", got)
				}
			}
		})
	}
}
