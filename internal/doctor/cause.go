package doctor

import "slices"

// Cause is one way to be broken.
type Cause string

// The causes; there are no others.
const (
	DNSMissing        Cause = "dns-missing"          // the name has no address
	DNSElsewhere      Cause = "dns-elsewhere"        // the name leads to another host
	IPv6Dead          Cause = "ipv6-dead"            // the name has an IPv6 address at which nobody answers
	TCPBlocked        Cause = "tcp-blocked"          // a TCP port cannot be connected to
	PortTaken         Cause = "port-taken"           // another program has the port
	TLSName           Cause = "tls-name"             // the certificate is for another name
	TLSExpired        Cause = "tls-expired"          // its time is over, or has not begun
	TLSUntrusted      Cause = "tls-untrusted"        // nobody trusts who has issued it
	PageMissing       Cause = "page-missing"         // there is no page, or its client is not there
	NoUpgrade         Cause = "no-websocket-upgrade" // a proxy does not pass WebSockets on
	SecretMismatch    Cause = "secret-mismatch"      // one part of the server does not believe another one
	ClockOff          Cause = "clock-off"            // the clocks differ by an hour, or soon will
	CredentialsRefuse Cause = "credentials-refused"  // the relay refuses who was let in
	UDPBlocked        Cause = "udp-blocked"          // what was sent by UDP has never arrived
	UDPOneWay         Cause = "udp-one-way"          // it has, and the answer was lost
	RelayPortsBlocked Cause = "relay-ports-blocked"  // relayed addresses cannot be reached
	WrongPublicIP     Cause = "wrong-public-ip"      // clients are told an address that is not the server's
	PrivatePeersOpen  Cause = "private-peers-open"   // the relay leads into the network of the server
	DescriptorsFew    Cause = "descriptors"          // the process may open too few files
	BuffersSmall      Cause = "buffers"              // the kernel gives sockets small buffers
	PortsFew          Cause = "ports-few"            // the range of relay ports is too small
	DataPlaneFell     Cause = "data-plane"           // another data plane works than the one asked for
	RedisDown         Cause = "redis-down"           // the shared state cannot be reached
	NotReady          Cause = "not-ready"            // the server does not run, or does not serve yet
)

// Causes are all of them. The first ones are more likely to be why the later ones
// are there, too.
func Causes() []Cause {
	return []Cause{
		DNSMissing, DNSElsewhere, PortTaken, TCPBlocked, NotReady, RedisDown, DescriptorsFew, ClockOff,
		TLSExpired, TLSName, TLSUntrusted, PageMissing, NoUpgrade, SecretMismatch,
		WrongPublicIP, UDPOneWay, UDPBlocked, CredentialsRefuse, PortsFew, RelayPortsBlocked, PrivatePeersOpen,
		IPv6Dead, BuffersSmall, DataPlaneFell,
	}
}

// rank is the place in Causes; what has no cause comes last.
func (c Cause) rank() int {
	causes := Causes()
	if at := slices.Index(causes, c); at >= 0 {
		return at
	}
	return len(causes)
}

// Sentence says it to a person.
func (c Cause) Sentence() string {
	switch c {
	case DNSMissing:
		return "the name has no address"
	case DNSElsewhere:
		return "the name leads to another host"
	case IPv6Dead:
		return "the name has an IPv6 address at which nobody answers"
	case TCPBlocked:
		return "a TCP port cannot be connected to"
	case PortTaken:
		return "another program has the port"
	case TLSName:
		return "the certificate is for another name"
	case TLSExpired:
		return "the certificate is out of its time"
	case TLSUntrusted:
		return "nobody trusts who has issued the certificate"
	case PageMissing:
		return "the page is not there"
	case NoUpgrade:
		return "WebSockets do not come through the proxy"
	case SecretMismatch:
		return "one part of the server does not believe another: their secrets differ"
	case ClockOff:
		return "the clocks differ"
	case CredentialsRefuse:
		return "the relay refuses visitors"
	case UDPBlocked:
		return "UDP never arrives at the server"
	case UDPOneWay:
		return "UDP arrives and the answers are lost: a one-way firewall"
	case RelayPortsBlocked:
		return "the relay ports are blocked"
	case WrongPublicIP:
		return "visitors are told an address that is not the server's"
	case PrivatePeersOpen:
		return "the relay leads into the network of the server"
	case DescriptorsFew:
		return "the server may open too few files"
	case BuffersSmall:
		return "the kernel gives the relay small buffers"
	case PortsFew:
		return "the relay has too few ports"
	case DataPlaneFell:
		return "the data plane that was asked for does not work"
	case RedisDown:
		return "Redis cannot be reached"
	case NotReady:
		return "the server does not serve"
	}
	return string(c)
}
