package natlab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// network numbers what a router stands in front of. Each side has two, the one
// in which its client is at first and the one that Move takes it to: 1 and 3
// are A's, 2 and 4 are B's.
type network byte

// sides is how many networks are between the two of one side.
const sides = 2

func (s Side) home() network { return network(s) + 1 }

// elsewhere is the other network of the same side.
func (n network) elsewhere() network {
	if n > sides {
		return n - sides
	}
	return n + sides
}

func (n network) routerAddr() netip.Addr {
	return netip.AddrFrom4([4]byte{51, 51, 51, 100 + byte(n)})
}

func (n network) privateAddr() netip.Addr { return netip.AddrFrom4([4]byte{10, byte(n), 0, 2}) }
func (n network) publicAddr() netip.Addr  { return netip.AddrFrom4([4]byte{51, 51, byte(n), 2}) }

// ipv4Addr is a client's own, behind a router that does nat.
func (n network) ipv4Addr(nat NAT) netip.Addr {
	if nat == NoNAT {
		return n.publicAddr()
	}
	return n.privateAddr()
}

func (n network) ipv6Addr() netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0x2a, 0x0a, 0x51, 0x51, 0, byte(n), 15: 2})
}

// routerAddrs is what ip is told to give the router of a side its addresses.
func (l *Lab) routerAddrs(side Side) string {
	other := (1 - side).home()
	return fmt.Sprintf(routerAddrs, l.network[side], other, other.elsewhere())
}

// unplug and plugIn are what a client notices of its cable.
const (
	unplug = "\nlink set eth0 down"
	plugIn = "link set eth0 up"
)

// Unplug takes the network from a client: its link goes down, and it has no
// address. Move gives it another one; nothing else may be set before.
func (l *Lab) Unplug(ctx context.Context, side Side) error {
	client := l.client[side]
	if err := client.ip(ctx, takeAll(client.addrs)+unplug); err != nil {
		return fmt.Errorf("unplug client of side %v: %w", side, err)
	}
	client.addrs = nil
	return nil
}

// Move takes a client to another network, as a phone goes from the Wi-Fi to the
// mobile network; called again, it takes it back. The client loses its link and
// its addresses, and then has others; so has its router, which does the same
// NAT and has forgotten every flow. What is sent to the old addresses is lost.
// Names, loss and delay stay as they are.
//
// All that takes some hundredths of a second. Chromium tells its pages of it,
// Firefox only if the network was away for more than a second: Unplug before.
func (l *Lab) Move(ctx context.Context, side Side) error {
	if err := l.Unplug(ctx, side); err != nil {
		return err
	}
	if err := l.move(ctx, side); err != nil {
		return fmt.Errorf("move client of side %v to another network: %w", side, err)
	}
	return nil
}

func (l *Lab) move(ctx context.Context, side Side) error {
	router := l.router[side]
	l.network[side] = l.network[side].elsewhere()
	router.addrs = []netip.Addr{l.network[side].routerAddr()}
	if err := errors.Join(router.ip(ctx, l.routerAddrs(side)), l.client[side].ip(ctx, plugIn)); err != nil {
		return err
	}
	if err := settle(ctx, router); err != nil {
		return err
	}
	return l.SetNAT(ctx, side, l.nat[side]) // gives the client its addresses
}
