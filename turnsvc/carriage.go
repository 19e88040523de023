package turnsvc

import (
	"iter"
	"net/netip"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// carriageInterval is how often a plane is asked what it has carried, told the
// bitrate, and given what may be carried since something has changed. What may no
// longer be carried ends at once.
const carriageInterval = 500 * time.Millisecond

// When a plane that has failed is opened again: after reopenAfter, and then twice as
// long each time, up to maxReopenAfter.
const (
	reopenAfter    = 10 * time.Second
	maxReopenAfter = 10 * time.Minute
)

// A carriage is a plane, and what it is to carry.
//
//	ChannelBind ─▶ wanted ──wall──▶ carried
//	                  ▲               │ an address changes, the partner goes
//	                  └───────────────┘
//	the channel or its allocation ends ─▶ gone
//
// User space knows everything that the plane knows, so that it may fail; then it is
// opened again. All methods may be called by any number of goroutines; on nil they
// do nothing.
type carriage struct {
	srv *Server

	// Only keep touches these.
	epoch   uint64           // of the homes, when everything was looked at
	bitrate Bitrate          // that the plane knows
	told    dataplane.Counts // that the meter knows

	// mu guards the fields below. It is held while the plane is told, so that what
	// ends does not overtake what begins; pion's locks may be held, ours are not.
	mu     sync.Mutex
	plane  dataplane.Plane // only keep replaces it
	down   bool            // it has failed, or was closed
	wanted map[*relay]map[uint16]*wanted
	toward map[netip.AddrPort]map[*wanted]struct{} // by peer
}

// wanted is a channel that a plane may carry while the wall lets it.
type wanted struct {
	relay   *relay
	peer    netip.AddrPort
	channel dataplane.Channel // what the plane was told last
	carried bool              // it has taken that
}

func newCarriage(s *Server, plane dataplane.Plane) *carriage {
	return &carriage{
		plane: plane, srv: s, bitrate: s.homes.meter.rate(),
		wanted: map[*relay]map[uint16]*wanted{}, toward: map[netip.AddrPort]map[*wanted]struct{}{},
	}
}

// bind wants a channel that pion has bound carried. The client has come from there,
// by UDP or not.
func (c *carriage) bind(g *grant, number uint16, peer netip.AddrPort, o *order) {
	r := g.relay.Load()
	if c == nil || r == nil {
		return
	}
	sock, ok := g.door.PacketConn.(*gate.Datagrams)
	if !ok || g.client.Addr().IsLinkLocalUnicast() { // which means nothing without its zone
		return
	}
	server := sock.Asked(o.from)
	if !server.IsValid() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.gone.Load() || c.wanted[r][number] != nil { // the peer cannot be another one
		return
	}
	w := &wanted{relay: r, peer: peer, channel: dataplane.Channel{
		Allocation: g.number, Client: g.client, Server: server, Number: number,
		Relayed: r.bound(),
	}}
	if c.wanted[r] == nil {
		c.wanted[r] = map[uint16]*wanted{}
	}
	c.wanted[r][number] = w
	if c.toward[peer] == nil {
		c.toward[peer] = map[*wanted]struct{}{}
	}
	c.toward[peer][w] = struct{}{}
	c.look(w)
}

// unbind ends what bind has begun.
func (c *carriage) unbind(r *relay, number uint16) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.wanted[r][number]; w != nil {
		c.forget(w)
	}
}

// drop ends the channels of a relay, and those that others have bound to it. It is
// called before its port can be somebody else's.
func (c *carriage) drop(r *relay) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.wanted[r] {
		c.forget(w)
	}
	for w := range c.toward[r.relayed()] {
		c.look(w)
	}
}

// reconsider looks at the channels to some peers.
func (c *carriage) reconsider(peers []netip.AddrPort) {
	if c == nil || len(peers) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, peer := range peers {
		for w := range c.toward[peer] {
			c.look(w)
		}
	}
}

// forget wants a channel no more. c.mu is held.
func (c *carriage) forget(w *wanted) {
	c.let(w)
	delete(c.wanted[w.relay], w.channel.Number)
	if len(c.wanted[w.relay]) == 0 {
		delete(c.wanted, w.relay)
	}
	delete(c.toward[w.peer], w)
	if len(c.toward[w.peer]) == 0 {
		delete(c.toward, w.peer)
	}
}

// let lets go of what the plane carries of w. c.mu is held.
func (c *carriage) let(w *wanted) {
	if w.carried {
		c.plane.Unbind(w.channel)
	}
	w.carried = false
}

// look gives the plane a channel if the wall lets it now, or takes it away. What
// the plane has refused it is not asked again, unless it is another thing now.
// While there is no plane nothing is done. c.mu is held.
func (c *carriage) look(w *wanted) {
	if c.down {
		return
	}
	ch, before := w.channel, w.channel.Peer
	ch.Peer, ch.Partner = w.relay.home.homes.inward(w.peer), netip.AddrPort{}
	if other := w.relay.home.homes.at(w.peer); other != nil {
		ch.Partner = other.bound()
	}
	lets := w.relay.lets(w.peer)
	if !lets || ch != w.channel {
		c.let(w)
	}
	if !lets {
		w.channel.Peer = netip.AddrPort{} // so that it is another thing when it may again
		return
	}
	if before.IsValid() && ch == w.channel {
		return
	}
	w.channel = ch
	w.carried = c.plane.Bind(ch) == nil
}

// refresh looks at every channel.
func (c *carriage) refresh() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.all() {
		c.look(w)
	}
}

// all are the channels that are wanted. c.mu is held.
func (c *carriage) all() iter.Seq[*wanted] {
	return func(yield func(*wanted) bool) {
		for _, channels := range c.wanted {
			for _, w := range channels {
				if !yield(w) {
					return
				}
			}
		}
	}
}

// run keeps the plane until the function that it returns is called.
func (c *carriage) run() (stop func()) {
	if c == nil {
		return func() {}
	}
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { c.keep(done) })
	return func() {
		close(done)
		running.Wait()
	}
}

func (c *carriage) keep(done <-chan struct{}) {
	for {
		why := c.carry(done)
		c.close(why)
		if why == nil || !c.reopen(done) {
			return
		}
	}
}

// carry returns why the plane has failed, or nil when done.
func (c *carriage) carry(done <-chan struct{}) error {
	tick := time.NewTicker(carriageInterval)
	defer tick.Stop()
	for {
		select {
		case why := <-c.plane.Failed():
			return why
		case <-done:
			return nil
		case <-tick.C:
			c.tick()
		}
	}
}

// tick is what happens every carriageInterval.
func (c *carriage) tick() {
	if now := c.srv.homes.epoch.Load(); now != c.epoch {
		c.epoch = now
		c.refresh()
	}
	c.account()
	if rate := c.srv.homes.meter.rate(); rate != c.bitrate {
		c.bitrate = rate
		c.plane.SetBitrate(int64(rate))
	}
}

// close ends the plane: user space goes on, by itself.
func (c *carriage) close(why error) {
	c.mu.Lock()
	c.down = true
	for w := range c.all() {
		w.carried, w.channel.Peer = false, netip.AddrPort{} // so that it is another thing for the next plane
	}
	c.mu.Unlock()
	c.account()
	err := c.plane.Close()
	switch {
	case why != nil:
		c.srv.log.Warn("turn data plane failed", "plane", c.plane.Name(), "err", why.Error(), "goes_on_with", c.srv.userSpace.String())
	case err != nil:
		c.srv.log.Warn("turn data plane not closed", "plane", c.plane.Name(), "err", err.Error())
	}
}

// reopen opens the plane anew and gives it the channels that live. It is false when
// done comes before.
func (c *carriage) reopen(done <-chan struct{}) bool {
	for wait := c.srv.cfg.reopenAfter; ; wait = min(2*wait, maxReopenAfter) {
		select {
		case <-done:
			return false
		case <-time.After(wait):
		}
		options := c.srv.planeOptions()
		plane, err := c.srv.cfg.kernel(options)
		if err != nil {
			c.srv.log.Debug("turn data plane does not come back", "err", err.Error())
			continue
		}
		c.bitrate, c.told = Bitrate(options.Bitrate), dataplane.Counts{}
		c.mu.Lock()
		c.plane, c.down = plane, false
		c.mu.Unlock()
		c.refresh()
		c.srv.log.Info("turn data plane is back", "plane", plane.Name())
		return true
	}
}

// account tells the meter what was carried since the last time.
func (c *carriage) account() {
	now, err := c.plane.Counts()
	if err != nil {
		c.srv.log.Debug("turn data plane does not count", "err", err.Error())
		return
	}
	c.srv.homes.meter.carried(c.told, now)
	c.told = now
}
