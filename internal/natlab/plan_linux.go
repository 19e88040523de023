package natlab

import (
	"fmt"
	"net/netip"
)

// step is what ip is told inside one host.
type step struct {
	host   *Host
	script string
}

// Segments are not merged on any link (gso_max_segs 1): the rules see what
// would be on a wire.

// bridgeSetup also makes a host of the bridge: it is what Elsewhere returns. Its
// link address is fixed, else it would be that of one of the ports, and change
// as they come and go.
const bridgeSetup = `
link set lo up
link add br0 address 02:00:51:51:51:12 type bridge
link set br0 up
addr add 51.51.51.12/24 dev br0
addr add 2a0a:5151::12/64 dev br0` + routes4 + routes6

// routes4 and routes6 lead to clients whose own address is public.
const (
	routes4 = `
route add 51.51.1.0/24 via 51.51.51.101
route add 51.51.2.0/24 via 51.51.51.102
route add 51.51.3.0/24 via 51.51.51.103
route add 51.51.4.0/24 via 51.51.51.104`
	routes6 = `
route add 2a0a:5151:1::/64 via 2a0a:5151::101
route add 2a0a:5151:2::/64 via 2a0a:5151::102
route add 2a0a:5151:3::/64 via 2a0a:5151::103
route add 2a0a:5151:4::/64 via 2a0a:5151::104`
)

// serverSetup takes the bridge's namespace.
const serverSetup = `
link set lo up
link add eth0 gso_max_segs 1 type veth peer name srv gso_max_segs 1 netns %s
link set eth0 up
addr add 51.51.51.10/24 dev eth0
addr add 51.51.51.11/24 dev eth0
addr add 2a0a:5151::10/64 dev eth0` + routes4 + routes6

// clientSetup takes the router's namespace and the number of the side.
const clientSetup = `
link set lo up
link add eth0 gso_max_segs 1 type veth peer name lan0 gso_max_segs 1 netns %s
link set eth0 up
addr add 10.%[2]d.0.2/24 dev eth0
route add default via 10.%[2]d.0.1`

// routerSetup takes the bridge's namespace and the number of the side.
const routerSetup = `
link set lo up
link add wan0 gso_max_segs 1 type veth peer name wan%[2]d gso_max_segs 1 netns %[1]s
link set wan0 up
link set lan0 up`

// routerAddrs takes the numbers of the router's network, and of the two that
// the other side may be in. What the router had before is gone, but for routes
// of IPv6, which outlive the address that they were made beside.
const routerAddrs = `
addr flush dev wan0 scope global
addr flush dev lan0 scope global
addr add 51.51.51.10%[1]d/24 dev wan0
addr add 10.%[1]d.0.1/24 dev lan0
addr add 51.51.%[1]d.1/24 dev lan0
addr add 2a0a:5151::10%[1]d/64 dev wan0
addr add 2a0a:5151:%[1]d::1/64 dev lan0
route replace 51.51.%[2]d.0/24 via 51.51.51.10%[2]d
route replace 51.51.%[3]d.0/24 via 51.51.51.10%[3]d
route replace 2a0a:5151:%[2]d::/64 via 2a0a:5151::10%[2]d
route replace 2a0a:5151:%[3]d::/64 via 2a0a:5151::10%[3]d`

// plugSetup connects the hosts to the bridge.
const plugSetup = `
link set srv master br0 up
link set wan1 master br0 up
link set wan2 master br0 up`

// giveAddress and takeAddress take an address of a client, the length of its
// prefix, and the router's address beside it.
const (
	giveAddress = `
addr add %s/%d dev eth0
route add default via %s`
	takeAddress = `
route del default via %[3]s
addr del %[1]s/%[2]d dev eth0`
)

// newLab is the plan of the lab: its hosts and their addresses.
func newLab(name labName) *Lab {
	host := func(part string, addrs ...netip.Addr) *Host {
		return &Host{namespace: name.part(part), addrs: addrs}
	}
	return &Lab{
		name:    name,
		bridge:  host("pub", netip.MustParseAddr("51.51.51.12"), netip.MustParseAddr("2a0a:5151::12")),
		server:  host("srv", netip.MustParseAddr("51.51.51.10"), netip.MustParseAddr("51.51.51.11"), netip.MustParseAddr("2a0a:5151::10")),
		gate:    host("rs", netip.MustParseAddr("169.254.169.254")),
		router:  [2]*Host{host("ra", SideA.home().routerAddr()), host("rb", SideB.home().routerAddr())},
		client:  [2]*Host{host("ca", SideA.home().privateAddr()), host("cb", SideB.home().privateAddr())},
		nat:     [2]NAT{UDPBlocked, UDPBlocked}, // any that translates: the plan gives clients private addresses
		network: [2]network{SideA.home(), SideB.home()},
		names:   map[string][]netip.Addr{},
	}
}

// steps is the order in which the plan becomes real. Both ends of a cable are
// made at once, by the host that is farther from the bridge.
func (l *Lab) steps() []step {
	steps := []step{
		{l.bridge, bridgeSetup},
		{l.server, fmt.Sprintf(serverSetup, l.bridge.namespace)},
	}
	for _, side := range []Side{SideA, SideB} {
		steps = append(steps,
			step{l.client[side], fmt.Sprintf(clientSetup, l.router[side].namespace, side.number())},
			step{l.router[side], fmt.Sprintf(routerSetup, l.bridge.namespace, side.number()) + l.routerAddrs(side)})
	}
	return append(steps, step{l.bridge, plugSetup})
}
