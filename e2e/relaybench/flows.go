//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// flowCount is how many allocations share a load.
const flowCount = 50

// topology is who talks to whom.
type topology int

const (
	toPeer  topology = iota // clients by UDP, and a peer without a relay
	toRelay                 // clients by UDP on both sides of the server: two relays
	fromTCP                 // clients by TCP, and a peer without a relay
)

// carrier is what carries flows: a relay, or a router.
type carrier interface {
	// open makes a socket ready, and tells the address at which it is reached.
	open(fd int, at place, stream bool) (netip.AddrPort, error)
	// aim makes what the socket sends go to a peer, and lets the peer answer.
	aim(fd int, peer netip.AddrPort) error
	// channel tells whether it wants ChannelData.
	channel() bool
	// leave is called before sockets are closed.
	leave(fds []int)
}

// flows are two ends with a carrier between them, and a probe each way.
type flows struct {
	carrier  carrier
	client   end
	peer     end
	up, down *probe // down: nil over TCP
	fds      []int  // of the clients
	closers  []func()
}

// newFlows builds them: the client's sockets are in one namespace, the peer's in
// the other.
func (r *rig) newFlows(c carrier, t topology) (f *flows, err error) {
	f = &flows{carrier: c}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	kind := unix.SOCK_DGRAM
	if t == fromTCP {
		kind = unix.SOCK_STREAM
	}
	near, nearAt, err := f.people(&r.client, kind, c)
	if err != nil {
		return f, fmt.Errorf("clients: %w", err)
	}
	if t == toRelay {
		far, farAt, err := f.people(&r.peer, kind, c)
		if err != nil {
			return f, fmt.Errorf("clients on the other side: %w", err)
		}
		for i := range near {
			if err := errors.Join(c.aim(near[i], farAt[i]), c.aim(far[i], nearAt[i])); err != nil {
				return f, err
			}
		}
		nearEnd, err := r.newClients(f, &r.client, near[:flowCount])
		if err != nil {
			return f, err
		}
		farEnd, err := r.newClients(f, &r.peer, far[:flowCount])
		if err != nil {
			return f, err
		}
		f.client, f.peer = nearEnd, farEnd
		return f, f.probes(near[flowCount], far[flowCount], false, c.channel())
	}
	return f, r.meetPeer(f, near, nearAt, t == fromTCP)
}

// newClients makes an end of connected sockets.
func (r *rig) newClients(f *flows, at *place, fds []int) (*clients, error) {
	var hops []hop
	for _, fd := range fds {
		from, err := localAddr(fd)
		if err != nil {
			return nil, err
		}
		to, err := remoteAddr(fd)
		if err != nil {
			return nil, err
		}
		hops = append(hops, hop{from, to})
	}
	out, err := r.cable(f, at, hops)
	if err != nil {
		return nil, err
	}
	return newClients(fds, f.carrier.channel(), out), nil
}

// cable is one that is closed with the flows.
func (r *rig) cable(f *flows, at *place, hops []hop) (*cable, error) {
	out, err := newCable(at.host, r.path.Server(), at.serverLink, hops)
	if err == nil {
		f.closers = append(f.closers, func() { _ = unix.Close(out.fd) })
	}
	return out, err
}

// people are clients with an address on the other side of the carrier: one for
// every flow, and one for the probes.
func (f *flows) people(at *place, kind int, c carrier) (fds []int, reached []netip.AddrPort, err error) {
	fds, err = at.sockets(kind, flowCount+1)
	if err != nil {
		return nil, nil, err
	}
	f.fds = append(f.fds, fds...)
	for _, fd := range fds {
		addr, err := c.open(fd, *at, kind == unix.SOCK_STREAM)
		if err != nil {
			return nil, nil, err
		}
		reached = append(reached, addr)
	}
	return fds, reached, nil
}

// meetPeer puts the peer at the other end: a socket for all flows, and one for
// the probes.
func (r *rig) meetPeer(f *flows, near []int, nearAt []netip.AddrPort, stream bool) error {
	far, err := r.peer.sockets(unix.SOCK_DGRAM, 2)
	if err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	f.closers = append(f.closers, func() { closeAll(far) })
	for i, fd := range near {
		farAt, err := localAddr(far[i/flowCount])
		if err != nil {
			return err
		}
		if err := f.carrier.aim(fd, farAt); err != nil {
			return err
		}
	}
	if err := connect(far[1], nearAt[flowCount]); err != nil {
		return err
	}
	farAt, err := localAddr(far[0])
	if err != nil {
		return err
	}
	var hops []hop
	for _, to := range nearAt[:flowCount] {
		hops = append(hops, hop{farAt, to})
	}
	out, err := r.cable(f, &r.peer, hops)
	if err != nil {
		return err
	}
	f.peer = newPeer(far[0], nearAt[:flowCount], out)
	if stream {
		f.client = newStreams(near[:flowCount])
	} else if f.client, err = r.newClients(f, &r.client, near[:flowCount]); err != nil {
		return err
	}
	return f.probes(near[flowCount], far[1], stream, false)
}

// probes makes them of a client and whoever is at the other end.
func (f *flows) probes(near, far int, stream, farChannel bool) error {
	channel := f.carrier.channel()
	f.up = &probe{from: near, to: far, fromChannel: channel, toChannel: farChannel}
	if stream {
		return stampArrivals(far)
	}
	f.down = &probe{from: far, to: near, fromChannel: farChannel, toChannel: channel}
	return errors.Join(stampArrivals(near), stampArrivals(far))
}

// close ends the allocations and closes the sockets.
func (f *flows) close() {
	f.carrier.leave(f.fds)
	closeAll(f.fds)
	for _, c := range f.closers {
		c()
	}
}

// routing is the carrier that is none: the kernel of the server's host forwards
// what clients and peers send one another.
type routing struct{}

func (routing) open(fd int, _ place, _ bool) (netip.AddrPort, error) { return localAddr(fd) }
func (routing) aim(fd int, peer netip.AddrPort) error                { return connect(fd, peer) }
func (routing) channel() bool                                        { return false }
func (routing) leave([]int)                                          {}

// turn is the carrier that is a TURN server.
type turn struct {
	port    uint16
	clients map[int]*turnClient // by descriptor
}

func newTURN() *turn { return &turn{port: turnPort, clients: map[int]*turnClient{}} }

func (t *turn) open(fd int, at place, stream bool) (netip.AddrPort, error) {
	if err := connect(fd, netip.AddrPortFrom(at.server, t.port)); err != nil {
		return netip.AddrPort{}, err
	}
	c := &turnClient{fd: fd, stream: stream}
	t.clients[fd] = c
	return c.allocate()
}

func (t *turn) aim(fd int, peer netip.AddrPort) error { return t.clients[fd].bind(peer) }

func (t *turn) channel() bool { return true }

// leave releases the relays of those who came by UDP, unless the server has
// stopped answering.
func (t *turn) leave(fds []int) {
	for _, fd := range fds {
		c := t.clients[fd]
		delete(t.clients, fd)
		if c != nil && !c.stream && c.release() != nil {
			return
		}
	}
}
