package turnsvc

import "net/netip"

// deniedPrefixes are the addresses that no stranger may reach through a relay:
// the special-purpose ranges of IANA (RFC 6890 and its registries), multicast,
// and every IPv6 range that carries an IPv4 address inside.
func deniedPrefixes() []netip.Prefix {
	return parsePrefixes(
		"0.0.0.0/8",        // this network; Linux takes 0.0.0.0 for itself
		"10.0.0.0/8",       // private
		"100.64.0.0/10",    // carrier NAT; metadata of one cloud
		"127.0.0.0/8",      // loopback
		"168.63.129.16/32", // the host below an Azure machine
		"169.254.0.0/16",   // link-local; metadata of most clouds
		"172.16.0.0/12",    // private
		"192.0.0.0/24",     // IETF protocols
		"192.0.2.0/24",     // documentation
		"192.88.99.0/24",   // 6to4 relays
		"192.168.0.0/16",   // private
		"198.18.0.0/15",    // benchmarks
		"198.51.100.0/24",  // documentation
		"203.0.113.0/24",   // documentation
		"224.0.0.0/4",      // multicast
		"240.0.0.0/4",      // reserved; broadcast
		"::/96",            // unspecified, loopback, and IPv4 inside
		"::ffff:0:0/96",    // IPv4 inside
		"::ffff:0:0:0/96",  // IPv4 inside (SIIT)
		"64:ff9b::/96",     // NAT64
		"64:ff9b:1::/48",   // local NAT64
		"100::/64",         // discard
		"100:0:0:1::/64",   // dummy
		"2001::/32",        // Teredo
		"2001:2::/48",      // benchmarks
		"2001:10::/28",     // ORCHID
		"2001:20::/28",     // ORCHIDv2
		"2001:db8::/32",    // documentation
		"2002::/16",        // 6to4
		"3fff::/20",        // documentation
		"5f00::/16",        // segment routing
		"fc00::/7",         // private; metadata of one cloud
		"fe80::/10",        // link-local
		"fec0::/10",        // site-local
		"ff00::/8",         // multicast
	)
}

func parsePrefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// A carrier is an IPv6 range whose addresses have IPv4 addresses inside, which a
// translator or a tunnel on the way may unwrap.
type carrier struct {
	prefix netip.Prefix
	inside func(b [16]byte) []netip.Addr
}

func carriers() []carrier {
	last := func(b [16]byte) []netip.Addr { return []netip.Addr{ipv4(b[12:])} }
	return []carrier{
		{netip.MustParsePrefix("::/96"), last},
		{netip.MustParsePrefix("::ffff:0:0:0/96"), last},
		{netip.MustParsePrefix("64:ff9b::/96"), last}, // RFC 6052 §2.1
		{netip.MustParsePrefix("64:ff9b:1::/48"), func(b [16]byte) []netip.Addr {
			// RFC 8215 leaves open how: RFC 6052 §2.2 with /48, or a /96 within.
			return []netip.Addr{ipv4(b[12:]), netip.AddrFrom4([4]byte{b[6], b[7], b[9], b[10]})}
		}},
		{netip.MustParsePrefix("2002::/16"), func(b [16]byte) []netip.Addr {
			return []netip.Addr{ipv4(b[2:])} // RFC 3056 §2
		}},
		{netip.MustParsePrefix("2001::/32"), func(b [16]byte) []netip.Addr {
			// RFC 4380 §4: the Teredo server, and the client with its bits inverted.
			return []netip.Addr{ipv4(b[4:]), netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})}
		}},
	}
}

func ipv4(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b[:4])) }
