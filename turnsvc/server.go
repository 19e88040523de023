package turnsvc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// Server is a STUN and TURN server on up to one UDP and one TCP address.
type Server struct {
	cfg      Config
	log      *slog.Logger
	verifier Verifier
	quota    *quota
	relays   *relays
	count    counters
	udp      *gate.Datagrams // nil: off
	tcp      *gate.Listener  // nil: off

	doors sync.WaitGroup // those that pion reads from
}

// Listen opens the sockets of cfg; nothing is served before Serve. The context
// bounds only the opening.
func Listen(ctx context.Context, cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("configure turn: %w", err)
	}
	own, err := interfaceAddrs()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, log: cfg.Log,
		verifier: Verifier{Secrets: cfg.Secrets, Now: cfg.now},
		quota:    newQuota(cfg.MaxAllocations, cfg.MaxPerUser, cfg.MaxPerAddr),
	}
	if err := s.listen(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for turn: %w", err), s.closeSockets())
	}
	s.relays = newRelays(cfg, own, s.ports(), &s.count)
	return s, nil
}

func (s *Server) listen(ctx context.Context) error {
	var lc net.ListenConfig
	if s.cfg.UDPAddr != "" {
		conn, err := lc.ListenPacket(ctx, "udp", s.cfg.UDPAddr)
		if err != nil {
			return err
		}
		udp := conn.(*net.UDPConn)               // as ListenPacket promises for "udp"
		_ = udp.SetReadBuffer(socketBufferBytes) // with a smaller one it works as well
		s.udp = gate.NewDatagrams(udp, s.refuseFrame)
	}
	if s.cfg.TCPAddr != "" {
		l, err := lc.Listen(ctx, "tcp", s.cfg.TCPAddr)
		if err != nil {
			return err
		}
		limits := gate.Limits{Conns: 2 * s.cfg.MaxAllocations, ConnsPerAddr: 2 * s.cfg.MaxPerAddr}
		s.tcp = gate.NewListener(l, limits, s.refuseFrame)
	}
	return nil
}

func (s *Server) closeSockets() error {
	var errs []error
	if s.udp != nil {
		errs = append(errs, s.udp.Close())
	}
	if s.tcp != nil {
		errs = append(errs, s.tcp.Close())
	}
	return errors.Join(errs...)
}

// Serve serves until ctx ends. Then new allocations are refused (486) and live
// ones go on, refreshed as ever, until none is left or Config.DrainTimeout has
// passed; then everything is closed. It is called once and returns nil after a
// clean stop, when every goroutine of its own has ended.
func (s *Server) Serve(ctx context.Context) error {
	var streams sync.WaitGroup
	if s.tcp != nil {
		streams.Go(s.accept)
	}
	if s.udp != nil {
		if err := s.open(s.udp); err != nil {
			err = errors.Join(fmt.Errorf("serve turn on udp: %w", err), s.closeSockets())
			streams.Wait()
			return err
		}
	}
	s.log.Debug("turn serves", "urls", s.URLs())
	<-ctx.Done()
	drained := s.drain(ctx)
	err := s.closeSockets() // upon which the doors and accept end
	streams.Wait()
	s.doors.Wait()
	s.relays.closeAll()
	<-drained
	s.log.Debug("turn stopped")
	return err
}

// drain refuses new allocations and waits for the live ones as long as it may.
// The channel is closed when none is left.
func (s *Server) drain(ctx context.Context) <-chan struct{} {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.DrainTimeout)
	defer cancel()
	drained := s.quota.drain()
	s.log.Info("turn drains", "allocations", s.quota.count())
	select {
	case <-drained:
	case <-ctx.Done():
		s.log.Warn("turn cuts what is left", "allocations", s.quota.count())
	}
	return drained
}

// accept opens a door for every TCP connection until the listener is closed;
// then it closes the connections and waits for those that have no door yet.
func (s *Server) accept() {
	var waiting sync.WaitGroup
	for {
		stream, err := s.tcp.AcceptStream()
		if err != nil {
			break
		}
		waiting.Go(func() { s.greet(stream) })
	}
	s.tcp.CloseStreams()
	waiting.Wait()
}

// greet opens a door when the client has sent its first whole frame: those that
// never do cost no pion server.
func (s *Server) greet(stream *gate.Stream) {
	if stream.Await() != nil {
		return
	}
	if err := s.open(stream); err != nil {
		s.log.Error("turn connection without a server", "err", err.Error())
	}
}

func (s *Server) giveBack(g *grant) { s.quota.giveBack(g.user, g.source()) }

func (s *Server) refuseFrame() { s.count.frames.Add(1) }
