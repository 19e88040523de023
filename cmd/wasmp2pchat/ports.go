package main

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// openPort is a port, or a range of them, that clients must be able to reach.
type openPort struct {
	Network  string // "tcp" or "udp"
	Min, Max uint16
	What     string
}

// Range writes one port, or two with sep between them.
func (p openPort) Range(sep string) string {
	if p.Min == p.Max {
		return strconv.Itoa(int(p.Min))
	}
	return fmt.Sprintf("%d%s%d", p.Min, sep, p.Max)
}

// relayedTraffic is What the range of the relay's ports is for.
const relayedTraffic = "relayed traffic"

// hasTLS tells whether there is, or will be, a certificate.
func (c *config) hasTLS() bool { return c.TLS.CertFile != "" || c.Domain != "" }

// turnTLSAddr is where TURN over TLS and DTLS listens besides the public port:
// nowhere without a certificate.
func (c *config) turnTLSAddr() string {
	if !c.hasTLS() {
		return ""
	}
	return string(c.TURN.TLSAddr)
}

// redirectAddr is where http listens beside https: nowhere without a certificate.
func (c *config) redirectAddr() listenAddr {
	if !c.hasTLS() {
		return ""
	}
	return c.RedirectAddr
}

// ports are those that the server listens on for the world: what a firewall has
// to let through. Those of the loopback, and ADMIN_ADDR, are nobody's business.
func (c *config) ports() []openPort {
	var list []openPort
	add := func(network, addr, what string) {
		host, text, err := net.SplitHostPort(addr)
		port, wrong := strconv.ParseUint(text, 10, 16)
		ip, _ := netip.ParseAddr(host)
		if err == nil && wrong == nil && host != "localhost" && !ip.IsLoopback() {
			list = append(list, openPort{network, uint16(port), uint16(port), what})
		}
	}
	add("tcp", string(c.redirectAddr()), "sends people to https, answers the certificate authority")
	switch {
	case !c.plays(roleTURN):
		add("tcp", string(c.Addr), "page, WebSockets")
	case c.hasTLS():
		add("tcp", string(c.Addr), "page, WebSockets, TURN over TLS")
	default:
		add("tcp", string(c.Addr), "page, WebSockets, TURN over TCP")
	}
	if !c.plays(roleTURN) {
		return list
	}
	for _, addr := range udpAddrs(c) {
		add("udp", addr, "STUN and TURN")
	}
	add("tcp", string(c.TURN.TCPAddr), "TURN over TCP")
	add("tcp", c.turnTLSAddr(), "TURN over TLS")
	add("udp", c.turnTLSAddr(), "TURN over DTLS")
	return append(list, openPort{"udp", c.TURN.RelayPorts.Min, c.TURN.RelayPorts.Max, relayedTraffic})
}
