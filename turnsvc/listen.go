package turnsvc

import (
	"context"
	"errors"
	"net"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// maxDTLS bounds the clients that come by DTLS: unlike the others they take no
// descriptor, but a stranger who lies about his address costs some 40 kB for
// 10 s before he is found out.
const maxDTLS = 1000

// sockets are where clients come in. What is off is nil.
type sockets struct {
	udp  gate.Sockets
	tcp  *gate.Listener
	tls  *gate.Listener
	dtls *gate.Listener
}

// listen opens the sockets of cfg. Those that are open when one fails are for
// the caller to close.
func (s *Server) listen(ctx context.Context) (err error) {
	cfg := s.cfg
	limits := gate.Limits{Conns: cfg.MaxConns, ConnsPerAddr: 2 * cfg.MaxPerAddr}
	crowd := gate.NewCrowd(limits)
	if cfg.UDPAddr != "" {
		if s.udp, err = gate.ListenUDP(ctx, cfg.UDPAddr, cfg.cores, s.refuseFrame); err != nil {
			return err
		}
	}
	if cfg.TCPAddr != "" {
		if s.tcp, err = s.listenTCP(ctx, cfg.TCPAddr, crowd, nil); err != nil {
			return err
		}
	}
	if cfg.TLSAddr == "" {
		return nil
	}
	if s.tls, err = s.listenTCP(ctx, cfg.TLSAddr, crowd, gate.TLS(cfg.TLS)); err != nil {
		return err
	}
	limits.Conns = min(limits.Conns, maxDTLS)
	s.dtls, err = s.listenDTLS(ctx, gate.NewCrowd(limits))
	return err
}

func (s *Server) listenTCP(ctx context.Context, address string, crowd *gate.Crowd, opening gate.Opening) (*gate.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return gate.NewListener(l, gate.ListenerConfig{
		Crowd: crowd, Opening: opening, Proxies: plain(s.cfg.TrustedProxies), Refused: s.refuseFrame,
	}), nil
}

func (s *Server) listenDTLS(ctx context.Context, crowd *gate.Crowd) (*gate.Listener, error) {
	flows, err := gate.ListenFlows(ctx, s.cfg.TLSAddr, s.refuseFrame)
	if err != nil {
		return nil, err
	}
	return gate.NewListener(flows, gate.ListenerConfig{
		Crowd: crowd, Opening: gate.DTLS(s.cfg.TLS, s.cfg.Domain, pionLog{s.log}), Refused: s.refuseFrame,
	}), nil
}

// listeners are those that are on and accept.
func (k *sockets) listeners() []*gate.Listener {
	var on []*gate.Listener
	for _, l := range []*gate.Listener{k.tcp, k.tls, k.dtls} {
		if l != nil {
			on = append(on, l)
		}
	}
	return on
}

// ports are those of the sockets that listen.
func (k *sockets) ports() map[uint16]bool {
	ports := map[uint16]bool{}
	if k.udp != nil {
		ports[gate.AddrPort(k.udp.LocalAddr()).Port()] = true
	}
	for _, l := range k.listeners() {
		ports[gate.AddrPort(l.Addr()).Port()] = true
	}
	return ports
}

// closeSockets closes the sockets, upon which the doors and accept end.
func (k *sockets) closeSockets() error {
	err := k.udp.Close()
	for _, l := range k.listeners() {
		err = errors.Join(err, l.Close())
	}
	return err
}
