package natlab

import (
	"embed"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// NAT is what a client's router does to packets.
type NAT string

// The kinds of NAT, in the words of RFC 3489 §5 that everybody still uses;
// beside them, mapping and filtering in those of RFC 4787 §4 and §5.
const (
	NoNAT              NAT = "none"       // routed; the client's own address is public
	FullCone           NAT = "fullcone"   // endpoint-independent mapping and filtering
	RestrictedCone     NAT = "restricted" // endpoint-independent mapping, address-dependent filtering
	PortRestrictedCone NAT = "prcone"     // endpoint-independent mapping, address-and-port-dependent filtering
	Symmetric          NAT = "symmetric"  // address-and-port-dependent mapping and filtering
	UDPBlocked         NAT = "udpblocked" // only TCP passes, any port
	TCP443Only         NAT = "tcp443"     // only TCP to port 443 passes, and ICMP errors about it
	TCP80Only          NAT = "tcp80"      // only TCP to port 80 passes, and ICMP errors about it
)

// Kinds lists every NAT, the kindest first.
func Kinds() []NAT {
	return []NAT{NoNAT, FullCone, RestrictedCone, PortRestrictedCone, Symmetric, UDPBlocked, TCP443Only, TCP80Only}
}

// rules holds one nft file for each NAT, every.nft for all of them, and what
// stands in front of a server with a private address.
//
//go:embed rules/*.nft
var rules embed.FS

// ruleset is what nft reads to make a router an n for a client.
func (n NAT) ruleset(client, outside netip.Addr) (string, error) {
	if !slices.Contains(Kinds(), n) {
		return "", fmt.Errorf("unknown NAT %q, want one of %q", n, Kinds())
	}
	return ruleset(client, outside, "every", string(n))
}

// ruleset puts files of rules together for one host inside: one transaction
// that replaces what was there.
func ruleset(inside, outside netip.Addr, files ...string) (string, error) {
	parts := []string{fmt.Sprintf("flush ruleset\ndefine client = %s\ndefine outside = %s\n", inside, outside)}
	for _, file := range files {
		part, err := rules.ReadFile("rules/" + file + ".nft")
		if err != nil {
			return "", err
		}
		parts = append(parts, string(part))
	}
	return strings.Join(parts, ""), nil
}
