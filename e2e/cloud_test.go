//go:build browser

package e2e

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// elsewhereSTUN is others' STUN server.
const elsewhereSTUN = "51.51.51.12:3478"

// noticed is how long a server may take to learn that its address has moved.
const noticed = time.Minute

// TestTheOuterAddressIsFound gives the server of a cloud no address: it finds
// its outer one where its settings say.
func TestTheOuterAddressIsFound(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"metadata:aws", "stun:" + elsewhereSTUN} {
		t.Run(source, func(t *testing.T) {
			w := newLand(t, natlab.Symmetric, natlab.Symmetric)
			w.hide("51.51.51.10")
			w.serveMetadata()
			w.serveSTUN()
			w.serve("ADDR=:80", "PUBLIC_IPS=", "ADDRESS_SOURCES="+source)
			w.people(chromium, chromium)
			w.chats("relay-udp")
		})
	}
}

// TestTheOuterAddressMoves while the server runs: who comes within a minute
// connects.
func TestTheOuterAddressMoves(t *testing.T) {
	w := newLand(t, natlab.Symmetric, natlab.Symmetric)
	w.hide("51.51.51.10")
	w.serveSTUN()
	w.serve("ADDR=:80", "PUBLIC_IPS=", "ADDRESS_SOURCES=stun:"+elsewhereSTUN)
	w.site = "http://" + domain + "/"
	w.people(chromium, chromium)
	w.chats("relay-udp")
	w.part()

	w.hide("51.51.51.20")
	moved := time.NewTimer(noticed)
	defer moved.Stop()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for !strings.Contains(w.server.log.String(), "51.51.51.20") {
		select {
		case <-again.C:
		case <-moved.C:
			t.Fatalf("%v after the outer address has moved the server does not know", noticed)
		}
	}
	w.people(firefox, chromium) // who was there before has connections to nowhere
	w.chats("relay-udp")
}

// hide puts the server behind a 1:1 NAT, at an outer address to which its name
// leads.
func (w *world) hide(outside string) {
	w.t.Helper()
	addr := netip.MustParseAddr(outside)
	if err := w.lab.HideServer(w.t.Context(), addr, natlab.HairpinLost); err != nil {
		w.t.Fatal(err)
	}
	if err := w.lab.SetName(domain, addr); err != nil {
		w.t.Fatal(err)
	}
}

// serveMetadata tells the server its outer address as AWS does, to who has
// fetched a token before (IMDSv2).
func (w *world) serveMetadata() {
	w.t.Helper()
	listener, err := w.lab.Cloud().Listen(w.t.Context(), "tcp4", "169.254.169.254:80")
	if err != nil {
		w.t.Fatal(err)
	}
	const token = "dG9rZW4gb2YgdGhlIGxhYm9yYXRvcnk="
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /latest/api/token", func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, token)
	})
	mux.HandleFunc("GET /latest/meta-data/public-ipv4", func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-aws-ec2-metadata-token") != token {
			http.Error(rw, "no token", http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(rw, w.lab.ServerOutside().String())
	})
	cloud := &httptest.Server{Listener: listener, Config: &http.Server{Handler: mux}}
	cloud.Start()
	w.t.Cleanup(cloud.Close)
}

// serveSTUN answers whoever asks elsewhere with the address that is seen there
// (RFC 8489 §6.3.1).
func (w *world) serveSTUN() {
	w.t.Helper()
	conn, err := w.lab.Elsewhere().ListenPacket(w.t.Context(), "udp4", elsewhereSTUN)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	go func() { // ends when conn is closed
		packet := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			request := &stun.Message{Raw: packet[:n]}
			if request.Decode() != nil || request.Type != stun.BindingRequest {
				continue
			}
			seen := from.(*net.UDPAddr)
			if answer, err := stun.Build(request, stun.BindingSuccess, &stun.XORMappedAddress{IP: seen.IP, Port: seen.Port}, stun.Fingerprint); err == nil {
				_, _ = conn.WriteTo(answer.Raw, from) // who asks asks again
			}
		}
	}()
}
