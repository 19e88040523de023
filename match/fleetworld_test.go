package match

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// wires is a Fleet of several nodes in one process: what one tells, the others
// have heard when it returns.
type wires struct {
	mu    sync.Mutex
	nodes map[string]map[string]func(from string, body []byte)
	cut   map[string]bool // nodes that hear nothing
	told  int             // to all
}

func newWires() *wires {
	return &wires{nodes: map[string]map[string]func(string, []byte){}, cut: map[string]bool{}}
}

// plug is the end of one node.
type plug struct {
	*wires
	node string
}

func (p plug) On(kind string, heard func(from string, body []byte)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.nodes[p.node] == nil {
		p.nodes[p.node] = map[string]func(string, []byte){}
	}
	p.nodes[p.node][kind] = heard
}

func (p plug) Tell(node, kind string, body []byte) {
	p.mu.Lock()
	heard := p.nodes[node][kind]
	if p.cut[node] || p.cut[p.node] {
		heard = nil
	}
	p.mu.Unlock()
	if heard != nil {
		heard(p.node, body)
	}
}

// TellAll tells the teller too: a lobby has to know its own words.
func (p plug) TellAll(kind string, body []byte) {
	p.mu.Lock()
	p.told++
	nodes := make([]string, 0, len(p.nodes))
	for node := range p.nodes {
		nodes = append(nodes, node)
	}
	p.mu.Unlock()
	for _, node := range nodes {
		p.Tell(node, kind, body)
	}
}

func (w *wires) becomes(node string, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut[node] = cut
}

func (w *wires) toldAll() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.told
}

// line is a pool of all nodes: who comes meets the first of those who wait.
type line struct {
	mu    sync.Mutex
	apart bool // nobody meets anybody
	queue []standing
	rooms int
}

type standing struct {
	ticket *Ticket
	node   string
}

// linePool is the line as one node sees it.
type linePool struct {
	*line
	node string
	gone map[*Ticket]bool // has a partner, or was taken out
	head map[*Ticket]bool // goes to the head
}

func (l *line) at(node string) *linePool {
	return &linePool{line: l, node: node, gone: map[*Ticket]bool{}, head: map[*Ticket]bool{}}
}

func (p *linePool) Offer(t *Ticket) {
	p.mu.Lock()
	if p.gone[t] || slices.ContainsFunc(p.queue, func(s standing) bool { return s.ticket == t }) {
		p.mu.Unlock()
		return
	}
	if p.apart || len(p.queue) == 0 || p.queue[0].ticket.User == t.User {
		at := len(p.queue)
		if p.head[t] || t.First {
			at = 0
		}
		p.queue = slices.Insert(p.queue, at, standing{t, p.node})
		n := len(p.queue)
		p.mu.Unlock()
		t.Visitor.News(n)
		return
	}
	a := p.queue[0]
	p.queue = p.queue[1:]
	p.gone[t] = true
	p.rooms++
	m := Meeting{
		RoomName: fmt.Sprint("name-", p.rooms), RoomID: fmt.Sprint("room-", p.rooms), At: time.Now(),
		Node: a.node, URL: "https://" + a.node + ".example.org",
	}
	p.mu.Unlock()
	m.Side, m.Partner, m.PartnerNode = wire.SideB, a.ticket.Party, a.node
	_ = t.Visitor.Meet(m)
	m.Side, m.Partner, m.PartnerNode = wire.SideA, t.Party, p.node
	_ = a.ticket.Visitor.Meet(m)
}

func (p *linePool) Cancel(t *Ticket) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.queue)
	p.queue = slices.DeleteFunc(p.queue, func(s standing) bool { return s.ticket == t })
	p.gone[t] = true
	return len(p.queue) < n
}

func (p *linePool) Return(t *Ticket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.gone, t)
	p.head[t] = true
}

func (p *linePool) SetRules(Rules) {}

func (p *linePool) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue)
}

func (p *linePool) Serve(ctx context.Context) error {
	<-ctx.Done()
	p.mu.Lock()
	mine := slices.DeleteFunc(slices.Clone(p.queue), func(s standing) bool { return s.node != p.node })
	p.queue = slices.DeleteFunc(p.queue, func(s standing) bool { return s.node == p.node })
	p.mu.Unlock()
	for _, s := range mine {
		s.ticket.Visitor.End(wire.ErrorShuttingDown)
	}
	return nil
}

// shelf is a BanStore in memory.
type shelf struct {
	mu   sync.Mutex
	kept map[string][]byte
	err  error
}

func (s *shelf) Watch(func()) {}

func (s *shelf) Load(context.Context) (map[string][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string][]byte{}
	maps.Copy(all, s.kept)
	return all, s.err
}

func (s *shelf) Save(_ context.Context, put map[string][]byte, drop []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	maps.Copy(s.kept, put)
	for _, key := range drop {
		delete(s.kept, key)
	}
	return nil
}

func (s *shelf) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept)
}

// fleetStory is nodes n1, n2 and n3 on a fake clock.
type fleetStory struct {
	t     *testing.T
	wires *wires
	line  *line
	shelf *shelf
	sites map[string]*site
	ended map[string][]string // rooms, as Config.Banned was told of them; by node
	names map[string]int      // people who were made up
}

func fleetOf(t *testing.T, story func(t *testing.T, f *fleetStory)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fleetStory{
			t: t, wires: newWires(), line: new(line), shelf: &shelf{kept: map[string][]byte{}},
			sites: map[string]*site{}, ended: map[string][]string{}, names: map[string]int{},
		}
		for _, node := range []string{"n1", "n2", "n3"} {
			f.start(node, "")
		}
		defer func() {
			for _, s := range f.sites {
				s.stop()
			}
		}()
		story(t, f)
	})
}

// start starts a node, which keeps its bans in a file.
func (f *fleetStory) start(node, file string) {
	f.t.Helper()
	bans, err := OpenBans(BansConfig{File: file, Key: []byte("the secret of all nodes"), Store: f.shelf})
	if err != nil {
		f.t.Fatal(err)
	}
	f.sites[node] = openSite(f.t, Config{
		Pool: f.line.at(node), Fleet: plug{f.wires, node}, Node: node, Bans: bans,
		FairUse: FairUse{SkipEvery: SkipEvery, PeoplePerAddr: PeoplePerAddr},
		Banned:  func(rooms []string, _ netip.Prefix) { f.ended[node] = append(f.ended[node], rooms...) },
	})
	synctest.Wait()
}

// stop stops a node.
func (f *fleetStory) stop(node string) {
	f.sites[node].stop()
	delete(f.sites, node)
	f.wires.mu.Lock()
	defer f.wires.mu.Unlock()
	delete(f.wires.nodes, node)
}

// at lets somebody ask at a node for a partner.
func (f *fleetStory) at(node, ip, user string) *client {
	f.t.Helper()
	return f.sites[node].from(ip).connect(f.t, asks(user))
}

// meet lets a wait at one node, and b come to n2.
func (f *fleetStory) meet(node, a, b string) (room string, atA, atB *client) {
	f.t.Helper()
	atA = f.at(node, "192.0.2.1", a)
	atA.must(wire.MatchWaiting)
	atB = f.at("n2", "192.0.2.2", b)
	return f.sites[node].pair(f.t, atA, atB), atA, atB
}

// report reports somebody at a node, and returns the answer.
func (f *fleetStory) report(node, ip, room, user string) wire.MatchMessage {
	f.t.Helper()
	c := f.sites[node].from(ip).connect(f.t, reports(room, user, wire.ReportSpam))
	defer c.close()
	return decode(f.t, <-c.got)
}
