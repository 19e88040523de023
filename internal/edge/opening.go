package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// open finds out whom a connection is for and hands it over.
func (d *Door) open(door context.Context, g *guest) {
	ctx, cancel := context.WithDeadline(door, g.opened.Add(d.cfg.Opening))
	defer cancel()
	to, conn, err := d.identify(ctx, g)
	switch inTime := d.opening.leave(g); {
	case !inTime && door.Err() != nil:
		err = refuse(Unserved, errEnded)
	case !inTime:
		err = refuse(Crowded, err)
	case err == nil && to != nil:
		err = handOver(ctx, g, to, conn)
	}
	switch {
	case err != nil:
		d.refuse(g, err)
	case to == nil:
		d.counts.challenge()
		_ = g.Close() // the certificate authority has seen what it came for
	default:
		d.counts.route(to == d.turn)
	}
}

// identify returns the exit of a connection, and what is to come out of it. It
// is no exit for the handshake that an ACME server makes, which says all by
// itself (RFC 8737 §3).
func (d *Door) identify(ctx context.Context, g *guest) (*exit, net.Conn, error) {
	if g.proxied {
		if err := d.introduce(g); err != nil {
			return nil, nil, err
		}
	}
	if d.cfg.TLS != nil {
		return d.identifyTLS(ctx, g)
	}
	first, err := g.peek()
	if err != nil {
		return nil, nil, refuse(Gone, err)
	}
	return d.exitFor(first), g, nil
}

// introduce lets a proxy say for whom it connects, and counts that one.
func (d *Door) introduce(g *guest) error {
	client, rest, err := readHeader(g.Conn)
	if err != nil {
		return refuse(Header, err)
	}
	g.rest = rest
	if client == nil {
		return nil // it speaks for itself
	}
	g.client = client
	if !d.trusts(client) && !g.seat.ComesFrom(source(client)) {
		return refuse(PerAddr, nil)
	}
	return nil
}

func (d *Door) identifyTLS(ctx context.Context, g *guest) (*exit, net.Conn, error) {
	conn := tls.Server(g, d.cfg.TLS)
	if err := conn.HandshakeContext(ctx); err != nil {
		d.explain(g, err)
		return nil, nil, refuse(Handshake, fmt.Errorf("tls handshake: %w", err))
	}
	switch conn.ConnectionState().NegotiatedProtocol {
	case protoHTTP2, protoHTTP1:
		return d.http, conn, nil
	case protoTURN, protoSTUN:
		return d.turn, abrupt{&spoken{Conn: conn}}, nil
	case protoACME:
		return nil, nil, nil
	}
	var first [1]byte
	if _, err := io.ReadFull(conn, first[:]); err != nil {
		return nil, nil, refuse(Gone, err)
	}
	s := &spoken{Conn: conn, first: first, pending: true}
	if to := d.exitFor(first[0]); to == d.http {
		return to, s, nil
	}
	return d.turn, abrupt{s}, nil
}

// exitFor is the rule for those who do not say it by ALPN, which no client of
// TURN does. TURN begins with a STUN request, whose methods begin with a byte 0
// or 1 (RFC 8656 §18, RFC 8489 §5). ChannelData, 0x40 to 0x7f, is no rule of its
// own: it never comes first, and all letters of HTTP are in there.
func (d *Door) exitFor(first byte) *exit {
	if first < 2 {
		return d.turn
	}
	return d.http
}

// handOver gives a connection to its service, whose deadlines are its own.
func handOver(ctx context.Context, g *guest, to *exit, conn net.Conn) error {
	_ = g.SetDeadline(time.Time{}) // fails only if it has ended already; it may have left something to read
	return to.give(ctx, conn)
}

// explain helps those whose handshake has failed because they do not speak TLS: a
// person who has typed http:// is told what is wrong, as net/http would, and the
// operator of a proxy that is not listed finds a line in the log.
func (d *Door) explain(g *guest, err error) {
	notTLS, ok := errors.AsType[tls.RecordHeaderError](err)
	if !ok || notTLS.Conn == nil {
		return
	}
	switch string(notTLS.RecordHeader[:]) {
	case "PROXY", "\r\n\r\n\x00": // how the two versions begin
		d.proxySeen.Do(func() { // a stranger can make it say so too, but only once
			d.cfg.Log.Warn("the PROXY protocol does not count from there: behind a proxy? set TRUSTED_PROXIES", "addr", address(g.client))
		})
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		_, _ = io.WriteString(notTLS.Conn, "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n"+
			"this port speaks HTTPS: write https:// before the name\n") // refused in any case
	}
}
