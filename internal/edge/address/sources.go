package address

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// maxSTUNServers bounds how many STUN servers are asked.
const maxSTUNServers = 4

// Sources say where addresses are looked for. The zero value is the default:
// the interfaces, the DNS, and the metadata of the cloud that the firmware
// names, if it names one.
type Sources struct {
	Interfaces bool
	DNS        bool
	Metadata   bool     // of the cloud that the firmware names, else of every cloud
	Clouds     []Cloud  // the metadata of these, whatever the firmware says
	STUN       []string // host:port
}

// UnmarshalText reads a comma list of "interfaces", "dns", "metadata",
// "metadata:CLOUD" and "stun:HOST:PORT". A list is complete: what it does not
// name is not asked. The empty text is the default.
func (s *Sources) UnmarshalText(text []byte) error {
	var read Sources
	if len(text) == 0 {
		*s = read
		return nil
	}
	for word := range strings.SplitSeq(string(text), ",") {
		if err := read.add(strings.TrimSpace(word)); err != nil {
			return err
		}
	}
	if len(read.STUN) > maxSTUNServers {
		return fmt.Errorf("%d STUN servers: want at most %d", len(read.STUN), maxSTUNServers)
	}
	*s = read
	return nil
}

// add reads one word of the list.
func (s *Sources) add(word string) error {
	name, rest, more := strings.Cut(word, ":")
	switch {
	case word == "interfaces":
		s.Interfaces = true
	case word == "dns":
		s.DNS = true
	case word == "metadata":
		s.Metadata = true
	case name == "metadata" && more:
		cloud := Cloud(rest)
		if !slices.Contains(Clouds(), cloud) {
			return fmt.Errorf("no metadata of %q is known: want metadata:aws, gcp, azure, oci, hetzner or digitalocean", rest)
		}
		if !slices.Contains(s.Clouds, cloud) {
			s.Clouds = append(s.Clouds, cloud)
		}
	case name == "stun" && more:
		if err := checkServer(rest); err != nil {
			return fmt.Errorf("%q: %w", word, err)
		}
		if !slices.Contains(s.STUN, rest) {
			s.STUN = append(s.STUN, rest)
		}
	default:
		return fmt.Errorf("no source %q: want a list of interfaces, dns, metadata, metadata:aws and stun:host:port", word)
	}
	return nil
}

// checkServer accepts a host and a port number.
func checkServer(server string) error {
	host, port, err := net.SplitHostPort(server)
	if err != nil || host == "" {
		return errors.New("want a host and a port, such as stun:stun.example.org:3478")
	}
	if at, err := netip.ParseAddrPort(net.JoinHostPort("::", port)); err != nil || at.Port() == 0 {
		return errors.New("want a port number, such as stun:stun.example.org:3478")
	}
	return nil
}

// String writes what UnmarshalText reads.
func (s Sources) String() string {
	var words []string
	if s.Interfaces {
		words = append(words, "interfaces")
	}
	if s.DNS {
		words = append(words, "dns")
	}
	if s.Metadata {
		words = append(words, "metadata")
	}
	for _, cloud := range s.Clouds {
		words = append(words, "metadata:"+string(cloud))
	}
	for _, server := range s.STUN {
		words = append(words, "stun:"+server)
	}
	return strings.Join(words, ",")
}

// isDefault tells whether nothing was named.
func (s Sources) isDefault() bool { return s.String() == "" }
