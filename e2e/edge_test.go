//go:build browser

package e2e

import (
	"net/netip"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// named gives the server its name in the laboratory, and a certificate for it
// that browsers trust. It returns the settings.
func (w *world) named(addrs ...netip.Addr) (settings []string) {
	w.t.Helper()
	if err := w.lab.SetName(domain, addrs...); err != nil {
		w.t.Fatal(err)
	}
	ca := newAuthority(w.t)
	w.trusts = inFile(w.t, ca.root)
	ours := ca.issue(domain, 2)
	return []string{"DOMAIN=" + domain, "TLS_CERT_FILE=" + inFile(w.t, ours.chain), "TLS_KEY_FILE=" + inFile(w.t, ours.key)}
}

// TestServerBehindOneToOneNAT is the server of a cloud: its own address is
// private, and its peers, whom it relays to, are at its outer one.
func TestServerBehindOneToOneNAT(t *testing.T) {
	for _, hairpin := range []natlab.Hairpin{natlab.HairpinLost, natlab.HairpinWorks} {
		t.Run(string(hairpin), func(t *testing.T) {
			w := newLand(t, natlab.Symmetric, natlab.Symmetric)
			if err := w.lab.HideServer(t.Context(), netip.MustParseAddr("51.51.51.10"), hairpin); err != nil {
				t.Fatal(err)
			}
			w.serve("ADDR=:80")
			w.people(chromium, chromium)
			w.chats("relay-udp")
			w.part()
			w.setNATs(natlab.UDPBlocked, natlab.UDPBlocked) // now a relay talks to a relay
			w.chats("relay-tcp")
		})
	}
}

// TestIPv6AloneMeetsIPv4Alone lets two chat whose only common ground is the relay.
func TestIPv6AloneMeetsIPv4Alone(t *testing.T) {
	for _, four := range []brand{chromium, firefox} {
		t.Run("with "+string(four), func(t *testing.T) {
			w := newLand(t, natlab.PortRestrictedCone, natlab.PortRestrictedCone)
			if err := w.lab.SetFamily(t.Context(), natlab.SideA, natlab.IPv6); err != nil {
				t.Fatal(err)
			}
			if err := w.lab.SetName(domain, netip.MustParseAddr("2a0a:5151::10"), netip.MustParseAddr("51.51.51.10")); err != nil {
				t.Fatal(err)
			}
			w.site = "http://" + domain + "/"
			w.serve("ADDR=:80", "PUBLIC_IPS=51.51.51.10,2a0a:5151::10")
			w.people(chromium, four)
			for range rounds {
				w.chats("relay-udp")
				w.part()
			}
		})
	}
}
