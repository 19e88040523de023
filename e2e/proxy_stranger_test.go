//go:build proxies

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// TestNobodyButTheProxySaysWhoComes lets a stranger pose as a proxy, to a program
// whose own port he reaches, which it need not be.
func TestNobodyButTheProxySaysWhoComes(t *testing.T) {
	for _, f := range frontages() {
		t.Run(f.file, func(t *testing.T) {
			t.Parallel()
			port := "8080"
			if f.through {
				port = "8443"
			}
			s := openStreet(t, f, "ADDR=:"+port, "WS_MAX_PER_IP=1")
			a := s.visitor(natlab.SideA)
			site := "ws://" + chatName + ":" + port
			if f.through {
				site = "wss://" + chatName + ":" + port
			}
			if status := a.waits(site, "X-Forwarded-For: 8.8.8.8"); status != http.StatusSwitchingProtocols {
				t.Errorf("the stranger is answered %d", status)
			}
			s.logs("websocket open", "addr="+a.host.Addr().String())
			if status := a.waits(site, "X-Forwarded-For: 9.9.9.9"); status != http.StatusTooManyRequests {
				t.Errorf("the stranger, who claims to be another, is answered %d, want 429", status)
			}
			for version := byte(1); version <= 2; version++ {
				a.isNoProxy(port, version)
				a.isNoProxy("443", version)
			}
			if s.logged("8.8.8.8") > 0 || s.logged("9.9.9.9") > 0 {
				t.Error("the log has an address that somebody has only claimed")
			}
		})
	}
}

// isNoProxy begins a connection with a header of the PROXY protocol and goes on
// as a client does. He must not be served.
func (v *visitor) isNoProxy(port string, version byte) {
	v.t.Helper()
	conn := v.dial(v.t.Context(), port)
	claim := proxyproto.HeaderProxyFromAddrs(version, &net.TCPAddr{IP: net.IPv4(8, 8, 8, 8), Port: 1}, &net.TCPAddr{IP: net.IPv4(8, 8, 4, 4), Port: 2})
	if _, err := claim.WriteTo(conn); err != nil {
		v.t.Fatal(err)
	}
	if port == "8080" {
		_, _ = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", chatName) // it may be cut already
		said, _ := io.ReadAll(conn)                                                                   // it may be cut without a word
		if strings.Contains(string(said), " 200 ") {
			v.t.Errorf("a header of version %d to port %s is believed", version, port)
		}
		return
	}
	if _, err := v.secure(v.t.Context(), conn, v.trust(chatName)); err == nil {
		v.t.Errorf("a header of version %d to port %s is believed", version, port)
	}
}

// TestForgottenTrust holds docs/proxies.md to what it says about a program that
// was not told of its proxy.
func TestForgottenTrust(t *testing.T) {
	for _, f := range frontages() {
		t.Run(f.file, func(t *testing.T) {
			t.Parallel()
			s := openStreet(t, f, "TRUSTED_PROXIES=", "WS_MAX_PER_IP=1")
			a, b := s.visitor(natlab.SideA), s.visitor(natlab.SideB)
			if f.through {
				if got, err := a.get("https://" + chatName + "/"); err == nil {
					t.Errorf("the page is there: %s", got.Status)
				}
				if refused := s.metric(`wasmp2pchat_edge_refused_total{port="public",reason="tls"}`); refused == "0" {
					t.Error("no connection is counted that was not TLS")
				}
				s.logs("level=WARN", "turn url withheld", "turns:"+chatName+":443")
				return
			}
			if status := a.waits(wss); status != http.StatusSwitchingProtocols {
				t.Errorf("the first client is answered %d", status)
			}
			if status := b.waits(wss); status != http.StatusTooManyRequests {
				t.Errorf("the second client is answered %d, want 429, as the proxy", status)
			}
			s.logs("level=WARN", "x-forwarded-for does not count here", "TRUSTED_PROXIES")
			if n := s.logged("x-forwarded-for does not count here"); n != 1 {
				t.Errorf("that is logged %d times, want once", n)
			}
		})
	}
}

// metric is the value of a metric of the program.
func (s *street) metric(name string) string {
	s.t.Helper()
	server := &visitor{s, s.lab.Server(), "127.0.0.1"}
	for line := range strings.Lines(server.fetch("http://localhost:9090/metrics").text) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), name+" "); found {
			return value
		}
	}
	s.t.Fatalf("there is no metric %s", name)
	return ""
}
