//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// The heads of a frame that is given to the kernel, one after another.
const (
	vnetHead  = 10 // struct virtio_net_hdr: where the checksum belongs
	etherHead = 14
	ipHead    = 20
	udpHead   = 8
	frameHead = vnetHead + etherHead + ipHead + udpHead
)

// A cable puts whole frames onto the link of a host, whoever in it they are
// from: through the sockets of all flows, one after another, they would cost
// half as much again, and the generator would be slower than what it measures. As with
// packets from sockets their checksum is left to the receiver's side, which knows
// that they were on no wire.
type cable struct {
	fd    int
	heads [][frameHead]byte // of each flow
	size  int               // of the payloads that the heads are for
	flows []hop
	ether [etherHead]byte
	vec   *vector
}

// hop is from where to where a flow's datagrams go.
type hop struct{ from, to netip.AddrPort }

// newCable opens the link of a host towards the server.
func newCable(at *natlab.Host, via *natlab.Host, viaLink string, flows []hop) (*cable, error) {
	c := &cable{flows: flows, heads: make([][frameHead]byte, len(flows)), vec: newVector()}
	err := via.Do(func() error {
		link, err := net.InterfaceByName(viaLink)
		if err == nil {
			copy(c.ether[:6], link.HardwareAddr)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for the server's link: %w", err)
	}
	binary.BigEndian.PutUint16(c.ether[12:], unix.ETH_P_IP)
	err = at.Do(func() error {
		link, err := net.InterfaceByName(pathLink)
		if err != nil {
			return err
		}
		copy(c.ether[6:12], link.HardwareAddr)
		c.fd, err = openCable(link.Index)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open the link to the server: %w", err)
	}
	return c, nil
}

// pathLink is the one link of the client, and of the peer.
const pathLink = "eth0"

// openCable opens a link for sending: with no protocol nothing is received.
func openCable(index int) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	for _, option := range []struct{ level, name, value int }{
		{unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1},
		{unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1},
		{unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBuffer},
	} {
		if err == nil {
			err = unix.SetsockoptInt(fd, option.level, option.name, option.value)
		}
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: index})
	}
	if err != nil {
		_ = unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// send sends the next packets of a lane.
func (c *cable) send(l *lane, count int, channel bool) error {
	size := wrapped(l.size, channel)
	if size != c.size {
		c.size = size
		for flow, hop := range c.flows {
			c.heads[flow] = c.head(hop, size)
		}
	}
	for count > 0 {
		for ; count > 0 && c.vec.used < vectorLen; count-- {
			frame := c.vec.add(frameHead + size)
			copy(frame, c.heads[l.flowOf(l.next)][:])
			wrap(frame[frameHead:], l, l.next, channel)
			l.next++
		}
		held, err := c.vec.send(c.fd)
		if l.held += held; err != nil {
			return fmt.Errorf("send frames: %w", err)
		}
	}
	return nil
}

// head is all of a frame before the payload, the same for all of a flow.
func (c *cable) head(h hop, size int) (head [frameHead]byte) {
	order, datagram := binary.BigEndian, udpHead+size
	head[0] = 1 // VIRTIO_NET_HDR_F_NEEDS_CSUM
	binary.NativeEndian.PutUint16(head[6:], etherHead+ipHead)
	binary.NativeEndian.PutUint16(head[8:], 6) // of the UDP header
	copy(head[vnetHead:], c.ether[:])

	ip := head[vnetHead+etherHead:]
	ip[0], ip[8], ip[9] = 4<<4|ipHead/4, 64, unix.IPPROTO_UDP
	order.PutUint16(ip[2:], uint16(ipHead+datagram))
	order.PutUint16(ip[6:], 1<<14) // DF
	from, to := h.from.Addr().As4(), h.to.Addr().As4()
	copy(ip[12:], from[:])
	copy(ip[16:], to[:])
	order.PutUint16(ip[10:], ^sum(ip[:ipHead], 0))

	udp := ip[ipHead:]
	order.PutUint16(udp, h.from.Port())
	order.PutUint16(udp[2:], h.to.Port())
	order.PutUint16(udp[4:], uint16(datagram))
	order.PutUint16(udp[6:], sum(ip[12:ipHead], uint32(unix.IPPROTO_UDP+datagram))) // of the pseudo header
	return head
}

// sum is the Internet checksum before it is inverted (RFC 1071).
func sum(p []byte, start uint32) uint16 {
	for ; len(p) >= 2; p = p[2:] {
		start += uint32(binary.BigEndian.Uint16(p))
	}
	for start > 0xffff {
		start = start>>16 + start&0xffff
	}
	return uint16(start)
}
