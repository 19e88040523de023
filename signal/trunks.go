package signal

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// How nodes notice one another's end. All are counted in ticks of Serve.
const (
	beatEvery     = time.Second      // to each node with which there are links
	rollCallEvery = 4 * time.Second  // of all links
	nodeSilence   = 6 * time.Second  // then a node is given up, and all links with it: longer than Redis needs to be replaced
	nodeAbsence   = 2 * time.Second  // the same, if nobody is there for what is sent to it
	linkSilence   = 12 * time.Second // then a link is that was not called
)

// The bounds of what is known of links.
const (
	maxLinks = 1 << 17 // that are open; each has a socket, here or elsewhere
	maxEnded = 1 << 16 // of which it is remembered that they have ended
)

// linkKey names a link: its proxy gave it the number.
type linkKey struct {
	proxy string
	id    uint64
}

// trunks are the links with other nodes.
type trunks struct {
	rooms   *Rooms
	fleet   Fleet
	self    string
	running sync.WaitGroup // those who work for a link
	bytes   atomic.Int64   // that all links keep

	mu       sync.Mutex // guards the fields below; nothing is called while it is held
	links    map[linkKey]*link
	ended    map[linkKey]time.Time // links of proxies: one that is opened again was opened before
	nodes    map[string]*neighbor  // with which there are links
	next     uint64                // number of a link
	beat     time.Time             // when the last one was sent
	rollCall time.Time
	closed   bool

	lost, resent, taken, moved atomic.Uint64
}

// neighbor is a node with which there are links.
type neighbor struct {
	links int
	heard time.Time // when the last frame of it came
	away  time.Time // since when nobody was there, and nothing came; zero: somebody is
}

// newTrunks returns nil for a node that is alone.
func newTrunks(r *Rooms, fleet Fleet) *trunks {
	if fleet == nil {
		return nil
	}
	return &trunks{rooms: r, fleet: fleet, self: fleet.Node(), links: map[linkKey]*link{}, ended: map[linkKey]time.Time{}, nodes: map[string]*neighbor{}}
}

// send sends a frame.
func (t *trunks) send(node string, f *frame) {
	f.from = t.self
	t.fleet.Send(node, appendFrame(make([]byte, 0, 3+len(f.from)+linkHead+len(f.payload)), f))
}

// take tells whether all links together may keep n bytes more.
func (t *trunks) take(n int) bool {
	if t.bytes.Add(int64(n)) <= maxLinksBytes {
		return true
	}
	t.give(n)
	return false
}

func (t *trunks) give(n int) { t.bytes.Add(int64(-n)) }

// add makes a link known; false if this node goes, or has too many.
func (t *trunks) add(l *link) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.links) >= maxLinks {
		return false
	}
	if l.who == isProxy {
		t.next++
		l.id = t.next
	}
	now := time.Now()
	l.trunks, l.heard, l.over = t, now, make(chan struct{})
	t.links[t.key(l)] = l
	n := t.nodes[l.peer]
	if n == nil {
		n = &neighbor{heard: now}
		t.nodes[l.peer] = n
	}
	n.links++
	return true
}

func (t *trunks) key(l *link) linkKey {
	if l.who == isProxy {
		return linkKey{t.self, l.id}
	}
	return linkKey{l.peer, l.id}
}

func (t *trunks) forget(l *link) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.links, t.key(l))
	if l.who == isHome && len(t.ended) < maxEnded {
		t.ended[t.key(l)] = time.Now()
	}
	n := t.nodes[l.peer]
	if n.links--; n.links == 0 {
		delete(t.nodes, l.peer)
	}
}

// hasEnded tells whether a link was there, a short time ago.
func (t *trunks) hasEnded(f *frame) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ended := t.ended[linkKey{f.from, f.link}]
	return ended
}

// find looks for the link that a node names; nil: there is none. Who is what
// that node says it is.
func (t *trunks) find(from string, who role, id uint64) *link {
	key := linkKey{from, id}
	if who == isHome {
		key.proxy = t.self
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.links[key]; l != nil && l.peer == from {
		return l
	}
	return nil
}

// heard notes that a node lives.
func (t *trunks) heard(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.nodes[node]; n != nil {
		n.heard, n.away = time.Now(), time.Time{}
	}
}

// unheard notes that nobody was there for a frame to a node.
func (t *trunks) unheard(node string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.nodes[node]; n != nil && n.away.IsZero() {
		n.away = time.Now()
	}
}

// gone tells whether a node is given up: it is silent, or nobody is there.
func (t *trunks) gone(node string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[node]
	return n != nil && (now.Sub(n.heard) >= nodeSilence || !n.away.IsZero() && now.Sub(n.away) >= nodeAbsence)
}

// Receive takes a frame that another node has sent to this one. It never waits,
// and belongs to the Fleet's one receiver: frames come in the order in which they
// arrived. What is no frame is dropped.
func (r *Rooms) Receive(b []byte) {
	f, err := parseFrame(b)
	if r.trunks == nil || err != nil || f.from == r.trunks.self {
		return
	}
	r.trunks.receive(&f)
}

func (t *trunks) receive(f *frame) {
	t.heard(f.from)
	who := f.who
	switch f.kind {
	case frameBeat:
		for b := f.payload; len(b) > 0; b = b[beatEntry:] {
			t.state(f.from, stateOf(b))
		}
		return
	case frameMoved:
		t.rooms.Moved(string(f.payload))
		return
	case frameCut:
		if l := t.find(f.from, who, f.link); l != nil {
			l.cut(f.why)
		}
		return
	}
	if who = isHome; f.kind.fromProxy() {
		who = isProxy
	}
	l := t.find(f.from, who, f.link)
	switch {
	case l != nil:
		l.receive(f)
	case f.kind == frameOpen && t.hasEnded(f):
		t.send(f.from, &frame{kind: frameCut, link: f.link, who: isHome, why: cutDone})
	case f.kind == frameOpen && f.seq == 1 && t.rooms.closing():
		t.send(f.from, &frame{kind: frameCut, link: f.link, who: isHome, why: cutGoing})
	case f.kind == frameOpen && f.seq == 1:
		if !t.host(f) { // and let nobody take the room over for that
			t.send(f.from, &frame{kind: frameCut, link: f.link, who: isHome, why: cutNotHome})
		}
	default:
		t.unknown(f.from, who, f.link)
	}
}

// Unheard is told by the Fleet that nobody was there to whom a frame was sent. Once
// may be by chance; again, and a home that has not answered yet is taken for dead.
func (r *Rooms) Unheard(node string) {
	if r.trunks == nil {
		return
	}
	r.trunks.unheard(node)
	for _, l := range r.trunks.all() {
		if l.peer == node {
			l.missed()
		}
	}
}

// state takes what a beat says of a link.
func (t *trunks) state(from string, s linkState) {
	if l := t.find(from, s.who, s.link); l != nil {
		l.state(s)
	} else {
		t.unknown(from, s.who, s.link)
	}
}

// unknown tells a node that there is no such link.
func (t *trunks) unknown(node string, who role, id uint64) {
	t.send(node, &frame{kind: frameCut, link: id, who: isProxy + isHome - who, why: cutLost})
}

// all are the links of this moment.
func (t *trunks) all() []*link {
	t.mu.Lock()
	defer t.mu.Unlock()
	links := make([]*link, 0, len(t.links))
	for _, l := range t.links {
		links = append(links, l)
	}
	return links
}

// tick is called every tickEvery: it sends beats, sends again what has not
// arrived, and gives up who is silent.
func (t *trunks) tick(now time.Time) {
	links, due, all := t.turn(now)
	beats := map[string][]byte{}
	for _, l := range links {
		if t.silent(l, now) {
			continue
		}
		s, known, news := l.resend(now)
		b := beats[l.peer]
		if known && (all || news) {
			b = appendState(b, s)
		}
		if len(b) >= maxBeatLinks*beatEntry {
			t.send(l.peer, &frame{kind: frameBeat, payload: b})
			b = []byte{}
		}
		beats[l.peer] = b
	}
	for node, b := range beats {
		if due || len(b) > 0 {
			t.send(node, &frame{kind: frameBeat, payload: b})
		}
	}
}

// turn says what this tick is for.
func (t *trunks) turn(now time.Time) (links []*link, beat, rollCall bool) {
	links = t.all()
	t.mu.Lock()
	defer t.mu.Unlock()
	if beat = now.Sub(t.beat) >= beatEvery; beat {
		t.beat = now
	}
	if rollCall = now.Sub(t.rollCall) >= rollCallEvery; rollCall {
		t.rollCall = now
		for key, at := range t.ended {
			if now.Sub(at) >= linkSilence {
				delete(t.ended, key)
			}
		}
	}
	return links, beat, rollCall
}

// silent gives a link up if nothing is heard of it, or of its node.
func (t *trunks) silent(l *link, now time.Time) bool {
	gone := t.gone(l.peer, now)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !gone && now.Sub(l.heard) < linkSilence {
		return false
	}
	t.lost.Add(1)
	l.sever(cutLost, true)
	return true
}

// close ends all links, when no socket of this node is left, and waits until
// those who work for them are done.
func (t *trunks) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	for _, l := range t.all() {
		l.mu.Lock()
		l.sever(cutLost, true)
		l.mu.Unlock()
	}
	t.running.Wait()
}

// count fills in what is about other nodes.
func (t *trunks) count(s *Stats) {
	for _, l := range t.all() {
		if l.who == isHome {
			s.Hosted++
		} else {
			s.Proxied++
		}
	}
	s.Lost, s.Resent, s.TakenOver, s.Moved = t.lost.Load(), t.resent.Load(), t.taken.Load(), t.moved.Load()
}

// sendAway tells the members that other nodes hold that this one stops, as the
// hub tells its own.
func (r *Rooms) sendAway() {
	if r.trunks == nil {
		return
	}
	for _, l := range r.trunks.all() {
		if c, ok := l.end.(*remote); ok {
			c.Close(wire.CloseGoingAway, wire.ReasonShutdown)
		}
	}
}
