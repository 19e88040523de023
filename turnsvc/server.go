package turnsvc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// Server is a STUN and TURN server over UDP, TCP, TLS and DTLS.
type Server struct {
	cfg       Config
	log       *slog.Logger
	secrets   keyring
	quota     *quota
	nonces    *nonces
	strangers *gate.Limiter
	rooms     *rooms
	reserved  reservations
	budget    *budget
	grants    atomic.Uint64 // how many were made; numbers them
	homes     *homes
	offer     *offer
	exhausted pacer
	userSpace DataPlane // PlaneBatch or PlanePion
	batch     *batch    // nil: everything is carried by pion
	kernel    *carriage // nil: everything is carried in user space
	count     counters
	estate    estate                    // of Config.Estate, until Listen returns
	retired   atomic.Pointer[time.Time] // when it was; nil: it is not
	hurry     chan struct{}             // closed by Hurry
	sockets

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
		quota:     newQuota(cfg.MaxAllocations, cfg.MaxPerUser, cfg.MaxPerAddr),
		nonces:    newNonces(),
		strangers: gate.NewLimiter(gate.StrangerRate, gate.StrangerBurst),
		rooms:     newRooms(),
		offer:     newOffer(),
		hurry:     make(chan struct{}),
	}
	s.estate, err = readEstate(cfg.Estate)
	if err != nil {
		return nil, fmt.Errorf("inherit the sockets of turn: %w", err)
	}
	defer s.estate.close()
	s.secrets.set(cfg.Secrets, cfg.now())
	if s.budget, err = openBudget(cfg, &s.count); err != nil {
		return nil, err
	}
	if err := s.listen(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for turn: %w", err), s.closeSockets())
	}
	s.homes = newHomes(cfg, own, s.ports(), newMeter(cfg, &s.count, s.budget))
	s.homes.rooms = s.rooms
	s.choosePlanes()
	return s, nil
}

// Serve serves until ctx ends. Then new allocations are refused (486) and live
// ones go on, refreshed as ever, until none is left or Config.DrainTimeout has
// passed; then everything is closed. It is called once and returns nil after a
// clean stop, when every goroutine of its own has ended.
func (s *Server) Serve(ctx context.Context) error {
	defer s.budget.keep()() // until the last relay is closed
	defer s.kernel.run()()
	defer s.batch.run()()
	for _, socket := range slices.Concat(s.udp...) {
		if err := s.open(socket); err != nil {
			err = errors.Join(fmt.Errorf("serve turn on udp: %w", err), s.closeSockets())
			s.doors.Wait()
			return err
		}
	}
	var streams sync.WaitGroup
	life := context.WithoutCancel(ctx) // which goes on while we drain
	for _, l := range s.listeners() {
		streams.Go(func() { s.accept(life, l) })
	}
	s.watch(ctx)
	drained := s.drain(ctx)
	err := s.closeSockets()
	streams.Wait()
	s.doors.Wait()
	s.reserved.closeAll()
	s.homes.closeAll()
	<-drained
	s.log.Debug("turn stopped")
	return err
}

// Hurry has the end of Serve cut what is left, now or when it comes: the process that
// reads the sockets for this one has died, and the next server wants them. It is called
// once.
func (s *Server) Hurry() { close(s.hurry) }

// drain refuses new allocations and waits for the live ones as long as it may.
// The channel is closed when none is left.
func (s *Server) drain(ctx context.Context) <-chan struct{} {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.DrainTimeout)
	defer cancel()
	drained := s.quota.drain()
	s.log.Info("turn drains", "allocations", s.quota.count())
	select {
	case <-drained:
	case <-s.hurry:
		s.log.Info("turn cuts what is left: nobody brings it datagrams any more", "allocations", s.quota.count())
	case <-ctx.Done():
		s.log.Warn("turn cuts what is left", "allocations", s.quota.count())
	}
	return drained
}

// accept opens a door for every connection until the listener is closed; then it
// closes the connections and waits for those that have no door yet.
func (s *Server) accept(ctx context.Context, l *gate.Listener) {
	var waiting sync.WaitGroup
	for {
		stream, err := l.AcceptStream()
		if err != nil {
			break
		}
		waiting.Go(func() { s.greet(ctx, stream) })
	}
	l.CloseStreams()
	waiting.Wait()
}

// greet opens a door when the client has sent its first whole frame: those that
// never do cost no pion server.
func (s *Server) greet(ctx context.Context, stream *gate.Stream) {
	if stream.Await(ctx) != nil {
		return
	}
	if err := s.open(stream); err != nil {
		s.log.Error("turn connection without a server", "err", err.Error())
	}
}

// take counts an allocation, here and for the other servers of a fleet.
func (s *Server) take(g *grant) bool {
	counts := s.cfg.Counts
	if counts == nil {
		return s.quota.take(g.owner, g.source())
	}
	ofUser, ofSource := counts.Elsewhere(g.shared(), g.source())
	ok := s.quota.takeBeside(g.owner, g.source(), ofUser, ofSource)
	if ok {
		counts.Count(g.shared(), g.source(), 1)
	}
	return ok
}

// giveBack undoes a take.
func (s *Server) giveBack(g *grant) {
	s.quota.giveBack(g.owner, g.source())
	if counts := s.cfg.Counts; counts != nil {
		counts.Count(g.shared(), g.source(), -1)
	}
}

func (s *Server) refuseFrame() { s.count.frames.Add(1) }
