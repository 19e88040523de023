package address

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/pipenet"
)

// serve starts a metadata service on loopback and returns who asks it.
func serve(t *testing.T, service http.Handler) *metadata {
	t.Helper()
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	return newMetadata(server.URL, new(net.Dialer).DialContext)
}

func TestEachCloudTellsItsMachineTheAddresses(t *testing.T) {
	t.Parallel()
	for _, cloud := range Clouds() {
		t.Run(string(cloud), func(t *testing.T) {
			t.Parallel()
			got, err := serve(t, fakeCloud(cloud)).ask(t.Context(), cloud)
			if want := cloudSays(cloud); err != nil || !slices.Equal(got, want) {
				t.Errorf("ask(%s) = %v, %v, want %v", cloud, got, err, want)
			}
		})
	}
}

func TestAMachineWithoutAPublicAddressIsNotAFailure(t *testing.T) {
	t.Parallel()
	for _, cloud := range Clouds() {
		service := http.NotFoundHandler()
		if cloud == GCP {
			service = answering("application/json", `[{"ip":"10.128.0.2"}]`)
		}
		if cloud == AWS {
			mux := http.NewServeMux()
			mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "token") })
			service = mux
		}
		if got, err := serve(t, service).ask(t.Context(), cloud); err != nil || len(got) != 0 {
			t.Errorf("%s: ask() = %v, %v, want neither", cloud, got, err)
		}
	}
}

// TestGoodAnswersThatComeWronglyAreRefused: the addresses are right, but not
// the way they come.
func TestGoodAnswersThatComeWronglyAreRefused(t *testing.T) {
	t.Parallel()
	elsewhere := http.NewServeMux()
	elsewhere.Handle("/", http.RedirectHandler("/elsewhere", http.StatusFound))
	elsewhere.Handle("/elsewhere", answering("text/plain", "198.51.100.7"))
	for name, c := range map[string]struct {
		cloud   Cloud
		service http.Handler
		want    string
	}{
		"a redirect":    {Hetzner, elsewhere, "status 302"},
		"a huge answer": {Hetzner, answering("text/plain", "198.51.100.7"+strings.Repeat(" ", maxAnswerBytes)), "larger than 65536 bytes"},
		"somebody who is not Google": {GCP, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `[{"accessConfigs":[{"externalIp":"198.51.100.7"}]}]`)
		}), "lacks Metadata-Flavor"},
	} {
		got, err := serve(t, c.service).ask(t.Context(), c.cloud)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: ask() = %v, %v, want an error with %q", name, got, err, c.want)
		}
	}
}

// TestMetadataKnowsNoProxy: the service is on this machine's own link.
func TestMetadataKnowsNoProxy(t *testing.T) {
	t.Parallel()
	m := newMetadata(metadataURL, new(noDial).dial)
	if transport, ok := m.client.Transport.(*http.Transport); !ok || transport.Proxy != nil {
		t.Error("the client of metadata would ask a proxy")
	}
}

// answering answers everything alike.
func answering(contentType, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Metadata-Flavor", "Google")
		_, _ = io.WriteString(w, body)
	})
}

func TestAnswersThatAreNoAddressesAreErrors(t *testing.T) {
	t.Parallel()
	services := map[string]http.Handler{
		"a page":                    answering("text/html", "<html><body>Log in to the hotel's network</body></html>"),
		"an error":                  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }),
		"a multicast address":       answering("text/plain", "224.0.0.1"),
		"a link-local address":      answering("text/plain", "169.254.169.254"),
		"an address with a zone":    answering("text/plain", "2001:db8::1%eth0"),
		"nobody who says address":   answering("text/plain", "unspecified"),
		"JSON with a wrong address": answering("application/json", `[{"accessConfigs":[{"externalIp":"300.1.1.1"}],"ipv6Addresses":["::"]}]`),
	}
	for name, service := range services {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := serve(t, service)
			for _, cloud := range Clouds() {
				if cloud == Azure && name == "JSON with a wrong address" {
					continue // no object: said by "a page" already
				}
				if got, err := m.ask(t.Context(), cloud); err == nil || len(got) > 0 {
					t.Errorf("%s: ask() = %v, %v, want an error", cloud, got, err)
				}
			}
		})
	}
}

func TestASlowServiceCostsASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, stop := serveSlowly(t)
		defer stop()
		start := time.Now()
		_, err := m.ask(t.Context(), AWS)
		if err == nil || !strings.Contains(err.Error(), "--http-put-response-hop-limit 2") {
			t.Errorf("ask() = %v, want the command that mends it in a container", err)
		}
		if took := time.Since(start); took != requestTimeout {
			t.Errorf("it took %v, want %v", took, requestTimeout)
		}
		start = time.Now()
		if _, err := m.askEvery(t.Context()); err == nil {
			t.Error("askEvery() = nil, want an error")
		}
		if took := time.Since(start); took != requestTimeout {
			t.Errorf("all clouds took %v, want %v", took, requestTimeout)
		}
	})
}

// serveSlowly is a service that takes requests and never answers.
func serveSlowly(t *testing.T) (m *metadata, stop func()) {
	t.Helper()
	listener := pipenet.Listen()
	server := &http.Server{
		Handler:           http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
		ReadHeaderTimeout: time.Minute,
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	m = newMetadata("http://metadata.test", func(ctx context.Context, _, _ string) (net.Conn, error) { return listener.Dial(ctx) })
	return m, func() {
		_ = server.Close()
		<-ended
	}
}

func TestEveryCloudIsAskedWhereTheOperatorWantsIt(t *testing.T) {
	t.Parallel()
	for _, cloud := range Clouds() {
		got, err := serve(t, fakeCloud(cloud)).askEvery(t.Context())
		if want := cloudSays(cloud); err != nil || !slices.Equal(got, want) {
			t.Errorf("askEvery() where %s answers = %v, %v, want %v", cloud, got, err, want)
		}
	}
}

func TestATokenIsNotWhateverIsAnswered(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "two words", "line\nline", "\x00"} {
		if got, err := serve(t, answering("text/plain", body)).ask(t.Context(), AWS); err == nil {
			t.Errorf("ask() with the token %q = %v, want an error", body, got)
		}
	}
}

// TestNobodyIsAskedWhoWasNotNamed is the promise to a machine that is in no
// known cloud: not one connection is made.
func TestNobodyIsAskedWhoWasNotNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sources Sources
		dmi     map[string]string
		asked   bool
	}{
		"unknown hardware":                        {Sources{}, nil, false},
		"a virtual machine":                       {Sources{}, map[string]string{"sys_vendor": "QEMU"}, false},
		"a cloud, but other sources are named":    {Sources{Interfaces: true, DNS: true}, map[string]string{"sys_vendor": "Hetzner"}, false},
		"a cloud":                                 {Sources{}, map[string]string{"sys_vendor": "Hetzner"}, true},
		"unknown hardware, and metadata is named": {Sources{Metadata: true}, nil, true},
		"unknown hardware, and a cloud is named":  {Sources{Clouds: []Cloud{GCP}}, nil, true},
		"unknown hardware, and STUN is named":     {Sources{STUN: []string{"192.0.2.1:3478"}}, nil, true},
	} {
		var world noDial
		k := New(Config{
			Sources: c.sources, DMI: firmware(c.dmi), Public: isPublic, Dial: world.dial, Resolver: zone{}, Domain: "chat.example.org",
			Interfaces: func() ([]netip.Addr, error) { return addrs("10.0.0.5"), nil },
		})
		if world.calls.Load() != 0 {
			t.Errorf("%s: New has asked", name)
		}
		_, _ = k.Find(t.Context())
		if got := world.calls.Load() > 0; got != c.asked {
			t.Errorf("%s: asked = %v, want %v", name, got, c.asked)
		}
	}
}

// FuzzMetadata: whatever a service answers, what comes out are addresses that a
// machine can have, and not too many.
func FuzzMetadata(f *testing.F) {
	for _, body := range []string{
		"198.51.100.7\n", "2001:db8::1", "::ffff:224.0.0.1", "fe80::1%eth0", "", "<html>", "0.0.0.0", "255.255.255.255", "127.0.0.1",
		`[{"accessConfigs":[{"externalIp":"198.51.100.7"}],"ipv6s":["2001:db8::1"]}]`, `[null]`, `[{"accessConfigs":null}]`, `{}`, `null`, `[[]]`,
		`{"interface":[{"ipv4":{"ipAddress":[{"publicIpAddress":"198.51.100.7"}]}}]}`,
		`{"loadbalancer":{"publicIpAddresses":[{"frontendIpAddress":"[2001:db8::1]"}]}}`,
		`[{"ipv6Addresses":["2001:db8::1","ff02::1"]}]`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, cloud := range Clouds() {
			for _, q := range questions(cloud) {
				list, err := q.parse(body)
				if err != nil && len(list) > 0 || len(list) > maxAnswerAddrs {
					t.Fatalf("%s: parse(%q) = %v, %v", q.path, body, list, err)
				}
				for _, a := range list {
					if !a.IsGlobalUnicast() || a.Is4In6() || a.Zone() != "" {
						t.Fatalf("%s: parse(%q) gives %v", q.path, body, a)
					}
				}
			}
		}
	})
}
