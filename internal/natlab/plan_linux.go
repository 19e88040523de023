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

const bridgeSetup = `
link set lo up
link add br0 type bridge
link set br0 up`

// serverSetup takes the bridge's namespace.
const serverSetup = `
link set lo up
link add eth0 gso_max_segs 1 type veth peer name srv gso_max_segs 1 netns %s
link set eth0 up
addr add 51.51.51.10/24 dev eth0
addr add 51.51.51.11/24 dev eth0
addr add 2a0a:5151::10/64 dev eth0
route add 51.51.1.0/24 via 51.51.51.101
route add 51.51.2.0/24 via 51.51.51.102
route add 2a0a:5151:1::/64 via 2a0a:5151::101
route add 2a0a:5151:2::/64 via 2a0a:5151::102`

// clientSetup takes the router's namespace and the number of the side.
const clientSetup = `
link set lo up
link add eth0 gso_max_segs 1 type veth peer name lan0 gso_max_segs 1 netns %s
link set eth0 up
addr add 10.%[2]d.0.2/24 dev eth0
route add default via 10.%[2]d.0.1`

// routerSetup takes the bridge's namespace, and the numbers of this side and
// of the other.
const routerSetup = `
link set lo up
link add wan0 gso_max_segs 1 type veth peer name wan%[2]d gso_max_segs 1 netns %[1]s
link set wan0 up
link set lan0 up
addr add 51.51.51.10%[2]d/24 dev wan0
addr add 10.%[2]d.0.1/24 dev lan0
addr add 51.51.%[2]d.1/24 dev lan0
addr add 2a0a:5151::10%[2]d/64 dev wan0
addr add 2a0a:5151:%[2]d::1/64 dev lan0
route add 51.51.%[3]d.0/24 via 51.51.51.10%[3]d
route add 2a0a:5151:%[3]d::/64 via 2a0a:5151::10%[3]d`

// plugSetup connects the hosts to the bridge.
const plugSetup = `
link set srv master br0 up
link set wan1 master br0 up
link set wan2 master br0 up`

// readdressSetup takes the old and the new address of a client, and the
// router's address beside the new one.
const readdressSetup = `
addr del %s/24 dev eth0
addr add %s/24 dev eth0
route replace default via %s`

// giveIPv6 and takeIPv6 take a client's IPv6 address, and the router's beside
// it.
const (
	giveIPv6 = `
addr add %s/64 dev eth0
route add default via %s`
	takeIPv6 = `
route del default via %[2]s
addr del %[1]s/64 dev eth0`
)

// newLab is the plan of the lab: its hosts and their addresses.
func newLab(name labName) *Lab {
	host := func(part string, addrs ...netip.Addr) *Host {
		return &Host{namespace: name.part(part), addrs: addrs}
	}
	return &Lab{
		bridge: host("pub"),
		server: host("srv", netip.MustParseAddr("51.51.51.10"), netip.MustParseAddr("51.51.51.11"), netip.MustParseAddr("2a0a:5151::10")),
		router: [2]*Host{host("ra", SideA.routerAddr()), host("rb", SideB.routerAddr())},
		client: [2]*Host{host("ca", SideA.privateAddr()), host("cb", SideB.privateAddr())},
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
		this, other := side.number(), (1 - side).number()
		steps = append(steps,
			step{l.client[side], fmt.Sprintf(clientSetup, l.router[side].namespace, this)},
			step{l.router[side], fmt.Sprintf(routerSetup, l.bridge.namespace, this, other)})
	}
	return append(steps, step{l.bridge, plugSetup})
}
