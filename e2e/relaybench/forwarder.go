//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
)

// forwarder is a relay without TURN, as simple as one can be in Go: a read and a
// write for every packet, a goroutine for every socket. It shows what sockets
// cost by themselves. Its clients are announced on its input:
//
//	open CLIENT        ▶ the relayed address
//	aim CLIENT PEER    ▶ done
type forwarder struct {
	front   *net.UDPConn
	relayIP netip.Addr
	relays  sync.Map // of netip.AddrPort, the client, to *forwarded
}

// forwarded is what a client's packets leave by, and to whom they go.
type forwarded struct {
	conn   *net.UDPConn
	client netip.AddrPort
	peer   atomic.Pointer[netip.AddrPort]
}

// forward is this program as a forwarder, until its input ends.
func forward(ctx context.Context, relayIP string, orders io.Reader, answers io.Writer) error {
	ip, err := netip.ParseAddr(relayIP)
	if err != nil {
		return err
	}
	f := &forwarder{relayIP: ip}
	if f.front, err = listenUDP(ctx, netip.AddrPortFrom(netip.IPv4Unspecified(), turnPort)); err != nil {
		return err
	}
	go f.fromClients() // all end with the process
	for lines := bufio.NewScanner(orders); lines.Scan(); {
		answer, err := f.obey(ctx, strings.Fields(lines.Text()))
		if err != nil {
			answer = "error " + err.Error()
		}
		fmt.Fprintln(answers, answer)
	}
	return nil
}

func listenUDP(ctx context.Context, at netip.AddrPort) (*net.UDPConn, error) {
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp4", at.String())
	if err != nil {
		return nil, err
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return nil, errors.New("not a UDP socket")
	}
	return udp, udp.SetReadBuffer(socketBuffer)
}

func (f *forwarder) obey(ctx context.Context, order []string) (string, error) {
	if len(order) < 2 {
		return "", errors.New("no such order")
	}
	client, err := netip.ParseAddrPort(order[1])
	if err != nil {
		return "", err
	}
	if order[0] == "open" {
		conn, err := listenUDP(ctx, netip.AddrPortFrom(f.relayIP, 0))
		if err != nil {
			return "", err
		}
		r := &forwarded{conn: conn, client: client}
		f.relays.Store(client, r)
		go f.fromPeer(r)
		return conn.LocalAddr().String(), nil
	}
	known, ok := f.relays.Load(client)
	if !ok || len(order) < 3 {
		return "", fmt.Errorf("no client %v", client)
	}
	peer, err := netip.ParseAddrPort(order[2])
	if err != nil {
		return "", err
	}
	known.(*forwarded).peer.Store(&peer)
	return "done", nil
}

func (f *forwarder) fromClients() {
	packet := make([]byte, maxPacket)
	for {
		n, from, err := f.front.ReadFromUDPAddrPort(packet)
		if err != nil {
			exitOn(err)
			continue
		}
		known, ok := f.relays.Load(from)
		if !ok {
			continue
		}
		r := known.(*forwarded)
		if peer := r.peer.Load(); peer != nil {
			_, _ = r.conn.WriteToUDPAddrPort(packet[:n], *peer) // what is lost is counted
		}
	}
}

func (f *forwarder) fromPeer(r *forwarded) {
	packet := make([]byte, maxPacket)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(packet)
		if err != nil {
			exitOn(err)
			continue
		}
		if peer := r.peer.Load(); peer != nil && *peer == from {
			_, _ = f.front.WriteToUDPAddrPort(packet[:n], r.client)
		}
	}
}

// exitOn ends the process unless an error is what a peer's closed port causes.
func exitOn(err error) {
	if _, isNet := errors.AsType[net.Error](err); !isNet {
		fmt.Fprintln(os.Stderr, "forwarder:", err)
		panic("relaybench: a socket of the forwarder is gone")
	}
}

// forwarding is the carrier that is a forwarder.
type forwarding struct {
	orders  io.Writer
	answers *bufio.Scanner
	clients map[int]netip.AddrPort // by descriptor
}

func (c *forwarding) order(format string, args ...any) (string, error) {
	if _, err := fmt.Fprintf(c.orders, format+"\n", args...); err != nil {
		return "", err
	}
	if !c.answers.Scan() {
		return "", errors.New("the forwarder has gone")
	}
	if fault, failed := strings.CutPrefix(c.answers.Text(), "error "); failed {
		return "", errors.New(fault)
	}
	return c.answers.Text(), nil
}

func (c *forwarding) open(fd int, at place, _ bool) (netip.AddrPort, error) {
	if err := connect(fd, netip.AddrPortFrom(at.server, turnPort)); err != nil {
		return netip.AddrPort{}, err
	}
	client, err := localAddr(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	c.clients[fd] = client
	relayed, err := c.order("open %v", client)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.ParseAddrPort(relayed)
}

func (c *forwarding) aim(fd int, peer netip.AddrPort) error {
	_, err := c.order("aim %v %v", c.clients[fd], peer)
	return err
}

func (c *forwarding) channel() bool { return false }
func (c *forwarding) leave([]int)   {}
