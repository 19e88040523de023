package natlab

import (
	"embed"
	"fmt"
	"net/netip"
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
	TCP443Only         NAT = "tcp443"     // only TCP to port 443 passes
)

// Kinds lists every NAT, the kindest first.
func Kinds() []NAT {
	return []NAT{NoNAT, FullCone, RestrictedCone, PortRestrictedCone, Symmetric, UDPBlocked, TCP443Only}
}

// rules holds one nft file for each NAT, and every.nft for all of them.
//
//go:embed rules/*.nft
var rules embed.FS

// ruleset is what nft reads to make a router an n for a client: one
// transaction that replaces what was there.
func (n NAT) ruleset(client, outside netip.Addr) (string, error) {
	every, err := rules.ReadFile("rules/every.nft")
	if err != nil {
		return "", err
	}
	own, err := rules.ReadFile("rules/" + string(n) + ".nft")
	if err != nil {
		return "", fmt.Errorf("unknown NAT %q, want one of %q", n, Kinds())
	}
	return fmt.Sprintf("flush ruleset\ndefine client = %s\ndefine outside = %s\n%s%s", client, outside, every, own), nil
}
