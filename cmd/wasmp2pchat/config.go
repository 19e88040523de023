package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/edge/address"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// config is every setting. The tags are the documentation: configs/env.example
// and the table in the README are generated from them, and env adds the prefix
// WASMP2PCHAT_ to each name.
type config struct {
	Addr           listenAddr      `env:"ADDR"            envDefault:":8080" tlsDefault:":443" help:"page and WebSockets, and TURN over TCP or TLS on the same port"`
	RedirectAddr   listenAddr      `env:"REDIRECT_ADDR"   envDefault:"off" tlsDefault:":80" help:"answers the certificate authority (HTTP-01), and sends everybody else to https"`
	PublicPort     uint16          `env:"PUBLIC_PORT"                                 help:"port that clients are told for https and TURN over TLS, where a proxy has it and passes TLS on to ADDR, such as 443; unset: that of ADDR"`
	AdminAddr      listenAddr      `env:"ADMIN_ADDR"      envDefault:"127.0.0.1:9090" help:"the admin API, /metrics, /healthz, /readyz, /debug/pprof; never public; off switches it off"`
	AdminToken     secret          `env:"ADMIN_TOKEN"                                 live:"yes" help:"what the admin API, /metrics and /debug/pprof want to be shown, as Authorization: Bearer; required unless ADMIN_ADDR is a loopback address"`
	StateDir       string          `env:"STATE_DIR"       envDefault:"./data"         help:"generated secrets, and bans; made with mode 0700"`
	PublicIPs      []netip.Addr    `env:"PUBLIC_IPS"                                  help:"addresses that clients reach, IPv4 and IPv6; behind 1:1 NAT the outer ones; unset: found, see ADDRESS_SOURCES"`
	AddressSources address.Sources `env:"ADDRESS_SOURCES"                             help:"where addresses are looked for: interfaces, dns, metadata, metadata:aws (gcp, azure, oci, hetzner, digitalocean), stun:host:port; unset: interfaces,dns, and metadata where the firmware names one of these clouds"`
	AllowedOrigins []origin        `env:"ALLOWED_ORIGINS"                             live:"yes" help:"origins besides the same host that may open the WebSockets, such as https://example.org"`
	TrustedProxies []netip.Prefix  `env:"TRUSTED_PROXIES"                             help:"prefixes whose X-Forwarded-For and PROXY protocol count"`
	Domain         string          `env:"DOMAIN"                                      help:"public name of this server: alone it is enough for HTTPS and TURN over TLS, with a certificate of Let's Encrypt, to whose terms you agree by setting it"`
	RoomSecret     secret          `env:"ROOM_SECRET"                                 help:"signs room ids and resume tokens, and hashes who is banned; unset: generated in STATE_DIR"`

	Roles    []role     `env:"ROLES"     envDefault:"web,match,signal,turn" help:"what this process does of web, match, signal and turn: the page, pairing, introducing, relaying"`
	RedisURL redisURL   `env:"REDIS_URL" help:"Redis 7 or Valkey, where several nodes meet and are one service, such as rediss://:password@10.0.0.5:6379; a secret; unset: this process is alone"`
	Node     nodeConfig `envPrefix:"NODE_"`

	DrainTimeout  time.Duration `env:"DRAIN_TIMEOUT" envDefault:"30s" help:"after SIGTERM relayed chats have so long to end or to find another relay; whatever stops the server (TimeoutStopSec, stop_grace_period) has to wait 15s longer"`
	RetireTimeout time.Duration `env:"RETIRE_TIMEOUT" envDefault:"12h" help:"after an upgrade the old process keeps its chats so long at most; 0: as long as they last"`

	EnvFile string `env:"ENV_FILE" help:"a file with further settings, NAME=value, which SIGHUP reads again; the environment wins over it; also --env-file"`

	Log struct {
		Level  slog.Level `env:"LEVEL"  envDefault:"info" live:"yes" help:"debug, info, warn or error"`
		Format logFormat  `env:"FORMAT" envDefault:"text" help:"text or json"`
	} `envPrefix:"LOG_"`

	TLS struct {
		CertFile   string  `env:"CERT_FILE"    help:"a certificate of your own instead, PEM, the server's first; read again when it changes"`
		KeyFile    string  `env:"KEY_FILE"     help:"its private key, PEM"`
		ACMEEmail  string  `env:"ACME_EMAIL"   help:"where the certificate authority writes to; may be empty"`
		ACMECA     acmeURL `env:"ACME_CA"      help:"directory URL of another certificate authority; unset: Let's Encrypt"`
		ACMECARoot string  `env:"ACME_CA_ROOT" help:"root certificate of that authority's own https, PEM, if no system knows it"`
	} `envPrefix:"TLS_"`

	WS struct {
		MaxPerIP   int      `env:"MAX_PER_IP"  envDefault:"64"    live:"yes" help:"WebSockets at once per address (/64 for IPv6); 0, for load tests: no limit, and matchmaking counts nothing per address"`
		RatePerIP  rate     `env:"RATE_PER_IP" envDefault:"10/s"  live:"yes" help:"new WebSockets per address, in bursts of 4 seconds' worth; 0: no limit"`
		MaxMessage byteSize `env:"MAX_MESSAGE" envDefault:"64KiB" live:"yes" help:"size of one WebSocket message"`
	} `envPrefix:"WS_"`

	Match struct {
		TagWait     time.Duration `env:"TAG_WAIT"      envDefault:"8s"    live:"yes" help:"then a visitor with tags may meet somebody who shares none"`
		MaxWait     time.Duration `env:"MAX_WAIT"      envDefault:"2m"    live:"yes" help:"then a visitor is told that nobody came"`
		Avoid       time.Duration `env:"AVOID"         envDefault:"10m"   live:"yes" help:"the same two do not meet again so soon; 0: they may at once"`
		MaxPerIP    int           `env:"MAX_PER_IP"    envDefault:"50"    live:"yes" help:"visitors who wait at once per address (/64 for IPv6); 0, or WS_MAX_PER_IP=0: no limit"`
		OffersPerIP rate          `env:"OFFERS_PER_IP" envDefault:"120/m" live:"yes" help:"requests for a partner per address, in bursts of half a minute's worth; 0, or WS_MAX_PER_IP=0: no limit"`
		Crowd       int           `env:"CROWD"         envDefault:"32"     live:"yes" help:"more than these who wait at one address share one place in the queue; 0, for a school behind one NAT, or WS_MAX_PER_IP=0: no limit"`
	} `envPrefix:"MATCH_"`

	Signal struct {
		OpenRooms            bool       `env:"OPEN_ROOMS"             envDefault:"false" help:"any Ayame client may choose its own room id"`
		AuthnWebhookURL      webhookURL `env:"AUTHN_WEBHOOK_URL"                         help:"Ayame's authn webhook: asked who may enter a room; http or https, without a proxy, redirects are not followed"`
		DisconnectWebhookURL webhookURL `env:"DISCONNECT_WEBHOOK_URL"                    help:"Ayame's disconnect webhook: told when a client that had registered has gone"`
	} `envPrefix:"SIGNAL_"`

	TURN struct {
		Secrets        []secret           `env:"SECRETS"                                           live:"yes" help:"shared secrets, newest first: the first signs, all verify; unset: generated in STATE_DIR"`
		UDPAddr        []listenAddr       `env:"UDP_ADDR"                 envDefault:":3478" tlsDefault:":3478,:443" help:"STUN and TURN over UDP, of several addresses those after the first only if they are free; empty or off switches it off"`
		TCPAddr        listenAddr         `env:"TCP_ADDR"                 envDefault:":3478"       help:"STUN and TURN over TCP; empty or off switches it off"`
		TLSAddr        listenAddr         `env:"TLS_ADDR"                 envDefault:":5349"       help:"TURN over TLS and DTLS, when there is a certificate; empty or off switches it off"`
		Realm          string             `env:"REALM"                                             help:"realm of the long-term credential mechanism (RFC 8489); unset: DOMAIN or wasmp2pchat"`
		RelayPorts     turnsvc.PortRange  `env:"RELAY_PORTS"              envDefault:"49152-65535" help:"UDP ports of relayed transport addresses: open them in the firewall"`
		CredentialTTL  time.Duration      `env:"CREDENTIAL_TTL"           envDefault:"10m"         help:"lifetime of a credential; a live chat is never cut by it"`
		Peers          turnsvc.PeerPolicy `env:"PEERS"                    envDefault:"room"        help:"who may be relayed to: room (only the partner), public (any public address) or any (tests only)"`
		AllowPeers     []netip.Prefix     `env:"ALLOW_PEERS"                                       live:"yes" help:"prefixes that may be relayed to in spite of the built-in deny list"`
		DenyPeers      []netip.Prefix     `env:"DENY_PEERS"                                        live:"yes" help:"prefixes that may never be relayed to"`
		MaxAllocations int                `env:"MAX_ALLOCATIONS"          envDefault:"10000"       live:"yes" help:"TURN allocations in all; 486 beyond"`
		MaxPerUser     int                `env:"MAX_ALLOCATIONS_PER_USER" envDefault:"8"           live:"yes" help:"TURN allocations of one side of one room"`
		MaxPerIP       int                `env:"MAX_ALLOCATIONS_PER_IP"   envDefault:"32"          live:"yes" help:"TURN allocations of one address (/64 for IPv6)"`
		MaxBitrate     turnsvc.Bitrate    `env:"MAX_BITRATE"              envDefault:"2mbit"       live:"yes" help:"what one TURN allocation carries each way; more is dropped and counted; off: no limit"`
		DataPlane      turnsvc.DataPlane  `env:"DATAPLANE"                envDefault:"auto"        help:"what carries the datagrams of channels: ebpf (in the kernel), batch (many for one system call, Linux), pion (one by one), or auto, the best that works here; one that does not falls back to the next"`
		APIKeys        []secret           `env:"API_KEY"                                           live:"yes" help:"switches on GET /turn, the TURN REST API, for applications that show this key, or one of several; wants PEERS public or any"`
		MonthlyBudget  byteSize           `env:"MONTHLY_BUDGET"           envDefault:"0"           live:"yes" help:"bytes of relayed traffic a month, in and out: 80 % of it slow the relay down, 100 % stop new allocations, live ones never; 0: no budget"`
	} `envPrefix:"TURN_"`
}

// nodeConfig is what one node of a fleet has for itself.
type nodeConfig struct {
	ID     nodeName `env:"ID"     help:"name of this node, which no other has: letters, digits, - and _; unset: the host's name, up to the first dot"`
	URL    nodeURL  `env:"URL"    help:"URL at which browsers reach this very node, such as https://n1.example.org: the two of a room come to one node; unset: wherever the load balancer sends them, and nodes pass on what they say; the name of a load balancer belongs into ALLOWED_ORIGINS then"`
	Region nodeName `env:"REGION" help:"where this node is, such as eu: a relay of the same region is preferred"`
}

// The bounds of settings that have one.
const (
	minCredentialTTL = time.Second // shorter is for tests
	maxCredentialTTL = 24 * time.Hour
	minDrainTimeout  = time.Second
	maxDrainTimeout  = 24 * time.Hour
	maxMatchWait     = time.Hour
	maxMatchAvoid    = 24 * time.Hour
)

// faults says what is wrong with settings that could be read, with the name of
// each.
func (c *config) faults() []error {
	var faults []error
	check := func(ok bool, name, allowed string) {
		if !ok {
			faults = append(faults, fmt.Errorf("%s: want %s", prefix+name, allowed))
		}
	}
	check(c.Addr != "", "ADDR", "an address to listen on, such as :8080")
	check(c.StateDir != "", "STATE_DIR", "a folder")
	check(c.RetireTimeout >= 0, "RETIRE_TIMEOUT", "0 or more")
	check(c.DrainTimeout >= minDrainTimeout && c.DrainTimeout <= maxDrainTimeout, "DRAIN_TIMEOUT", "1s to 24h")
	check(c.AdminToken != "" || isLoopback(c.AdminAddr), "ADMIN_TOKEN", "a secret, such as openssl rand -hex 16 prints, because others can come to ADMIN_ADDR="+string(c.AdminAddr)+", or ADMIN_ADDR=127.0.0.1:9090")
	check(c.WS.MaxPerIP >= 0, "WS_MAX_PER_IP", "0 or more")
	check(c.WS.MaxMessage >= 4<<10 && c.WS.MaxMessage <= 1<<20, "WS_MAX_MESSAGE", "4KiB to 1MiB")
	check(c.Match.MaxWait > 0 && c.Match.MaxWait <= maxMatchWait, "MATCH_MAX_WAIT", "more than 0 and at most 1h")
	check(c.Match.TagWait > 0 && c.Match.TagWait <= maxMatchWait, "MATCH_TAG_WAIT", "more than 0 and at most 1h")
	check(c.Match.Avoid >= 0 && c.Match.Avoid <= maxMatchAvoid, "MATCH_AVOID", "0 to 24h")
	check(c.Match.MaxPerIP >= 0, "MATCH_MAX_PER_IP", "0 or more")
	check(c.Match.Crowd >= 0, "MATCH_CROWD", "0 or more")
	check((c.TLS.CertFile == "") == (c.TLS.KeyFile == ""), "TLS_CERT_FILE", "TLS_CERT_FILE and TLS_KEY_FILE, both or none")
	check(c.PublicPort == 0 || c.Domain != "" || c.TLS.CertFile != "", "PUBLIC_PORT", "DOMAIN or TLS_CERT_FILE beside it: a proxy that has the certificate itself passes no TURN on")
	check(c.TURN.CredentialTTL >= minCredentialTTL && c.TURN.CredentialTTL <= maxCredentialTTL, "TURN_CREDENTIAL_TTL", "1s to 24h")
	check(len(c.TURN.APIKeys) == 0 || c.TURN.Peers != turnsvc.PeersRoom, "TURN_API_KEY", "TURN_PEERS=public beside it: with room, the relay carries nothing but what members of a room send one another")
	check(c.TURN.MaxAllocations > 0, "TURN_MAX_ALLOCATIONS", "1 or more")
	check(c.TURN.MaxPerUser > 0, "TURN_MAX_ALLOCATIONS_PER_USER", "1 or more")
	check(c.TURN.MaxPerIP > 0, "TURN_MAX_ALLOCATIONS_PER_IP", "1 or more")
	c.fleetFaults(check)
	for _, ip := range c.PublicIPs {
		check(!ip.IsUnspecified() && !ip.IsMulticast() && ip.Zone() == "", "PUBLIC_IPS", "addresses that clients can reach, not "+ip.String())
	}
	return faults
}

// secret is a value that is never printed.
type secret string

const minSecretBytes = 16

func (secret) String() string       { return "[redacted]" }
func (secret) GoString() string     { return "[redacted]" }
func (secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }
func (s secret) reveal() string     { return string(s) }

// UnmarshalText takes a secret that is long enough to be one.
func (s *secret) UnmarshalText(text []byte) error {
	if len(text) < minSecretBytes {
		return fmt.Errorf("a secret of at least %d characters, such as openssl rand -hex 16 prints", minSecretBytes)
	}
	*s = secret(text)
	return nil
}

// listenAddr is host:port, or empty for off.
type listenAddr string

var errListenAddr = errors.New("an address to listen on, such as :8080 or 127.0.0.1:8080, or off")

// UnmarshalText reads host:port or "off".
func (a *listenAddr) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		*a = ""
		return nil
	}
	host, port, err := net.SplitHostPort(string(text))
	if err != nil {
		return errListenAddr
	}
	if _, err := netip.ParseAddrPort(net.JoinHostPort("::", port)); err != nil {
		return errListenAddr
	}
	if _, err := netip.ParseAddr(host); host != "" && host != "localhost" && err != nil {
		return errListenAddr
	}
	*a = listenAddr(text)
	return nil
}

// String writes what UnmarshalText reads.
func (a listenAddr) String() string {
	if a == "" {
		return "off"
	}
	return string(a)
}

// origin is scheme://host[:port] as a browser sends it, or * for any.
type origin string

// UnmarshalText takes an origin and nothing else: a path would never match.
func (o *origin) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	if string(text) != "*" && (err != nil || u.Scheme == "" || u.Host == "" || !strings.EqualFold(string(text), u.Scheme+"://"+u.Host)) {
		return errors.New("origins such as https://example.org, without a path, or *")
	}
	*o = origin(text)
	return nil
}

// webhookURL is an http or https URL that the server calls.
type webhookURL string

// String leaves out a password.
func (w webhookURL) String() string {
	u, err := url.Parse(string(w))
	if err != nil {
		return ""
	}
	return u.Redacted()
}

// UnmarshalText takes an absolute URL.
func (w *webhookURL) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Fragment != "" {
		return errors.New("a URL such as https://app.example.org/ayame/authn")
	}
	*w = webhookURL(text)
	return nil
}

// logFormat is how lines of the log are written.
type logFormat string

// UnmarshalText takes "text" or "json".
func (f *logFormat) UnmarshalText(text []byte) error {
	if s := string(text); s != "text" && s != "json" {
		return errors.New("text or json")
	}
	*f = logFormat(text)
	return nil
}
