package doctor

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// directory is a name server.
type directory map[string][]netip.Addr

func (n directory) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if list, known := n[host]; known {
		return list, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// examined is what doctor says, by check.
func examined(t *testing.T, cfg Config) (r *Report, by map[string]Check) {
	t.Helper()
	if cfg.Resolver == nil {
		cfg.Resolver = directory{}
	}
	r, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	by = map[string]Check{}
	for _, c := range r.Checks {
		if had, again := by[c.ID]; !again || c.Status.rank() > had.Status.rank() {
			by[c.ID] = c
		}
	}
	return r, by
}

// TestAnotherServerAnswers holds what is said of a web server that is not ours.
func TestAnotherServerAnswers(t *testing.T) {
	t.Parallel()
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "nginx/1.26\x1b[2J")
		http.NotFound(w, r)
	})
	plain, secure := httptest.NewServer(hello), httptest.NewTLSServer(hello)
	defer plain.Close()
	defer secure.Close()
	_, by := examined(t, Config{URL: plain.URL})
	if c := by["page"]; c.Cause != PortTaken || !strings.Contains(c.Seen, "nginx/1.26") || strings.Contains(c.Seen, "\x1b") {
		t.Errorf("of another server doctor says %+v", c)
	}
	_, by = examined(t, Config{URL: secure.URL})
	if c := by["tls"]; c.Cause != TLSUntrusted {
		t.Errorf("of its certificate doctor says %+v", c)
	}
	_, by = examined(t, Config{URL: strings.Replace(plain.URL, "http:", "https:", 1)})
	if c := by["tls"]; c.Cause != PortTaken {
		t.Errorf("of http where https is meant doctor says %+v", c)
	}
}

func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	gone, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	r, by := examined(t, Config{URL: "http://" + gone.Addr().String()})
	if r.Verdict != Fail || by["tcp"].Cause != TCPBlocked {
		t.Errorf("of a closed port doctor says %s, %+v", r.Verdict, by["tcp"])
	}
	r, by = examined(t, Config{URL: "https://nowhere.example"})
	if r.Verdict != Fail || by["dns"].Cause != DNSMissing {
		t.Errorf("of a name without an address doctor says %s, %+v", r.Verdict, by["dns"])
	}
}

// TestAPortOfOthersOnTheHost holds that a server which could not start because of
// it is not blamed for not running.
func TestAPortOfOthersOnTheHost(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	taken, err := lc.ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	r, by := examined(t, Config{
		URL:   gone.URL,
		Facts: func(context.Context) (*Facts, error) { return nil, net.ErrClosed },
		Host:  &Host{Listens: []Listen{{"TURN_UDP_ADDR", "udp", taken.LocalAddr().String()}}},
	})
	if by["port"].Cause != PortTaken || by["server"].Status != Skip || by["tcp"].Status != Skip || r.Verdict != Fail {
		t.Errorf("doctor says %+v", r.Checks)
	}
}

// TestWhereAHostIsLookedFor holds which addresses are asked on the machine itself:
// its own, and within what only the world knows.
func TestWhereAHostIsLookedFor(t *testing.T) {
	t.Parallel()
	outer, inner, other := ip("51.51.51.10"), ip("10.0.0.10"), ip("51.51.51.12")
	x := &exam{target: &target{host: "chat.example.org"}, cfg: Config{Host: &Host{Own: []netip.Addr{inner}}}}
	facts := &Facts{PublicIPs: []netip.Addr{outer, ip("2a0a::1")}}
	if got := x.lookFor([]netip.Addr{outer}, facts); join(got) != "51.51.51.10" {
		t.Errorf("a host behind NAT is looked for at %v", got)
	}
	if got := x.at(netip.AddrPortFrom(outer, 443)); got != netip.AddrPortFrom(inner, 443) {
		t.Errorf("its outer address is asked at %v, want %v", got, inner)
	}
	if got := x.at(netip.AddrPortFrom(ip("2a0a::1"), 443)); got.Addr() != netip.IPv6Loopback() {
		t.Errorf("an outer address of a family that it has not is asked at %v", got)
	}
	if got := x.lookFor([]netip.Addr{other}, facts); join(got) != "51.51.51.10, 2a0a::1" {
		t.Errorf("with a name that leads elsewhere it is looked for at %v", got)
	}
	x.cfg.Host = nil
	if got := x.lookFor([]netip.Addr{other}, nil); join(got) != "51.51.51.12" {
		t.Errorf("from another machine it is looked for at %v", got)
	}
}
