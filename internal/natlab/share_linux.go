package natlab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
)

// switchSetup makes a switch of a router's side towards its client: lan0 stays what
// the rules call it, and port0 is the client's cable.
const switchSetup = `
link set lan0 down
addr flush dev lan0
link set lan0 name port0
link add lan0 type bridge
link set port0 master lan0 up
link set port1 master lan0 up
link set lan0 up
addr add 10.1.0.1/24 dev lan0
addr add 2a0a:5151:1::1/64 dev lan0`

// Share takes client B from behind its own router and puts it behind A's, beside
// A: two people in one home. B has the address 10.1.0.3 there, and the world sees
// both at that of the one router. It must be one that translates for as many as
// there are: not NoNAT, and none that lets in what nobody asked for, which can be
// for one of them only. It can be done once; afterwards nothing of side B may be
// set, and A's family and network stay.
func (l *Lab) Share(ctx context.Context) error {
	if err := l.share(ctx); err != nil {
		return fmt.Errorf("put client B behind the router of A: %w", err)
	}
	return nil
}

func (l *Lab) share(ctx context.Context) error {
	switch nat := l.nat[SideA]; {
	case l.shared:
		return errors.New("it is there")
	case nat == NoNAT, nat == FullCone, nat == RestrictedCone:
		return fmt.Errorf("%s serves one client", nat)
	case l.network != [2]network{SideA.home(), SideB.home()}, l.family != [2]Family{}:
		return errors.New("a client has moved, or has IPv6")
	}
	l.shared = true
	client, router, former := l.client[SideB], l.router[SideA], l.router[SideB]
	beside := netip.AddrFrom4([4]byte{10, 1, 0, 3})
	var addresses strings.Builder
	addresses.WriteString(takeAll(client.addrs))
	_, _ = fmt.Fprintf(&addresses, giveAddress, beside, prefixLen(beside), "10.1.0.1")
	for _, step := range []step{
		{former, "link set lan0 netns " + router.namespace + " name port1"},
		{router, switchSetup},
		{client, addresses.String()},
	} {
		if err := step.host.ip(ctx, step.script); err != nil {
			return err
		}
	}
	client.addrs = []netip.Addr{beside}
	if err := router.Do(switchDirectly); err != nil {
		return err
	}
	return settle(ctx, router, client)
}

// switchDirectly keeps what passes a switch from the rules of the router, where the
// kernel has br_netfilter.
func switchDirectly() error {
	var errs []error
	for _, table := range []string{"ip", "ip6", "arp"} {
		err := os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-"+table+"tables", []byte("0"), 0o600)
		if !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
