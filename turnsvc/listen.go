package turnsvc

import (
	"context"
	"errors"
	"net"
	"syscall"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// maxDTLS bounds the clients that come by DTLS: unlike the others they take no
// descriptor, but a stranger who lies about his address costs some 40 kB for
// 10 s before he is found out.
const maxDTLS = 1000

// sockets are where clients come in. What is off is nil.
type sockets struct {
	udp      []gate.Sockets
	bound    []string // the addresses of udp, as they were configured
	tcp      *gate.Listener
	tls      *gate.Listener
	dtls     *gate.Listener
	flows    *gate.Flows      // of dtls
	streams  []*gate.Listener // those of Config.Streams
	crowd    *arrivals.Crowd  // of the connections over TCP and TLS
	crowdUDP *arrivals.Crowd  // of those over DTLS
}

// listen opens the sockets of cfg. Those that are open when one fails are for
// the caller to close.
func (s *Server) listen(ctx context.Context) (err error) {
	cfg := s.cfg
	s.crowd, s.crowdUDP = arrivals.NewCrowd(cfg.streams()), arrivals.NewCrowd(cfg.streamsUDP())
	if err := s.listenUDP(ctx); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = s.estate.allTaken()
		}
	}()
	if cfg.TCPAddr != "" {
		if s.tcp, err = s.listenTCP(ctx, cfg.TCPAddr, nil); err != nil {
			return err
		}
	}
	if cfg.TLSAddr != "" {
		if s.tls, err = s.listenTCP(ctx, cfg.TLSAddr, gate.TLS(cfg.TLS)); err != nil {
			return err
		}
		if s.dtls, err = s.listenDTLS(ctx, s.crowdUDP); err != nil {
			return err
		}
	}
	for _, stream := range cfg.Streams { // at last: if we fail they are the caller's
		s.streams = append(s.streams, gate.NewListener(stream.Listener, gate.ListenerConfig{Crowd: s.crowd, Refused: s.refuseFrame}))
	}
	return nil
}

// listenUDP opens the sockets of UDPAddrs, of which only the first one must be
// had.
func (s *Server) listenUDP(ctx context.Context) error {
	for i, address := range s.cfg.UDPAddrs {
		if address == "" {
			continue
		}
		udp, err := s.openUDP(ctx, address)
		switch {
		case err == nil:
			s.udp, s.bound = append(s.udp, udp), append(s.bound, address)
		case i > 0 && (errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES)):
			s.log.Info("turn does without a udp address", "address", address, "why", err.Error())
		default:
			return err
		}
	}
	return nil
}

// openUDP opens the sockets of an address, if an older process has none there.
func (s *Server) openUDP(ctx context.Context, address string) (gate.Sockets, error) {
	if inherited := s.estate.take(address); inherited != nil {
		return gate.AdoptUDP(inherited, s.refuseFrame)
	}
	return gate.ListenUDP(ctx, s.cfg.Sockets, address, s.cfg.cores, s.refuseFrame)
}

func (s *Server) listenTCP(ctx context.Context, address string, opening gate.Opening) (*gate.Listener, error) {
	l, err := s.cfg.Sockets.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return gate.NewListener(l, gate.ListenerConfig{
		Crowd: s.crowd, Opening: opening, Proxies: plain(s.cfg.TrustedProxies), Refused: s.refuseFrame,
	}), nil
}

func (s *Server) listenDTLS(ctx context.Context, crowd *arrivals.Crowd) (*gate.Listener, error) {
	flows, err := s.openFlows(ctx)
	if err != nil {
		return nil, err
	}
	s.flows = flows
	return gate.NewListener(flows, gate.ListenerConfig{
		Crowd: crowd, Opening: gate.DTLS(s.cfg.TLS, s.cfg.Domain, pionLog{s.log}), Refused: s.refuseFrame,
	}), nil
}

func (s *Server) openFlows(ctx context.Context) (*gate.Flows, error) {
	if inherited := s.estate.take(flowsOf(s.cfg.TLSAddr)); inherited != nil {
		return gate.AdoptFlows(inherited[0], s.refuseFrame), nil
	}
	return gate.ListenFlows(ctx, s.cfg.Sockets, s.cfg.TLSAddr, s.refuseFrame)
}

// listeners are those that are on and accept.
func (k *sockets) listeners() []*gate.Listener {
	var on []*gate.Listener
	for _, l := range append([]*gate.Listener{k.tcp, k.tls, k.dtls}, k.streams...) {
		if l != nil {
			on = append(on, l)
		}
	}
	return on
}

// ports are those of the sockets that listen.
func (k *sockets) ports() map[uint16]bool {
	ports := map[uint16]bool{}
	for _, udp := range k.udp {
		ports[gate.AddrPort(udp.LocalAddr()).Port()] = true
	}
	for _, l := range k.listeners() {
		ports[gate.AddrPort(l.Addr()).Port()] = true
	}
	return ports
}

// closeSockets closes the sockets, upon which the doors and accept end.
func (k *sockets) closeSockets() error {
	var errs []error
	for _, udp := range k.udp {
		errs = append(errs, udp.Close())
	}
	for _, l := range k.listeners() {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) { // a Stream may be closed already
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
