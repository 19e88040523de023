package natlab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// carrierSetup takes the bridge's namespace and the number of the side. The cable
// that went from the client's own router to the bridge has become lan0.
const carrierSetup = `
link set lo up
link add wan0 gso_max_segs 1 type veth peer name wan%[2]d gso_max_segs 1 netns %[1]s
link set wan0 up
link set lan0 up
addr add 51.51.51.10%[2]d/24 dev wan0
addr add 100.64.%[2]d.1/24 dev lan0` + routes4

// carriedSetup is what then becomes of the client's own router. It has IPv4 alone:
// what the carrier does not translate it does not have.
const carriedSetup = `
addr flush dev wan0 scope global
addr add 100.64.%[1]d.2/24 dev wan0
route add default via 100.64.%[1]d.1`

// carriedAddr is what a carrier gives the router of a client (RFC 6598).
func (s Side) carriedAddr() netip.Addr { return netip.AddrFrom4([4]byte{100, 64, s.number(), 2}) }

// AddCarrier puts another router between that of a side and the world, with
// translation of its own: the client is behind two NATs, as behind those of
// mobile networks and of providers that have few addresses (RFC 6888). What the
// client's own router does stays as it is, and may still be set; it must
// translate. The side has no IPv6 then, does not Move, and its delay is set
// afterwards. It can be done once.
//
//	wan0 │ 51.51.51.101
//	┌────┴────┐
//	│ ga, NAT │
//	└────┬────┘
//	lan0 │ 100.64.1.1
//	wan0 │ 100.64.1.2
//	┌────┴────┐
//	│ ra, NAT │
//	└────┬────┘
func (l *Lab) AddCarrier(ctx context.Context, side Side, nat NAT) error {
	if err := l.addCarrier(ctx, side, nat); err != nil {
		return fmt.Errorf("put a carrier's %s in front of side %v: %w", nat, side, err)
	}
	return nil
}

func (l *Lab) addCarrier(ctx context.Context, side Side, nat NAT) error {
	switch {
	case l.carrier[side] != nil:
		return errors.New("there is one")
	case l.delay[side] != nil:
		return errors.New("the delay is set afterwards")
	case l.network[side] != side.home():
		return errors.New("the client has moved")
	case l.nat[side] == NoNAT, nat == NoNAT, l.family[side] != IPv4:
		return errors.New("want IPv4 and NATs that translate")
	}
	outside := l.router[side].Addr()
	rules, err := nat.ruleset(side.carriedAddr(), outside)
	if err != nil {
		return err
	}
	carrier := &Host{namespace: l.name.part("g" + l.router[side].namespace[len(l.router[side].namespace)-1:]), addrs: []netip.Addr{outside}}
	if err := ip(ctx, "netns add "+carrier.namespace); err != nil {
		return err
	}
	l.carrier[side] = carrier
	for _, step := range []step{
		{l.bridge, fmt.Sprintf("link set wan%d nomaster netns %s name lan0", side.number(), carrier.namespace)},
		{l.router[side], fmt.Sprintf(carriedSetup, side.number())},
		{carrier, fmt.Sprintf(carrierSetup, l.bridge.namespace, side.number())},
		{l.bridge, fmt.Sprintf("link set wan%d master br0 up", side.number())},
	} {
		if err := step.host.ip(ctx, step.script); err != nil {
			return err
		}
	}
	l.router[side].addrs = []netip.Addr{side.carriedAddr()}
	return errors.Join(carrier.Do(forwardPackets), carrier.nft(ctx, rules),
		settle(ctx, carrier, l.router[side], l.bridge), l.SetNAT(ctx, side, l.nat[side]))
}
