package natlab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
)

// Hairpin says what becomes of packets that a server behind a 1:1 NAT sends to
// its own outer address. Clouds differ.
type Hairpin string

// The two kinds of clouds.
const (
	HairpinLost  Hairpin = "nohairpin" // they are dropped
	HairpinWorks Hairpin = "hairpin"   // they come back, from the outer address (RFC 4787 §6)
)

// gateSetup takes the namespaces of the bridge and of the server.
const gateSetup = `
link set lo up
link add wan0 gso_max_segs 1 type veth peer name srv gso_max_segs 1 netns %s
link add lan0 gso_max_segs 1 type veth peer name eth0 gso_max_segs 1 netns %s
link set wan0 up
link set lan0 up
addr add 10.0.0.1/24 dev lan0
addr add 169.254.169.254/32 dev lan0`

// hiddenSetup is the server's end of it.
const hiddenSetup = `
link set eth0 up
addr add 10.0.0.10/24 dev eth0
route add default via 10.0.0.1`

// hiddenAddr is the server's own address behind the 1:1 NAT.
func hiddenAddr() netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, 10}) }

// HideServer puts the server behind a static 1:1 NAT, as clouds do: its own
// address becomes 10.0.0.10, its only one, and the world reaches it at outside,
// an address of 51.51.51.0/24 that nobody has. Called again it moves the outer
// address. Flows that were open are lost, and sockets that listened at an old
// address of the server hear nothing more.
func (l *Lab) HideServer(ctx context.Context, outside netip.Addr, hairpin Hairpin) error {
	if err := l.hideServer(ctx, outside, hairpin); err != nil {
		return fmt.Errorf("put the server behind a 1:1 NAT at %v: %w", outside, err)
	}
	return nil
}

func (l *Lab) hideServer(ctx context.Context, outside netip.Addr, hairpin Hairpin) error {
	rules, err := ruleset(hiddenAddr(), outside, "every", "static", string(hairpin))
	if err != nil {
		return err
	}
	if !l.hidden {
		if err := l.buildGate(ctx); err != nil {
			return err
		}
	}
	setup := fmt.Sprintf("addr add %s/24 dev wan0", outside) + routes4
	if l.outside.IsValid() {
		setup = fmt.Sprintf("addr del %s/24 dev wan0\n", l.outside) + setup // and its routes
	}
	l.outside = outside
	return errors.Join(l.gate.ip(ctx, setup), l.gate.nft(ctx, rules), l.gate.Do(forgetFlows))
}

// buildGate cuts the server's cable and puts a router between.
func (l *Lab) buildGate(ctx context.Context) error {
	if err := ip(ctx, "netns add "+l.gate.namespace); err != nil {
		return err
	}
	l.hidden = true
	if err := errors.Join(l.gate.learnNames(l.names), l.bridge.ip(ctx, "link del srv")); err != nil {
		return err
	}
	for _, step := range []step{
		{l.gate, fmt.Sprintf(gateSetup, l.bridge.namespace, l.server.namespace)},
		{l.server, hiddenSetup},
		{l.bridge, "link set srv master br0 up"},
	} {
		if err := step.host.ip(ctx, step.script); err != nil {
			return err
		}
	}
	l.server.addrs = []netip.Addr{hiddenAddr()}
	if err := l.gate.Do(func() error { return errors.Join(forwardPackets(), sendNoRedirects()) }); err != nil {
		return err
	}
	return settle(ctx, l.gate, l.server, l.bridge)
}

// sendNoRedirects keeps a router quiet that sends packets back where they came
// from: it would tell the server to talk to itself.
func sendNoRedirects() error {
	return errors.Join(
		os.WriteFile("/proc/sys/net/ipv4/conf/all/send_redirects", []byte("0"), 0o600),
		os.WriteFile("/proc/sys/net/ipv4/conf/lan0/send_redirects", []byte("0"), 0o600))
}

// ServerOutside is the IPv4 address at which the world reaches the server.
func (l *Lab) ServerOutside() netip.Addr {
	if l.hidden {
		return l.outside
	}
	return l.server.Addr()
}

// Cloud is the router in front of a hidden server. Who listens there on
// 169.254.169.254 is asked by the server for what the cloud knows of it, and
// reached by nobody else.
func (l *Lab) Cloud() *Host { return l.gate }
