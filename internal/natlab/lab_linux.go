package natlab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Side tells the two clients apart.
type Side int

// The two sides of a lab.
const (
	SideA Side = iota
	SideB
)

// String is A or B.
func (s Side) String() string { return [...]string{"A", "B"}[s] }

// number is the digit of a side in addresses and names of interfaces.
func (s Side) number() byte { return byte(s) + 1 }

func (s Side) routerAddr() netip.Addr  { return netip.AddrFrom4([4]byte{51, 51, 51, 100 + s.number()}) }
func (s Side) privateAddr() netip.Addr { return netip.AddrFrom4([4]byte{10, s.number(), 0, 2}) }
func (s Side) publicAddr() netip.Addr  { return netip.AddrFrom4([4]byte{51, 51, s.number(), 2}) }
func (s Side) ipv6Addr() netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0x2a, 0x0a, 0x51, 0x51, 0, s.number(), 15: 2})
}

// closeTimeout bounds Close; a healthy lab is gone in a tenth of a second.
const closeTimeout = 20 * time.Second

// Lab is a server and two clients behind a NAT each. Its methods are not safe
// for concurrent use, those of its hosts are as long as no Set method runs.
type Lab struct {
	bridge *Host
	server *Host
	router [2]*Host
	client [2]*Host
}

// Available says why no lab can be built here and what would help, or nil.
func Available() error {
	if os.Geteuid() != 0 {
		return errors.New("natlab: only root may make network namespaces: run as root (sudo)")
	}
	for _, tool := range []struct{ name, pkg string }{{"ip", "iproute2"}, {"nft", "nftables"}} {
		if _, err := exec.LookPath(tool.name); err != nil {
			return fmt.Errorf("natlab: no %s in PATH: install %s (Debian: apt-get install %s)", tool.name, tool.pkg, tool.pkg)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := try(ctx); err != nil {
		return fmt.Errorf("natlab: this machine forbids namespaces or lacks NAT (a container needs --privileged, the kernel nf_tables): %w", err)
	}
	return nil
}

// try does once what a lab needs most.
func try(ctx context.Context) error {
	h := &Host{namespace: newLabName().part("try")}
	rules, err := RestrictedCone.ruleset(SideA.privateAddr(), SideA.routerAddr())
	if err != nil {
		return err
	}
	if err := ip(ctx, "netns add "+h.namespace); err != nil {
		return err
	}
	return errors.Join(h.nft(ctx, rules), h.Do(forgetFlows), remove(ctx, []string{h.namespace}))
}

// New builds a lab, client A behind an a and client B behind a b, after
// removing what killed processes left of theirs. It leaves nothing behind when
// it fails.
func New(ctx context.Context, a, b NAT) (*Lab, error) {
	if err := sweep(ctx); err != nil {
		return nil, fmt.Errorf("sweep dead labs: %w", err)
	}
	l := newLab(newLabName())
	if err := l.build(ctx, a, b); err != nil {
		return nil, errors.Join(fmt.Errorf("build lab: %w", err), l.close(context.WithoutCancel(ctx)))
	}
	return l, nil
}

func (l *Lab) build(ctx context.Context, a, b NAT) error {
	if err := ip(ctx, "netns add "+strings.Join(l.namespaces(), "\nnetns add ")); err != nil {
		return err
	}
	for _, host := range l.hosts() {
		if err := host.Do(skipDAD); err != nil {
			return err
		}
	}
	for _, step := range l.steps() {
		if err := step.host.ip(ctx, step.script); err != nil {
			return err
		}
	}
	for _, router := range l.router {
		if err := router.Do(forwardPackets); err != nil {
			return err
		}
	}
	return errors.Join(l.SetNAT(ctx, SideA, a), l.SetNAT(ctx, SideB, b))
}

// hosts lists all that the lab is made of.
func (l *Lab) hosts() []*Host {
	return []*Host{l.bridge, l.server, l.router[SideA], l.router[SideB], l.client[SideA], l.client[SideB]}
}

func (l *Lab) namespaces() []string {
	var list []string
	for _, host := range l.hosts() {
		list = append(list, host.namespace)
	}
	return list
}

// Close ends every process that still runs in the lab and removes the lab.
func (l *Lab) Close() error { return l.close(context.Background()) }

func (l *Lab) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	return remove(ctx, l.namespaces())
}

// Server is the host with public addresses.
func (l *Lab) Server() *Host { return l.server }

// Client is the host behind the router of that side.
func (l *Lab) Client(side Side) *Host { return l.client[side] }

// Outside is the address under which the world sees a client.
func (l *Lab) Outside(side Side) netip.Addr {
	if addr := l.client[side].Addr(); addr == side.publicAddr() {
		return addr
	}
	return l.router[side].Addr()
}

// SetNAT replaces what the router of a side does. Flows that were open are
// forgotten, and a client that gains or loses a NAT changes its address.
func (l *Lab) SetNAT(ctx context.Context, side Side, nat NAT) error {
	client, router := l.client[side], l.router[side]
	before, after := client.Addr(), side.privateAddr()
	if nat == NoNAT {
		after = side.publicAddr()
	}
	rules, err := nat.ruleset(after, router.Addr())
	if err != nil {
		return err
	}
	if err := errors.Join(router.nft(ctx, rules), router.Do(forgetFlows)); err != nil {
		return fmt.Errorf("make router of side %v %s: %w", side, nat, err)
	}
	if before == after {
		return nil
	}
	if err := client.ip(ctx, fmt.Sprintf(readdressSetup, before, after, after.Prev())); err != nil {
		return fmt.Errorf("give client of side %v address %v: %w", side, after, err)
	}
	client.addrs[0] = after
	return nil
}

// SetIPv6 gives a client a public IPv6 address or takes it away. No router
// translates IPv6; those that filter treat it as they treat IPv4.
func (l *Lab) SetIPv6(ctx context.Context, side Side, on bool) error {
	client, addr := l.client[side], side.ipv6Addr()
	setup := takeIPv6
	if on {
		setup = giveIPv6
	}
	if err := client.ip(ctx, fmt.Sprintf(setup, addr, addr.Prev())); err != nil {
		return fmt.Errorf("set IPv6 of side %v to %t: %w", side, on, err)
	}
	client.addrs = client.addrs[:1]
	if on {
		client.addrs = append(client.addrs, addr)
	}
	return nil
}
