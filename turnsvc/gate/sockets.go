package gate

import (
	"context"
	"errors"
	"net"
	"syscall"
)

// Sockets listen on the same UDP address, one a core. Where the kernel shares
// the clients between them, a client always reaches the same one; elsewhere
// there is only one.
type Sockets []*Datagrams

// An Opener opens sockets as a [net.ListenConfig] does, which is one; another may
// hand over those that a service manager has opened before.
type Opener interface {
	// Listen opens a listener of the network "tcp".
	Listen(ctx context.Context, network, address string) (net.Listener, error)
	// ListenPacket opens a socket of the network "udp", a *net.UDPConn.
	ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error)
}

// ListenUDP has an Opener open a socket, and opens up to n Sockets with it. The
// function refused is called for every datagram that was dropped; nil is allowed.
func ListenUDP(ctx context.Context, opener Opener, address string, n int, refused func()) (Sockets, error) {
	first, err := listenPacket(ctx, opener, address)
	if err != nil {
		return nil, err
	}
	list := Sockets{NewDatagrams(first, refused)}
	if !canShare {
		return list, nil
	}
	// The first one takes the address for itself, so that a second program on it
	// is noticed, and shares it then: with others, and with Sockets of mmsg.Dial.
	if err := share(first); err != nil {
		return nil, errors.Join(err, list.Close())
	}
	lc := &net.ListenConfig{Control: shareBefore}
	for len(list) < n {
		conn, err := listenPacket(ctx, lc, first.LocalAddr().String())
		if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EADDRINUSE) {
			break // somebody with more rights has opened the first one: it has to do alone
		}
		if err != nil {
			return nil, errors.Join(err, list.Close())
		}
		list = append(list, NewDatagrams(conn, refused))
	}
	return list, nil
}

// AdoptUDP are Sockets that another process has opened, all of one address: the kernel
// shares the clients between those that there are, so there must be neither less of
// them nor more. None is an error.
func AdoptUDP(conns []*net.UDPConn, refused func()) (Sockets, error) {
	if len(conns) == 0 {
		return nil, errNoSocket
	}
	var list Sockets
	for _, conn := range conns {
		list = append(list, NewDatagrams(conn, refused))
	}
	return list, nil
}

var errNoSocket = errors.New("no socket")

func listenPacket(ctx context.Context, opener Opener, address string) (*net.UDPConn, error) {
	conn, err := opener.ListenPacket(ctx, "udp", address)
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
