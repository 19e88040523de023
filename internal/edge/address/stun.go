package address

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/stun/v3"
)

const (
	// stunTries is how often a request is sent, the pause before the next one
	// doubling each time: 1.75 s in all, where RFC 8489 §6.2.1 allows 39.5 s. The
	// next round asks again anyway.
	stunTries = 3
	stunPause = 250 * time.Millisecond
	// maxPacketBytes is more than any binding response has.
	maxPacketBytes = 1500
)

// stunClient asks STUN servers from where a request to them seems to come
// (RFC 8489 §2).
type stunClient struct {
	resolver Resolver
	dial     dialer
}

// ask asks a server over IPv4 and over IPv6, as far as it has them and this
// machine reaches them. Addresses come back also beside an error, when one
// family had no answer.
func (c stunClient) ask(ctx context.Context, server string) ([]netip.Addr, error) {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		return nil, err
	}
	servers, err := lookup(ctx, c.resolver, host)
	if err != nil {
		return nil, err
	}
	var found [2]netip.Addr
	var errs [2]error
	var wg sync.WaitGroup
	for i, f := range families() {
		if at, ok := first(servers, f); ok {
			wg.Go(func() { found[i], errs[i] = c.over(ctx, f, net.JoinHostPort(at.String(), port)) })
		}
	}
	wg.Wait()
	var addrs []netip.Addr
	for _, addr := range found {
		if addr.IsValid() {
			addrs = append(addrs, addr)
		}
	}
	err = errors.Join(errs[0], errs[1])
	if len(addrs) == 0 && err == nil {
		err = errors.New("no way to the server: neither over IPv4 nor over IPv6")
	}
	return addrs, err
}

// over asks over one family. The socket is connected, so the system drops what
// anybody but the server sends. A family without a route is nothing: neither an
// address nor an error.
func (c stunClient) over(ctx context.Context, f Family, server string) (netip.Addr, error) {
	conn, err := c.dial(ctx, f.network("udp"), server)
	if err != nil {
		return netip.Addr{}, ctx.Err()
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // a deadline that is over
	defer stop()
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		return netip.Addr{}, err
	}
	pause := stunPause
	for range stunTries {
		if ctx.Err() != nil {
			break
		}
		until := time.Now().Add(pause)
		if end, ok := ctx.Deadline(); ok && end.Before(until) {
			until = end // also when ctx ends between the look at it and the new deadline
		}
		var addr netip.Addr
		if addr, err = try(conn, request, until); err == nil && f.has(addr) {
			return addr, nil
		}
		pause *= 2
	}
	return netip.Addr{}, fmt.Errorf("%s does not answer over %s: %w", server, f, errors.Join(err, ctx.Err()))
}

// try sends the request once and waits for the answer until a time.
func try(conn net.Conn, request *stun.Message, until time.Time) (netip.Addr, error) {
	if err := conn.SetDeadline(until); err != nil {
		return netip.Addr{}, err
	}
	if _, err := conn.Write(request.Raw); err != nil {
		return netip.Addr{}, err
	}
	packet := make([]byte, maxPacketBytes)
	for {
		n, err := conn.Read(packet)
		if err != nil {
			return netip.Addr{}, err
		}
		if addr, ok := parseBinding(packet[:n], request.TransactionID); ok {
			return addr, nil
		}
	}
}

// parseBinding reads the success response to one request (RFC 8489 §6.3.3,
// §14.2). The old MAPPED-ADDRESS does not count: NATs rewrite it. pion/stun
// leaves two things to its callers: that the first two bits are zero (§5), and
// that an attribute is as long as its family wants.
func parseBinding(packet []byte, id [stun.TransactionIDSize]byte) (netip.Addr, bool) {
	m := stun.Message{Raw: packet}
	if err := m.Decode(); err != nil || packet[0] > 0x3f || m.Type != stun.BindingSuccess || m.TransactionID != id {
		return netip.Addr{}, false
	}
	const headerBytes = 4 // of the attribute: a zero, the family, the port
	value, err := m.Get(stun.AttrXORMappedAddress)
	if err != nil || len(value) < headerBytes {
		return netip.Addr{}, false
	}
	var mapped stun.XORMappedAddress
	if err := mapped.GetFrom(&m); err != nil {
		return netip.Addr{}, false
	}
	addr, ok := netip.AddrFromSlice(mapped.IP)
	if !ok || len(value) != headerBytes+addr.BitLen()/8 {
		return netip.Addr{}, false
	}
	return unicast(addr)
}
