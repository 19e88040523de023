package conformance

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// patience bounds every wait for something that should come, on a machine
	// that has other things to do.
	patience = 30 * time.Second
	// hesitation is how long we wait before we ask whether the server is alive.
	hesitation = 100 * time.Millisecond
	// quiet is how long nothing must arrive to be called nothing.
	quiet = 300 * time.Millisecond
)

// wait is how long this server is waited for before a probe says that nothing
// has come: short where that is the answer the table has, and else as long as it
// may take. So no answer depends on how busy the machine is.
func (s *site) wait(short time.Duration, nothing string) time.Duration {
	if strings.Contains(s.expects, nothing) {
		return short
	}
	return patience
}

// A client is one user on one 5-tuple.
type client struct {
	*link
	*site
	username, password, realm, nonce string
}

// A link is a socket of a client.
type link struct {
	conn   net.Conn
	stream *bufio.Reader     // nil: datagrams
	alive  map[[12]byte]bool // requests that only asked whether the server is alive
	inbox  [][]byte          // what peers sent while we waited for an answer
	heard  []byte            // what a peer sent last
}

// dial connects a client over "udp" or "tcp" from an address of loopback, with a
// fresh credential for claims.
func (s *site) dial(network, from, claims string) *client {
	s.t.Helper()
	ip := netip.MustParseAddr(from)
	d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))}
	addr := s.udp
	if network == "tcp" {
		d.LocalAddr, addr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)), s.tcp
	}
	conn, err := d.DialContext(s.t.Context(), network, addr.String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	l := &link{conn: conn, alive: map[[12]byte]bool{}}
	if network == "tcp" {
		l.stream = bufio.NewReaderSize(conn, 1<<17)
	}
	return (&client{link: l, site: s, realm: realm}).as(claims)
}

// as is the same 5-tuple in the hands of another user.
func (c *client) as(claims string) *client {
	other := *c
	other.username, other.password = c.credential(claims, 10*time.Minute)
	return &other
}

// elsewhere is the same user at another address.
func (c *client) elsewhere(from string) *client {
	other := c.dial("udp", from, "")
	other.username, other.password = c.username, c.password
	return other
}

// again is the same user from the same address on a new connection.
func (c *client) again() *client {
	local := c.conn.LocalAddr()
	from, _, _ := strings.Cut(local.String(), ":")
	other := c.dial(local.Network(), from, "")
	other.username, other.password = c.username, c.password
	return other
}

// key is what the user signs with (RFC 8489 §9.2.2).
func (c *client) key() []byte {
	sum := md5.Sum([]byte(c.username + ":" + c.realm + ":" + c.password))
	return sum[:]
}

// signed is a request with the user's credential, for which a nonce is fetched
// if there is none yet.
func (c *client) signed(method uint16, parts ...part) []byte {
	c.t.Helper()
	if c.nonce == "" {
		r := c.say(allocate)
		if c.nonce = string(r.get(attrNonce)); c.nonce == "" {
			c.t.Fatalf("an Allocate without credentials is answered by %v, want a nonce", r)
		}
	}
	return with(message(method, parts...), text(attrUsername, c.username), text(attrRealm, c.realm),
		text(attrNonce, c.nonce), integrity(c.key()))
}

// ask sends a signed request.
func (c *client) ask(method uint16, parts ...part) reply {
	c.t.Helper()
	return c.exchange(c.signed(method, parts...), c.key())
}

// insist is ask, and again as often as RFC 8489 §6.2.1 has it: after a flood a
// datagram may be lost that nobody refused.
func (c *client) insist(method uint16, parts ...part) (r reply) {
	c.t.Helper()
	for range 7 {
		if r = c.ask(method, parts...); r.event != "silence" {
			break
		}
	}
	return r
}

// allocate asks for a relay over UDP.
func (c *client) allocate(parts ...part) reply {
	c.t.Helper()
	return c.ask(allocate, slices.Concat(parts, []part{udp()})...)
}

// mustAllocate is allocate where the answer is no question.
func (c *client) mustAllocate(parts ...part) netip.AddrPort {
	c.t.Helper()
	r := c.allocate(parts...)
	if !r.succeeded() {
		c.t.Fatalf("Allocate = %v, want success", r)
	}
	return r.relayed()
}

// permit asks for permissions.
func (c *client) permit(peers ...netip.AddrPort) reply {
	c.t.Helper()
	var parts []part
	for _, p := range peers {
		parts = append(parts, peerAt(p))
	}
	return c.ask(createPermission, parts...)
}

// bind asks for a channel.
func (c *client) bind(n uint16, peer netip.AddrPort) reply {
	c.t.Helper()
	return c.ask(channelBind, channel(n), peerAt(peer))
}

// say sends a request without a credential.
func (c *client) say(method uint16, parts ...part) reply {
	c.t.Helper()
	return c.exchange(message(method, parts...), nil)
}

// send sends bytes. A connection that the server has closed is no fault here: it
// shows when we read.
func (c *client) send(p []byte) { _, _ = c.conn.Write(p) }

// sendTo sends data to a peer in a Send indication (RFC 8656 §11.1).
func (c *client) sendTo(peer netip.AddrPort, data string, more ...part) {
	c.send(message(send|indication, slices.Concat([]part{peerAt(peer), text(attrData, data)}, more)...))
}

// pause lets the server catch up, and drops what it answers meanwhile.
func (l *link) pause() {
	_ = l.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	var p [2048]byte
	for {
		if _, err := l.conn.Read(p[:]); err != nil {
			return
		}
	}
}

// exchange sends a message and waits for what comes back. If nothing does for a
// while, it asks whether the server is alive: servers answer in order, so an
// answer to that means that none will come to this.
func (c *client) exchange(p, key []byte) reply {
	c.t.Helper()
	c.send(p)
	var asked [12]byte
	for wait := hesitation; ; {
		got, err := c.read(wait)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && wait == hesitation:
			wait, asked = patience, c.askAlive()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return reply{event: "dead"}
		case err != nil:
			return reply{event: "closed"}
		case !isAnswer(got):
			c.inbox = append(c.inbox, got)
		case [12]byte(got[8:]) == asked:
			return reply{event: "silence"}
		case !c.alive[[12]byte(got[8:])]: // else it is the late answer to an earlier question
			return reply{raw: got, key: key}
		}
	}
}

// askAlive sends a Binding request that asks whether the server is alive.
func (c *client) askAlive() (transaction [12]byte) {
	p := message(binding)
	transaction = [12]byte(p[8:])
	c.alive[transaction] = true
	c.send(p)
	return transaction
}

// barrier returns when the server has handled all that was sent before.
func (c *client) barrier() {
	c.t.Helper()
	if r := c.say(binding); !r.succeeded() {
		c.t.Fatalf("a Binding request is answered by %v", r)
	}
}

// isAnswer reports whether bytes are a STUN response.
func isAnswer(p []byte) bool {
	return len(p) >= headerBytes && p[0] < 0x40 && binary.BigEndian.Uint16(p)&success != 0
}

// read receives one message.
func (c *client) read(wait time.Duration) ([]byte, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return nil, err
	}
	if c.stream != nil {
		return c.frame()
	}
	p := make([]byte, 2048)
	n, err := c.conn.Read(p)
	return p[:n], err
}

// frame reads one message of a stream, without its padding.
func (c *client) frame() ([]byte, error) {
	head, err := c.stream.Peek(4)
	if err != nil {
		return nil, err
	}
	size := 4 + int(binary.BigEndian.Uint16(head[2:]))
	if head[0] < 0x40 {
		size += headerBytes - 4
	}
	p := make([]byte, (size+3)&^3)
	_, err = io.ReadFull(c.stream, p)
	return p[:size], err
}

// hears is what peers sent: the next Data indication or ChannelData.
func (c *client) hears() string {
	for {
		if len(c.inbox) == 0 {
			got, err := c.read(c.wait(quiet, "nothing arrives"))
			if err != nil {
				return "nothing arrives"
			}
			c.inbox = append(c.inbox, got)
		}
		got := c.inbox[0]
		c.inbox = c.inbox[1:]
		c.heard = got
		switch r := (reply{raw: got}); {
		case got[0] >= 0x40:
			return "channel " + strconv.FormatUint(uint64(binary.BigEndian.Uint16(got)), 16) + " says " + string(got[4:][:binary.BigEndian.Uint16(got[2:])])
		case binary.BigEndian.Uint16(got) == dataMethod|indication:
			return "data " + string(r.get(attrData))
		}
	}
}

// ends reports how the server treats the bytes that were sent: "closed" if it
// closes the connection in time, "open" if not, or what it answers.
func (c *client) ends(within time.Duration) string {
	for {
		got, err := c.read(within)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return "open"
		case err != nil:
			return "closed"
		case isAnswer(got) && c.alive[[12]byte(got[8:])]: // late
		default:
			return reply{raw: got}.String()
		}
	}
}

// A peer is a UDP socket on loopback that clients send to.
type peer struct {
	*net.UDPConn
	addr netip.AddrPort
	from netip.AddrPort // who sent what was heard last
	site *site
}

// newPeer opens a peer for the relays of the server.
func (s *site) newPeer(ip string) *peer {
	s.t.Helper()
	p := newPeer(s.t, ip)
	p.site = s
	return p
}

func newPeer(t *testing.T, ip string) *peer {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &peer{UDPConn: conn, addr: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
}

// hears is what arrived, in order.
func (p *peer) hears() string {
	var all [][]byte
	for wait := p.site.wait(quiet, "nothing arrives"); ; wait = quiet {
		if err := p.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return err.Error()
		}
		buf := make([]byte, 2048)
		n, from, err := p.ReadFromUDPAddrPort(buf)
		if err != nil {
			break
		}
		p.from = from
		all = append(all, buf[:n])
	}
	if all == nil {
		return "nothing arrives"
	}
	return string(bytes.Join(all, []byte(" "))) + " arrives"
}

// says answers whoever was heard last.
func (p *peer) says(data string) { _, _ = p.WriteToUDPAddrPort([]byte(data), p.from) }
