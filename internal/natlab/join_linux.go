package natlab

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
)

// joinSetup takes the name of the host, the bridge's namespace and the address.
const joinSetup = `
link set lo up
link add eth0 gso_max_segs 1 type veth peer name %[1]s gso_max_segs 1 netns %[2]s
link set eth0 up
addr add %[3]s/24 dev eth0` + routes4

// joinedName is what the name of a joined host may be: it is that of an interface
// too, and none of the plan's.
var joinedName = regexp.MustCompile(`^[a-z]{2,10}[0-9]*$`)

// Join adds a host of the world to the lab, with a cable of its own to the bridge:
// another server, a database, a load balancer. Its name is two to ten small letters
// and perhaps a number, and no other host's; its address is of 51.51.51.0/24, and
// nobody's. Close removes it with the lab.
func (l *Lab) Join(ctx context.Context, name string, addr netip.Addr) (*Host, error) {
	h := &Host{namespace: l.name.part(name), addrs: []netip.Addr{addr}}
	if err := l.join(ctx, h, name); err != nil {
		return nil, fmt.Errorf("join host %s at %v: %w", name, addr, err)
	}
	return h, nil
}

func (l *Lab) join(ctx context.Context, h *Host, name string) error {
	if !joinedName.MatchString(name) {
		return fmt.Errorf("want a name like %v", joinedName)
	}
	if err := ip(ctx, "netns add "+h.namespace); err != nil {
		return err // of another host of that name, perhaps: it stays
	}
	l.joined = append(l.joined, h)
	if err := h.Do(skipDAD); err != nil {
		return err
	}
	if err := h.learnNames(l.names); err != nil {
		return err
	}
	if err := h.ip(ctx, fmt.Sprintf(joinSetup, name, l.bridge.namespace, h.Addr())); err != nil {
		return err
	}
	if err := l.bridge.ip(ctx, "link set "+name+" master br0 up"); err != nil {
		return err
	}
	return settle(ctx, h, l.bridge)
}
