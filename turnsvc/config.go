package turnsvc

import (
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"time"
)

// Config is what Listen needs to know.
type Config struct {
	// Realm of the long-term credential mechanism (RFC 8489 §9.2); empty:
	// "wasmp2pchat".
	Realm string
	// Secrets are shared with the Issuers, newest first; all verify. At least one
	// is required.
	Secrets []string
	// UDPAddr and TCPAddr are listen addresses such as ":3478"; an empty one is
	// off. At least one is required.
	UDPAddr, TCPAddr string
	// PublicIPs are the addresses that clients reach, with 1:1 NAT the outer ones.
	// Relayed transport addresses carry the first IPv4 address or, if there is
	// none, the first IPv6 address. At least one is required.
	PublicIPs []netip.Addr
	// RelayPorts bounds the ports of relayed transport addresses; zero:
	// 49152-65535, as RFC 8656 §7.2 recommends.
	RelayPorts PortRange
	// MaxAllocations, MaxPerUser and MaxPerAddr bound the allocations in all, for
	// one user (the claims of a username) and for one client address (a /64 for
	// IPv6); zero: 10000, 8 and 32.
	MaxAllocations, MaxPerUser, MaxPerAddr int
	// Peers says who may be relayed to; the zero value is PeersPublic.
	Peers PeerPolicy
	// AllowPeers and DenyPeers correct Peers: an allowed prefix wins over the
	// built-in deny list, a denied one over everything.
	AllowPeers, DenyPeers []netip.Prefix
	// DrainTimeout is how long live allocations may go on when Serve ends; zero:
	// 30 s.
	DrainTimeout time.Duration
	// Log receives what happens; nil: nobody does.
	Log *slog.Logger

	now func() time.Time // the time that credentials see; nil: time.Now
}

func (c Config) withDefaults() Config {
	c.Realm = or(c.Realm, "wasmp2pchat")
	c.RelayPorts = or(c.RelayPorts, PortRange{Min: 49152, Max: 65535})
	c.MaxAllocations = or(c.MaxAllocations, 10000)
	c.MaxPerUser = or(c.MaxPerUser, 8)
	c.MaxPerAddr = or(c.MaxPerAddr, 32)
	c.DrainTimeout = or(c.DrainTimeout, 30*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.PublicIPs = slices.Clone(c.PublicIPs)
	for i, ip := range c.PublicIPs {
		c.PublicIPs[i] = ip.Unmap()
	}
	return c
}

// or is value, or instead of a zero one fallback.
func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// validate lists every fault of a Config that has its defaults.
func (c Config) validate() error {
	var faults []error
	check := func(ok bool, fault string) {
		if !ok {
			faults = append(faults, errors.New(fault))
		}
	}
	check(len(c.Secrets) > 0 && !slices.Contains(c.Secrets, ""), "no secret, or an empty one")
	check(c.UDPAddr != "" || c.TCPAddr != "", "no listen address")
	check(len(c.PublicIPs) > 0, "no public address")
	for _, ip := range c.PublicIPs {
		check(ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast(), "not a public address: "+ip.String())
	}
	check(c.RelayPorts.valid(), "bad range of relay ports: "+c.RelayPorts.String())
	check(min(c.MaxAllocations, c.MaxPerUser, c.MaxPerAddr) > 0, "a negative limit of allocations")
	check(c.DrainTimeout > 0, "a negative drain timeout")
	check(c.Peers <= PeersAny, "unknown peer policy")
	return errors.Join(faults...)
}
