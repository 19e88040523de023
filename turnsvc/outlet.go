package turnsvc

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/mmsg"
)

const (
	// maxOutlets bounds the sockets of busy ways. Each takes a descriptor of those
	// that MaxAllocations keeps for allocations which are not there.
	maxOutlets = 1024
	// outletDatagrams is how many must go one way within a second for a socket of
	// its own, which costs as much as it saves on a hundred: a voice sends 50.
	outletDatagrams = 50
	// outletQueue bounds how many wait to be opened; who finds no room asks again
	// a second later.
	outletQueue = 64
	// outletSweep is how often it is looked whether they are used, and whether
	// their ways are still the same.
	outletSweep = 5 * time.Second
)

// An outlet is one way of an allocation: to its client, or to the peer of a channel.
// While much goes there it has a socket that is connected (mmsg.Dial), from the
// address and port of the one that is read:
//
//	closed ──▶ asked for ──▶ open ──▶ closed
//	  outletDatagrams      │        nothing went there since the last sweep, or
//	   in a second         │        the way begins elsewhere, or the relay is closed
//	                       └─▶ closed: too many, no descriptor, no way
//
// Many goroutines send by it; the one of outlets opens and closes it.
type outlet struct {
	relay    *relay // whose
	from, to netip.AddrPort

	sock  atomic.Pointer[mmsg.Socket] // nil: closed
	used  atomic.Bool                 // since the last sweep
	count atomic.Uint64               // datagrams of a second, which is in the upper half
}

// outletTo is the outlet for the peer of a verdict, which may be that from before;
// nil if it is somebody of this server, or may not be sent to.
func (r *relay) outletTo(v *verdict, before *outlet) *outlet {
	to, _ := v.to.AddrPort()
	switch {
	case !v.lets || v.near || !r.batched():
		return nil
	case before != nil && before.to == to:
		return before
	}
	return &outlet{relay: r, from: r.bound(), to: to}
}

// outletHome is the outlet for a client by UDP; nil if it is not known which address
// of ours he has asked.
func (r *relay) outletHome(g *grant) *outlet {
	if !g.reply.From.IsValid() || g.client.Addr().IsLinkLocalUnicast() {
		return nil
	}
	return &outlet{relay: r, from: g.reply.From, to: g.client}
}

// socket is the one that is connected or, if there is none, the one that is read.
func (o *outlet) socket(now time.Duration, other *mmsg.Socket) *mmsg.Socket {
	if o == nil {
		return other
	}
	if s := o.sock.Load(); s != nil {
		if !o.used.Load() {
			o.used.Store(true)
		}
		return s
	}
	if h := o.relay.home.homes; o.busy(now, h.cfg.outletAfter) {
		h.batch.outlets.ask(o)
	}
	return other
}

// busy counts a datagram, and is true once in a second in which many come. What two
// count at once may count as one.
func (o *outlet) busy(now time.Duration, many uint64) bool {
	second := uint64(now/time.Second) << 32
	count := max(o.count.Load(), second) + 1
	o.count.Store(count)
	return count == second+many
}

// outlets opens and closes them, in a goroutine of its own: datagrams do not wait
// for it.
type outlets struct {
	srv   *Server
	asked chan *outlet

	mu   sync.Mutex // guards open; never held while one is opened
	open map[*outlet]bool
}

func newOutlets(s *Server) *outlets {
	return &outlets{srv: s, asked: make(chan *outlet, outletQueue), open: map[*outlet]bool{}}
}

// ask has an outlet opened soon, if there is room.
func (k *outlets) ask(o *outlet) {
	select {
	case k.asked <- o:
	default:
	}
}

// run opens and closes until done.
func (k *outlets) run(done <-chan struct{}) {
	tick := time.NewTicker(outletSweep)
	defer tick.Stop()
	for {
		select {
		case o := <-k.asked:
			k.connect(o)
		case <-tick.C:
			k.sweep()
		case <-done:
			for _, o := range k.all() {
				k.shut(o)
			}
			return
		}
	}
}

// room is how many may be open now.
func (k *outlets) room() int { return min(maxOutlets, k.srv.cfg.MaxAllocations-k.srv.quota.count()) }

// connect opens the socket of an outlet, if it can be.
func (k *outlets) connect(o *outlet) {
	if o.sock.Load() != nil || k.count() >= k.room() {
		return
	}
	sock, err := mmsg.Dial(o.from, o.to, socketBufferBytes)
	if err != nil {
		k.srv.log.Debug("turn outlet not opened", "err", err.Error())
		return
	}
	k.mu.Lock()
	k.open[o] = true
	o.used.Store(true)
	o.sock.Store(sock)
	k.mu.Unlock()
	if o.relay.gone.Load() { // and drop came too early, perhaps
		k.shut(o)
	}
}

func (k *outlets) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.open)
}

// sweep closes those that nobody uses, those whose way has changed, and those that
// are too many.
func (k *outlets) sweep() {
	over := k.count() - k.room()
	for _, o := range k.all() {
		sock := o.sock.Load()
		if sock == nil || o.used.Swap(false) && over <= 0 && sock.Current() {
			continue
		}
		k.shut(o)
		over--
	}
}

// drop closes those of a relay, whose gone is set.
func (k *outlets) drop(r *relay) {
	for _, o := range k.all() {
		if o.relay == r {
			k.shut(o)
		}
	}
}

func (k *outlets) all() []*outlet {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Keys(k.open))
}

// shut closes one. What was to be sent by it at this moment is lost, as on the
// network.
func (k *outlets) shut(o *outlet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open[o] {
		delete(k.open, o)
		_ = o.sock.Swap(nil).Close() // of a socket that only sends
	}
}
