package natlab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
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

// number is the digit of a side in names of interfaces.
func (s Side) number() byte { return byte(s) + 1 }

// closeTimeout bounds Close; a healthy lab is gone in a tenth of a second.
const closeTimeout = 20 * time.Second

// Lab is a server and two clients behind a NAT each. Its methods are not safe
// for concurrent use, those of its hosts are as long as no Set method runs.
type Lab struct {
	name    labName
	bridge  *Host
	server  *Host
	gate    *Host // in front of the server; its namespace exists since HideServer
	router  [2]*Host
	client  [2]*Host
	carrier [2]*Host // between a router and the world; nil: none
	joined  []*Host

	hidden  bool       // there is a gate
	outside netip.Addr // of the server, once there is a gate
	shared  bool       // client B is behind A's router
	nat     [2]NAT
	loss    [2]int // percent
	delay   [2]*delayLine
	pace    [2]pace
	network [2]network
	family  [2]Family
	names   map[string][]netip.Addr
}

// Available says why no lab can be built here and what would help, or nil.
func Available() error {
	if err := permitted(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := try(ctx); err != nil {
		return fmt.Errorf("natlab: this machine forbids namespaces or lacks NAT (a container needs --privileged, the kernel nf_tables): %w", err)
	}
	return nil
}

// permitted says which right or tool is missing, or nil.
func permitted() error {
	if os.Geteuid() != 0 {
		return errors.New("natlab: only root may make network namespaces: run as root (sudo)")
	}
	for _, tool := range []struct{ name, pkg string }{{"ip", "iproute2"}, {"nft", "nftables"}} {
		if _, err := exec.LookPath(tool.name); err != nil {
			return fmt.Errorf("natlab: no %s in PATH: install %s (Debian: apt-get install %s)", tool.name, tool.pkg, tool.pkg)
		}
	}
	return nil
}

// try does once what a lab needs most.
func try(ctx context.Context) error {
	h := &Host{namespace: newLabName().part("try")}
	rules, err := RestrictedCone.ruleset(SideA.home().privateAddr(), SideA.home().routerAddr())
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
		if err := errors.Join(host.Do(skipDAD), host.learnNames(l.names)); err != nil {
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
	return errors.Join(settle(ctx, l.hosts()...), l.SetNAT(ctx, SideA, a), l.SetNAT(ctx, SideB, b))
}

// hosts lists all that the lab is made of.
func (l *Lab) hosts() []*Host {
	list := []*Host{l.bridge, l.server, l.router[SideA], l.router[SideB], l.client[SideA], l.client[SideB]}
	if l.hidden {
		list = append(list, l.gate)
	}
	for _, carrier := range l.carrier {
		if carrier != nil {
			list = append(list, carrier)
		}
	}
	return append(list, l.joined...)
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
	var errs []error
	for side, line := range l.delay {
		if line != nil {
			errs = append(errs, line.close())
			l.delay[side] = nil
		}
	}
	return errors.Join(append(errs, remove(ctx, l.namespaces()))...)
}

// Server is the host that everybody reaches: at public addresses of its own,
// or, once it is hidden, at ServerOutside.
func (l *Lab) Server() *Host { return l.server }

// Client is the host behind the router of that side.
func (l *Lab) Client(side Side) *Host { return l.client[side] }

// Elsewhere is a host of the world that is neither the server nor a client,
// 51.51.51.12 and 2a0a:5151::12: for a STUN server of others, or a CA.
func (l *Lab) Elsewhere() *Host { return l.bridge }

// Outside is the address under which the world sees a client.
func (l *Lab) Outside(side Side) netip.Addr {
	if l.shared {
		side = SideA
	}
	if carrier := l.carrier[side]; carrier != nil {
		return carrier.Addr()
	}
	if addr := l.client[side].Addr(); addr.Is6() || addr == l.network[side].publicAddr() {
		return addr
	}
	return l.router[side].Addr()
}

// SetNAT replaces what the router of a side does. Flows that were open are
// forgotten, and a client that gains or loses a NAT changes its IPv4 address.
func (l *Lab) SetNAT(ctx context.Context, side Side, nat NAT) error {
	router, network := l.router[side], l.network[side]
	rules, err := nat.ruleset(network.ipv4Addr(nat), router.Addr())
	if err != nil {
		return err
	}
	if err := errors.Join(router.nft(ctx, rules+lossRules(l.loss[side])), router.Do(forgetFlows)); err != nil {
		return fmt.Errorf("make router of side %v %s: %w", side, nat, err)
	}
	l.nat[side] = nat
	return l.readdress(ctx, side)
}

// Family says which addresses a client has.
type Family int

// The families of addresses. No router translates IPv6; those that filter treat
// it as they treat IPv4.
const (
	IPv4      Family = iota
	IPv6             // IPv6 alone: nothing that has only IPv4 can be reached
	DualStack        // IPv4 first
)

// String is what people call the family.
func (f Family) String() string { return [...]string{"IPv4", "IPv6", "dual stack"}[f] }

// SetFamily gives a client the addresses of a family and takes those of others.
// Clients have IPv4 unless asked.
func (l *Lab) SetFamily(ctx context.Context, side Side, family Family) error {
	l.family[side] = family
	return l.readdress(ctx, side)
}

// readdress takes addresses from a client that it shall not have, and gives it
// those that it lacks.
func (l *Lab) readdress(ctx context.Context, side Side) error {
	client, want := l.client[side], []netip.Addr{}
	if l.family[side] != IPv6 {
		want = append(want, l.network[side].ipv4Addr(l.nat[side]))
	}
	if l.family[side] != IPv4 {
		want = append(want, l.network[side].ipv6Addr())
	}
	var script strings.Builder
	script.WriteString(takeAll(slices.DeleteFunc(slices.Clone(client.addrs), func(addr netip.Addr) bool { return slices.Contains(want, addr) })))
	for _, addr := range want {
		if !slices.Contains(client.addrs, addr) {
			_, _ = fmt.Fprintf(&script, giveAddress, addr, prefixLen(addr), addr.Prev())
		}
	}
	if err := client.ip(ctx, script.String()); err != nil {
		return fmt.Errorf("give client of side %v the addresses %v: %w", side, want, err)
	}
	client.addrs = want
	return settle(ctx, client)
}

// takeAll is what ip is told to take addresses from a client.
func takeAll(addrs []netip.Addr) string {
	var script strings.Builder
	for _, addr := range addrs {
		_, _ = fmt.Fprintf(&script, takeAddress, addr, prefixLen(addr), addr.Prev())
	}
	return script.String()
}

// prefixLen is that of every network of clients.
func prefixLen(addr netip.Addr) int {
	if addr.Is6() {
		return 64
	}
	return 24
}
