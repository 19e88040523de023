package address

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// interfaceAddrs lists the addresses of this machine's interfaces, those with
// which it goes outside first. IPv6 addresses that will be gone soon are left
// out: temporary, deprecated, tentative ones.
func interfaceAddrs() ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list the addresses of this machine: %w", err)
	}
	fleeting := map[netip.Addr]bool{}
	if text, err := os.ReadFile("/proc/net/if_inet6"); err == nil { // Linux only
		fleeting = parseFleeting(string(text))
	}
	var addrs []netip.Addr
	for _, a := range list {
		prefix, err := netip.ParsePrefix(a.String())
		if addr := prefix.Addr().Unmap(); err == nil && !fleeting[addr] {
			addrs = append(addrs, addr)
		}
	}
	for _, f := range []Family{IPv6, IPv4} { // IPv4 ends up first
		if addr, ok := routed(f); ok {
			if i := slices.Index(addrs, addr); i > 0 {
				addrs = slices.Insert(slices.Delete(addrs, i, i+1), 0, addr)
			}
		}
	}
	return addrs, nil
}

// routed is the address from which packets to the outside go. Connecting a UDP
// socket asks the routing table and sends nothing.
func routed(f Family) (netip.Addr, bool) {
	outside := "192.0.2.1:9" // for documentation (RFC 5737): only the default route leads there
	if f == IPv6 {
		outside = "[2001:db8::1]:9"
	}
	var d net.Dialer
	conn, err := d.DialContext(context.Background(), f.network("udp"), outside)
	if err != nil {
		return netip.Addr{}, false
	}
	defer func() { _ = conn.Close() }()
	at, err := netip.ParseAddrPort(conn.LocalAddr().String())
	return at.Addr().Unmap(), err == nil
}

// Flags of an IPv6 address (linux/if_addr.h).
const (
	flagTemporary  = 0x01
	flagDADFailed  = 0x08
	flagDeprecated = 0x20
	flagTentative  = 0x40
)

// parseFleeting reads /proc/net/if_inet6: the address, the number of the
// interface, the prefix length, the scope and the flags, all in hexadecimal,
// and the name of the interface.
func parseFleeting(text string) map[netip.Addr]bool {
	fleeting := map[netip.Addr]bool{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 6 {
			continue
		}
		raw, err := hex.DecodeString(fields[0])
		addr, ok := netip.AddrFromSlice(raw)
		if err != nil || !ok || addr.Is4() {
			continue
		}
		flags, err := strconv.ParseUint(fields[4], 16, 32)
		if err == nil && flags&(flagTemporary|flagDADFailed|flagDeprecated|flagTentative) != 0 {
			fleeting[addr] = true
		}
	}
	return fleeting
}
