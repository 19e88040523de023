package gate

import (
	"context"
	"errors"
	"net"
)

// Sockets listen on the same UDP address, one a core. Where the kernel shares
// the clients between them, a client always reaches the same one; elsewhere
// there is only one.
type Sockets []*Datagrams

// ListenUDP opens up to n Sockets. The function refused is called for every
// datagram that was dropped; nil is allowed.
func ListenUDP(ctx context.Context, address string, n int, refused func()) (Sockets, error) {
	var lc net.ListenConfig
	first, err := listenPacket(ctx, lc, address)
	if err != nil {
		return nil, err
	}
	list := Sockets{NewDatagrams(first, refused)}
	if !canShare || n < 2 {
		return list, nil
	}
	// The first one takes the address for itself, so that a second program on it
	// is noticed, and shares it then.
	if err := share(first); err != nil {
		return nil, errors.Join(err, list.Close())
	}
	lc.Control = shareBefore
	for len(list) < n {
		conn, err := listenPacket(ctx, lc, first.LocalAddr().String())
		if err != nil {
			return nil, errors.Join(err, list.Close())
		}
		list = append(list, NewDatagrams(conn, refused))
	}
	return list, nil
}

func listenPacket(ctx context.Context, lc net.ListenConfig, address string) (*net.UDPConn, error) {
	conn, err := lc.ListenPacket(ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil // as ListenPacket promises for "udp"
}

// LocalAddr is where they listen.
func (s Sockets) LocalAddr() net.Addr { return s[0].LocalAddr() }

// Close closes all of them. It may be called again and again.
func (s Sockets) Close() error {
	errs := make([]error, len(s))
	for i, d := range s {
		errs[i] = d.Close()
	}
	return errors.Join(errs...)
}
