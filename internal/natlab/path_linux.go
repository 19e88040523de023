package natlab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// Path is a server between a client and a peer, without any NAT: for measuring
// what it costs to have that server in the middle.
//
//	         eth0 ┌──────────┐ eth1
//	client ───────┤  server  ├─────── peer
//	 51.51.1.2    └──────────┘    51.51.2.2
//	          51.51.1.1  51.51.2.1
//
// The client has every address of 51.61.0.0/16 as well, the peer every one of
// 51.62.0.0/16: a server that bounds what one address may do sees many people.
// The server also forwards what is not for itself, so that the kernel's own
// routing can be compared. Links are as the kernel makes them: segments that
// belong together may pass as one.
type Path struct {
	client, server, peer *Host
}

// pathServer takes the namespaces of the client and of the peer.
const pathServer = `
link set lo up
link add eth0 type veth peer name eth0 netns %s
link add eth1 type veth peer name eth0 netns %s
link set eth0 up
link set eth1 up
addr add 51.51.1.1/24 dev eth0
addr add 51.51.2.1/24 dev eth1
route add 51.61.0.0/16 via 51.51.1.2
route add 51.62.0.0/16 via 51.51.2.2`

// pathEnd takes the number of the end.
const pathEnd = `
link set lo up
link set eth0 up
addr add 51.51.%[1]d.2/24 dev eth0
route add default via 51.51.%[1]d.1
route add local 51.6%[1]d.0.0/16 dev lo`

// NewPath builds a path, after removing what killed processes left. It leaves
// nothing behind when it fails.
func NewPath(ctx context.Context) (*Path, error) {
	if err := permitted(); err != nil {
		return nil, err
	}
	if err := sweep(ctx); err != nil {
		return nil, fmt.Errorf("sweep dead labs: %w", err)
	}
	name := newLabName()
	host := func(part string, addrs ...netip.Addr) *Host {
		return &Host{namespace: name.part(part), addrs: addrs}
	}
	p := &Path{
		client: host("client", netip.AddrFrom4([4]byte{51, 51, 1, 2})),
		server: host("server", netip.AddrFrom4([4]byte{51, 51, 1, 1}), netip.AddrFrom4([4]byte{51, 51, 2, 1})),
		peer:   host("peer", netip.AddrFrom4([4]byte{51, 51, 2, 2})),
	}
	if err := p.build(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("build path: %w", err), p.Close(ctx))
	}
	return p, nil
}

func (p *Path) build(ctx context.Context) error {
	for _, namespace := range p.namespaces() {
		if err := ip(ctx, "netns add "+namespace); err != nil {
			return err
		}
	}
	for _, step := range []step{
		{p.server, fmt.Sprintf(pathServer, p.client.namespace, p.peer.namespace)},
		{p.client, fmt.Sprintf(pathEnd, 1)},
		{p.peer, fmt.Sprintf(pathEnd, 2)},
	} {
		if err := step.host.ip(ctx, step.script); err != nil {
			return err
		}
	}
	return p.server.Do(forwardPackets)
}

func (p *Path) namespaces() []string {
	return []string{p.client.namespace, p.server.namespace, p.peer.namespace}
}

// Client is the host on the server's one side.
func (p *Path) Client() *Host { return p.client }

// Server is the host in the middle. Its first address is on the client's side,
// its second on the peer's.
func (p *Path) Server() *Host { return p.server }

// Peer is the host on the server's other side.
func (p *Path) Peer() *Host { return p.peer }

// Close ends every process that still runs in the path and removes the path,
// also when ctx has ended.
func (p *Path) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return remove(ctx, p.namespaces())
}
