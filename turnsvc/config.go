package turnsvc

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/netip"
	"runtime"
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
	// UDPAddr, TCPAddr and TLSAddr are listen addresses such as ":3478"; an empty
	// one is off. At least one is required. DTLS listens where TLS does.
	UDPAddr, TCPAddr, TLSAddr string
	// TLS is required with TLSAddr. TLS 1.2 is the least whatever it says; DTLS
	// takes its Certificates and GetCertificate.
	TLS *tls.Config
	// Domain is the name of the certificate. Empty: nobody is told of TLS.
	Domain string
	// TrustedProxies may say in the PROXY protocol, version 1 or 2, for whom they
	// connect to TCPAddr and TLSAddr. From others it is no frame of TURN.
	TrustedProxies []netip.Prefix
	// MaxConns bounds the connections over TCP and TLS together; zero: twice
	// MaxAllocations. Every connection and every allocation takes a descriptor, so
	// their sum must stay below the limit of the process. From one client address
	// there are at most twice MaxPerAddr.
	MaxConns int
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
	// MaxBitrate bounds what one allocation carries each way; what is too much is
	// dropped and counted. Zero: DefaultBitrate; NoLimit, or any below 0: nothing
	// bounds it.
	MaxBitrate Bitrate
	// MonthlyBudget bounds the bytes that relaying costs in a month, by the calendar
	// of UTC: 80 % slow every allocation down to a quarter, 100 % let no new one in,
	// and live ones are never cut. Zero: none.
	MonthlyBudget int64
	// BudgetFile is where it is written down what was spent of MonthlyBudget; its
	// folder must exist. Empty: a restart forgets it.
	BudgetFile string
	// Peers says who may be relayed to; the zero value is PeersRoom.
	Peers PeerPolicy
	// AllowPeers and DenyPeers correct Peers: an allowed prefix wins over the
	// built-in deny list, a denied one over everything.
	AllowPeers, DenyPeers []netip.Prefix
	// CredentialTTL is the TTL of the Issuers: for so long a room that has ended is
	// remembered; zero: 10 min.
	CredentialTTL time.Duration
	// DrainTimeout is how long live allocations may go on when Serve ends; zero:
	// 30 s.
	DrainTimeout time.Duration
	// Log receives what happens; nil: nobody does.
	Log *slog.Logger

	now   func() time.Time // the time that credentials see; nil: time.Now
	cores int              // how many UDP sockets share the clients; zero: GOMAXPROCS
}

func (c Config) withDefaults() Config {
	c.Realm = or(c.Realm, "wasmp2pchat")
	c.RelayPorts = or(c.RelayPorts, PortRange{Min: 49152, Max: 65535})
	c.MaxAllocations = or(c.MaxAllocations, 10000)
	c.MaxPerUser = or(c.MaxPerUser, 8)
	c.MaxPerAddr = or(c.MaxPerAddr, 32)
	c.MaxConns = or(c.MaxConns, 2*c.MaxAllocations)
	c.cores = or(c.cores, runtime.GOMAXPROCS(0))
	c.MaxBitrate = or(c.MaxBitrate, DefaultBitrate)
	c.DrainTimeout = or(c.DrainTimeout, 30*time.Second)
	c.CredentialTTL = or(c.CredentialTTL, 10*time.Minute)
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
	check(c.UDPAddr != "" || c.TCPAddr != "" || c.TLSAddr != "", "no listen address")
	check(c.TLSAddr == "" || c.TLS != nil, "a TLS address without a TLS configuration")
	check(c.MaxConns > 0, "a negative limit of connections")
	check(len(c.PublicIPs) > 0, "no public address")
	for _, ip := range c.PublicIPs {
		check(ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast(), "not a public address: "+ip.String())
	}
	check(c.RelayPorts.valid(), "bad range of relay ports: "+c.RelayPorts.String())
	check(min(c.MaxAllocations, c.MaxPerUser, c.MaxPerAddr) > 0, "a negative limit of allocations")
	check(c.MaxBitrate < 0 || minBitrate <= c.MaxBitrate && c.MaxBitrate <= maxBitrate, "bad bitrate: "+c.MaxBitrate.String())
	check(c.MonthlyBudget >= 0, "a negative monthly budget")
	check(c.DrainTimeout > 0, "a negative drain timeout")
	check(c.Peers <= PeersAny, "unknown peer policy")
	return errors.Join(faults...)
}
