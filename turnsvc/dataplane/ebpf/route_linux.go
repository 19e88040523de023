package ebpf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// netlinkTimeout bounds a question to the kernel, which answers at once.
const netlinkTimeout = 5 * time.Second

// minIPv6MTU is what every link carries (RFC 8200 §5). Longer packets of IPv6
// nobody may fragment on their way: so they go through user space, whose sockets
// know what the way carries. IPv4 packets are sent without DF.
const minIPv6MTU = 1280

// A router asks the kernel for ways.
type router struct {
	*netlink.Handle

	mu    sync.Mutex
	cards map[int]int // the MTU of each network card that can be sent to
}

func newRouter() (*router, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("ask for routes: %w", err)
	}
	if err := h.SetSocketTimeout(netlinkTimeout); err != nil {
		h.Close()
		return nil, fmt.Errorf("ask for routes: %w", err)
	}
	return &router{Handle: h, cards: map[int]int{}}, nil
}

func (r *router) close() { r.Close() }

func (r *router) setCards(cards map[int]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cards = cards
}

// A hop is the next one on a way.
type hop struct {
	card   int        // the index of the interface
	next   netip.Addr // who is sent to there
	source netip.Addr // from where
	mtu    uint32
}

// to finds the way that the kernel's sockets would take from source, which may be
// unspecified. There is none if it ends on this machine, or on something that is
// no Ethernet.
func (r *router) to(ip, source netip.Addr) (h hop, ok bool) {
	options := new(netlink.RouteGetOptions)
	if !source.IsUnspecified() {
		options.SrcAddr = source.AsSlice()
	}
	routes, err := r.RouteGetWithOptions(ip.AsSlice(), options)
	if err != nil || len(routes) == 0 || routes[0].Type != unix.RTN_UNICAST {
		return h, false
	}
	route := routes[0]
	r.mu.Lock()
	mtu := r.cards[route.LinkIndex]
	r.mu.Unlock()
	if mtu == 0 {
		return h, false
	}
	h = hop{card: route.LinkIndex, next: ip, source: source, mtu: uint32(mtu)}
	if route.MTU > 0 {
		h.mtu = min(h.mtu, uint32(route.MTU))
	}
	if ip.Is6() {
		h.mtu = min(h.mtu, minIPv6MTU)
	}
	if source.IsUnspecified() {
		h.source = plain(route.Src)
	}
	if via, ok := route.Via.(*netlink.Via); ok {
		h.next = plain(via.Addr)
	} else if route.Gw != nil {
		h.next = plain(route.Gw)
	}
	return h, h.source.IsValid() && h.next.IsValid() && family(h.source) == family(ip)
}

// plain is an address without the IPv6 form of IPv4.
func plain(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// step is what a hop says of a step.
func (h hop) step() relayStep {
	return relayStep{Ifindex: uint32(h.card), Mtu: h.mtu, Next: words(h.next), NextFamily: family(h.next)}
}

// A routeWatch tells that interfaces, addresses or routes have changed.
type routeWatch struct {
	socket  *nl.NetlinkSocket
	changed chan struct{} // holds one
	done    sync.WaitGroup
}

func watchRoutes() (*routeWatch, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE,
		unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE)
	if err != nil {
		return nil, fmt.Errorf("watch routes: %w", err)
	}
	w := &routeWatch{socket: socket, changed: make(chan struct{}, 1)}
	w.done.Go(w.read)
	return w, nil
}

// read ends when the socket is closed. That messages were lost means as much as
// one.
func (w *routeWatch) read() {
	for {
		_, _, err := w.socket.Receive()
		if err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EINTR) {
			return
		}
		select {
		case w.changed <- struct{}{}:
		default:
		}
	}
}

func (w *routeWatch) close() {
	w.socket.Close()
	w.done.Wait()
}
