package turnsvc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
	"github.com/wasmp2pchat/wasmp2pchat/internal/mmsg"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// A batch is the plane that carries many datagrams for one system call: its workers,
// and what its lanes read. It takes Linux.
type batch struct {
	srv      *Server
	segments bool // the kernel sends runs of datagrams as segments of one
	workers  []*worker
	lanes    map[*gate.Datagrams]*gate.Batch
	porters  chan *streamPorter // that no stream has at present
	outlets  *outlets
	next     atomic.Uint64 // numbers relays, to share them between the workers
	stopping atomic.Bool
	working  sync.WaitGroup // goroutines of workers, and of relays that have none
}

// openBatch opens all of it that can fail.
func (s *Server) openBatch() (err error) {
	if err := mmsg.Supported(); err != nil {
		return err
	}
	b := &batch{srv: s, lanes: map[*gate.Datagrams]*gate.Batch{}, porters: make(chan *streamPorter, idlePorters), outlets: newOutlets(s)}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	for _, sockets := range s.udp {
		for _, d := range sockets {
			if b.lanes[d], err = d.Batch(roomBefore, roomAfter); err != nil {
				return err
			}
			b.segments = mmsg.CanSegment(b.lanes[d].Socket())
		}
	}
	s.batch = b // newPorter asks
	for range s.cfg.cores {
		w, err := newWorker(b)
		if err != nil {
			s.batch = nil
			return err
		}
		b.workers = append(b.workers, w)
	}
	s.homes.batch = b
	return nil
}

// idlePorters bounds how many are kept for streams that will have data; each has
// 16 kB.
const idlePorters = 64

// porter is one for a stream that has data.
func (b *batch) porter() *streamPorter {
	select {
	case p := <-b.porters:
		return p
	default:
		return newStreamPorter(b.srv)
	}
}

// giveBack is the end of that.
func (b *batch) giveBack(p *streamPorter) {
	p.used = 0
	select {
	case b.porters <- p:
	default: // enough are kept
	}
}

// run lets the workers work until the function that it returns is called.
func (b *batch) run() (stop func()) {
	if b == nil {
		return func() {}
	}
	for _, w := range b.workers {
		b.working.Go(w.work)
	}
	done := make(chan struct{})
	b.working.Go(func() { b.outlets.run(done) })
	return func() {
		b.stopping.Store(true)
		close(done)
		if err := b.close(); err != nil {
			b.srv.log.Debug("turn workers not closed", "err", err.Error())
		}
		b.working.Wait()
	}
}

// shut closes what sends for a relay that is gone.
func (b *batch) shut(r *relay) {
	if b != nil {
		b.outlets.drop(r)
	}
}

func (b *batch) close() error {
	var errs []error
	for _, w := range b.workers {
		errs = append(errs, w.poller.Close())
	}
	return errors.Join(errs...)
}

// watch lets a worker read from a relay or, if that cannot be, a goroutine.
func (b *batch) watch(r *relay) {
	w := b.workers[b.next.Add(1)%uint64(len(b.workers))]
	if err := w.add(r); err != nil {
		b.srv.log.Debug("turn relay without a worker", "err", err.Error())
		r.fall()
	}
}

// read carries what comes to conn, which a relay has in the place of its socket, one
// datagram after the other until it is closed. The caller is one of b.working, or the
// reader of a door, which ends before they do.
func (b *batch) read(r *relay, conn *net.UDPConn) {
	b.working.Go(func() {
		c, buf := newPorter(b.srv, 1), make([]byte, roomBefore+maxPayloadBytes+1+roomAfter)
		var tired arrivals.Pause
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf[roomBefore : len(buf)-roomAfter])
			switch {
			case errors.Is(err, net.ErrClosed):
				return
			case err != nil:
				tired.Wait(nil)
				continue
			}
			tired.Reset()
			from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
			c.begin()
			c.fromPeer(r, from, gate.Packet{Buf: buf, Begin: roomBefore, End: roomBefore + n})
			c.end()
		}
	})
}

const (
	// workerSockets is of how many sockets a worker learns at once that they have
	// datagrams.
	workerSockets = 128
	// workerDatagrams is how many a worker holds at once, of all sockets, and
	// socketDatagrams how many of one, so that nobody waits long for others.
	workerDatagrams = 256
	socketDatagrams = 64
)

// A worker carries what comes from the peers of many relays.
type worker struct {
	batch  *batch
	poller *mmsg.Poller
	in     *mmsg.Receiver
	porter *porter

	mu    sync.Mutex // guards the fields below; never held while reading or sending
	slots []slot
	free  []uint32
}

// slot is a relay that a worker watches. A token is its number in slots and, above
// it, its turn: what the poller knew before a relay was closed must not be taken
// for one that came after it.
type slot struct {
	relay *relay
	turn  uint32
}

func newWorker(b *batch) (*worker, error) {
	poller, err := mmsg.NewPoller(workerSockets)
	if err != nil {
		return nil, fmt.Errorf("open a worker: %w", err)
	}
	return &worker{
		batch: b, poller: poller, porter: newPorter(b.srv, workerDatagrams),
		in: mmsg.NewReceiver(workerDatagrams, maxPayloadBytes+1, roomBefore, roomAfter),
	}, nil
}

// add watches a relay until it is dropped.
func (w *worker) add(r *relay) error {
	w.mu.Lock()
	if len(w.free) == 0 {
		w.free = append(w.free, uint32(len(w.slots)))
		w.slots = append(w.slots, slot{})
	}
	last := len(w.free) - 1
	n := w.free[last]
	w.free = w.free[:last]
	w.slots[n].relay = r
	r.worker, r.slot = w, n
	token := uint64(w.slots[n].turn)<<32 | uint64(n)
	w.mu.Unlock()
	return w.poller.Add(r.sock, token)
}

// drop forgets a relay.
func (w *worker) drop(r *relay) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := &w.slots[r.slot]; s.relay == r {
		s.relay = nil
		s.turn++
		w.free = append(w.free, r.slot)
	}
}

// of is the relay of a token, or nil.
func (w *worker) of(token uint64) *relay {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.slots[uint32(token)]; s.turn == uint32(token>>32) {
		return s.relay
	}
	return nil
}

// work carries until the poller is closed. If it fails instead, each relay is read by
// a goroutine of its own, and pion sends.
func (w *worker) work() {
	var err error
	for err == nil {
		err = w.step()
	}
	if w.batch.stopping.Load() {
		return
	}
	w.batch.srv.log.Warn("turn data plane failed", "plane", PlaneBatch.String(), "err", err.Error(), "goes_on_with", PlanePion.String())
	w.mu.Lock()
	all := make([]*relay, 0, len(w.slots))
	for _, s := range w.slots {
		if s.relay != nil {
			all = append(all, s.relay)
		}
	}
	w.mu.Unlock()
	for _, r := range all {
		r.fall()
	}
}

// step carries what has come, or waits for it.
func (w *worker) step() error {
	n, err := w.poller.Wait()
	if err != nil {
		return err
	}
	w.porter.begin()
	for i := range n {
		if r := w.of(w.poller.Token(i)); r != nil {
			w.read(r)
		}
	}
	w.flush()
	return nil
}

// read carries what has come to one relay. What it leaves it is told of again.
func (w *worker) read(r *relay) {
	if w.in.Free() < socketDatagrams || w.porter.full() {
		w.flush()
	}
	first, end, err := w.in.Receive(r.sock, socketDatagrams)
	if err != nil {
		if !mmsg.IsClosed(err) { // the poller would tell of it for ever; read pauses
			w.drop(r)
			r.fall()
		}
		return
	}
	for i := first; i < end; i++ {
		buf, begin, end := w.in.Datagram(i)
		from, scope := w.in.From(i).AddrPort()
		if scope != 0 { // link-local, which no permission can be for
			w.porter.strangers++
			continue
		}
		w.porter.fromPeer(r, from, gate.Packet{Buf: buf, Begin: begin, End: end})
		if w.porter.full() {
			w.porter.end()
		}
	}
}

func (w *worker) flush() {
	w.porter.end()
	w.in.Reset()
}
