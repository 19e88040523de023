package turnsvc

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/daytime"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// Config is what Listen needs to know.
type Config struct {
	// Realm of the long-term credential mechanism (RFC 8489 §9.2); empty:
	// "wasmp2pchat".
	Realm string
	// Secrets are shared with the Issuers, newest first; all verify. At least one
	// is required.
	Secrets []string
	// UDPAddrs, TCPAddr and TLSAddr are listen addresses such as ":3478"; an empty
	// one is off. At least one is required, or a Stream, unless Elsewhere. DTLS
	// listens where TLS does. The first of UDPAddrs must be free; the others, such as ":443", are
	// done without when somebody has them or the system does not let us.
	UDPAddrs         []string
	TCPAddr, TLSAddr string
	// Elsewhere says that relaying is left to other processes: nobody comes in
	// here, nothing is offered, and that is as it should be.
	Elsewhere bool
	// Sockets opens those addresses; nil: a net.ListenConfig. Relayed transport
	// addresses are none of its business.
	Sockets gate.Opener
	// Estate is what an older process on this machine bequeathes, which this server is
	// to take over from: Server.Estate. Its sockets are used in the place of new ones,
	// and closed if Listen fails. The zero value is none.
	Estate Bequest
	// Streams are further places that connections come from.
	Streams []Stream
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
	// PublicIPs are the addresses that clients reach, with 1:1 NAT the outer ones;
	// see SetPublicIPs. Relayed transport addresses carry the first one of the
	// family that is asked for, of which IPv4 is the default unless there is none.
	// At least one is required.
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
	// and live ones are never cut. In a fleet it is that of all servers: what the
	// others have spent is told by SpentElsewhere. Zero: none.
	MonthlyBudget int64
	// BudgetFile is where it is written down what was spent of MonthlyBudget; its
	// folder must exist. Empty: a restart forgets it.
	BudgetFile string
	// DataPlane says what carries the datagrams of channels; the zero value is
	// PlaneAuto.
	DataPlane DataPlane
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
	// Node is the name of this server in a fleet; then credentials that name others
	// (Claims.At) open nothing here. Empty: it is alone.
	Node string
	// Counts are how many allocations users and clients have at the other servers of a
	// fleet: then MaxPerUser and MaxPerAddr bound the sum. Nil is allowed.
	Counts Counts
	// Kin are asked to do at the other processes of this server what EndRoom, EndUser,
	// EndFrom, Introduce and Join do at this one. Nil is allowed.
	Kin Kin
	// Moved is told the name of a room of which the members hold other relayed
	// transport addresses here than before: RelayedIn. It must not wait. Nil is
	// allowed.
	Moved func(room string)
	// Offered is called when URLs has changed, by one goroutine of Serve; it must
	// not wait. Nil is allowed.
	Offered func()
	// Saw is told of each request that has come and, once more, of each that is
	// answered, just before the answer leaves, by the goroutine that handles it: it
	// must not wait. Data never comes by here. Nil is allowed.
	Saw func(Sight)
	// Happened is told what happens to the members of rooms, by the name of the room
	// in their claims or of that which it was joined to; it must not wait. Nil is
	// allowed.
	Happened func(room string, e Event)
	// Log receives what happens; nil: nobody does.
	Log *slog.Logger

	kernel      dataplane.Opener // of PlaneEBPF; nil: ours
	reopenAfter time.Duration    // 0: reopenAfter
	outletAfter uint64           // datagrams in a second; 0: outletDatagrams

	now    func() time.Time // the time that credentials see; nil: time.Now
	asOf   func() time.Time // the time by which they expire; nil: now, or, with that nil, what setting the clock forward does not change
	latest func() time.Time // the latest time at which one was minted; nil: now, or the latest that there has been
	cores  int              // how many UDP sockets share the clients; zero: GOMAXPROCS
	roots  *x509.CertPool   // what browsers trust; nil: what this machine does
	blind  bool             // Serve does not look whether clients can come: a test counts them
}

// Counts is where the servers of a fleet count together. Its methods must not wait.
// No user stands for one whose credential is good at this server only: he is counted
// here.
type Counts interface {
	// Elsewhere is how many allocations a user and a source have at other servers.
	Elsewhere(user string, source netip.Prefix) (ofUser, ofSource int)
	// Count adds to how many they have here.
	Count(user string, source netip.Prefix, n int)
}

// A Stream is a listener whose connections somebody else has accepted, such as
// the demultiplexer of the page's ports. They are treated as those to TCPAddr and
// TLSAddr are, with the same limits in common.
type Stream struct {
	// Listener hands over connections that have a *net.TCPAddr at both ends: that
	// of the client, whatever proxies were on the way, and that which the client
	// asked. Their Close must not wait, except that of a *tls.Conn itself, which is
	// passed by. Serve closes it when it ends; after a Listen that fails it is the
	// caller's. If it is closed before, nobody is cut.
	Listener net.Listener
	// Secure says that the TLS handshake was done, with a certificate for Domain.
	Secure bool
	// Port is what clients are told if somebody else listens there, such as a
	// proxy that passes TLS on; zero: that of the Listener.
	Port uint16
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
	c.outletAfter = or(c.outletAfter, outletDatagrams)
	c.DrainTimeout = or(c.DrainTimeout, 30*time.Second)
	if c.Sockets == nil {
		c.Sockets = new(net.ListenConfig)
	}
	c.CredentialTTL = or(c.CredentialTTL, 10*time.Minute)
	if c.Offered == nil {
		c.Offered = func() {}
	}
	if c.Kin == nil {
		c.Kin = noKin{}
	}
	if c.Moved == nil {
		c.Moved = func(string) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.kernel == nil {
		c.kernel = kernel
	}
	c.reopenAfter = or(c.reopenAfter, reopenAfter)
	if c.now == nil {
		clock := daytime.New()
		c.now, c.asOf, c.latest = time.Now, clock.Earlier, clock.Latest
	}
	if c.asOf == nil {
		c.asOf = c.now
	}
	if c.latest == nil {
		c.latest = c.now
	}
	c.PublicIPs = unmapped(c.PublicIPs)
	return c
}

// unmapped is a copy of ips with IPv4 in its plain form.
func unmapped(ips []netip.Addr) []netip.Addr {
	list := make([]netip.Addr, len(ips))
	for i, ip := range ips {
		list[i] = ip.Unmap()
	}
	return list
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
	check(c.listens() != c.Elsewhere, "no listen address, or one though relaying is elsewhere")
	check(!slices.ContainsFunc(c.Streams, func(s Stream) bool { return s.Listener == nil }), "a stream without a listener")
	check(c.TLSAddr == "" || c.TLS != nil, "a TLS address without a TLS configuration")
	check(c.MaxConns > 0, "a negative limit of connections")
	faults = append(faults, faultyIPs(c.PublicIPs)...)
	check(c.RelayPorts.valid(), "bad range of relay ports: "+c.RelayPorts.String())
	check(min(c.MaxAllocations, c.MaxPerUser, c.MaxPerAddr) > 0, "a negative limit of allocations")
	check(c.MaxBitrate < 0 || minBitrate <= c.MaxBitrate && c.MaxBitrate <= maxBitrate, "bad bitrate: "+c.MaxBitrate.String())
	check(c.MonthlyBudget >= 0, "a negative monthly budget")
	check(c.DrainTimeout > 0, "a negative drain timeout")
	check(c.DataPlane <= PlanePion, "unknown data plane")
	check(c.Peers <= PeersAny, "unknown peer policy")
	return errors.Join(faults...)
}

// listens reports whether there is a place where clients can come in.
func (c Config) listens() bool {
	udp := slices.ContainsFunc(c.UDPAddrs, func(address string) bool { return address != "" })
	return udp || c.TCPAddr != "" || c.TLSAddr != "" || len(c.Streams) > 0
}

// faultyIPs lists what is wrong with public addresses.
func faultyIPs(ips []netip.Addr) (faults []error) {
	if len(ips) == 0 {
		faults = append(faults, errNoPublicIP)
	}
	for _, ip := range ips {
		if !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() {
			faults = append(faults, fmt.Errorf("%w: %v", errNotPublicIP, ip))
		}
	}
	return faults
}

var (
	errNoPublicIP  = errors.New("no public address")
	errNotPublicIP = errors.New("not a public address")
)
