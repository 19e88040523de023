package match

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
)

// strands is the line of several processes in one: what one tells, another one hears
// later, in order. Like the line of real processes it calls everybody of a process by
// one goroutine.
type strands struct {
	mu   sync.Mutex
	ends map[string]*strand
	slow string   // what this one tells is kept
	kept []func() // until it is released
}

// strand is the end of one process.
type strand struct {
	*strands
	node    string
	heard   map[string]func(from string, body []byte)
	watch   []func(kin []string)
	queue   []func()
	opened  bool // it is ready
	working bool
}

func newStrands() *strands { return &strands{ends: map[string]*strand{}} }

// open is the end of a process that is being opened: like the line of real processes it
// knows nobody, and nobody knows of it, until it is ready.
func (s *strands) open(node string) *strand {
	return &strand{strands: s, node: node, heard: map[string]func(string, []byte){}}
}

// ready makes it one of all. The others hear of it, and it hears of them.
func (s *strand) ready() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened, s.ends[s.node] = true, s
	s.tellKin()
}

// cut ends a process: nothing that it was told is heard any more, and what it has told
// is.
func (s *strands) cut(node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends[node].queue = nil
	delete(s.ends, node)
	s.tellKin()
}

// tellKin calls the watchers of all. s.mu is held.
func (s *strands) tellKin() {
	for _, end := range s.ends {
		end.call(func() {
			kin := end.Kin()
			s.mu.Lock()
			watchers := slices.Clone(end.watch)
			s.mu.Unlock()
			for _, watch := range watchers {
				watch(kin)
			}
		})
	}
}

// call has something done by the goroutine of a process. s.mu is held.
func (s *strand) call(do func()) {
	s.queue = append(s.queue, do)
	if s.working {
		return
	}
	s.working = true
	go func() {
		for {
			s.mu.Lock()
			if len(s.queue) == 0 {
				s.working = false
				s.mu.Unlock()
				return
			}
			do := s.queue[0]
			s.queue = s.queue[1:]
			s.mu.Unlock()
			do()
		}
	}()
}

func (s *strand) Node() string { return s.node }

func (s *strand) Kin() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.opened {
		return nil
	}
	var kin []string
	for _, node := range slices.Sorted(maps.Keys(s.ends)) {
		if node != s.node {
			kin = append(kin, node)
		}
	}
	return kin
}

func (s *strand) Watch(changed func([]string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch = append(s.watch, changed)
}

func (s *strand) On(kind string, heard func(from string, body []byte)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard[kind] = heard
}

func (s *strand) Tell(node, kind string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to := s.ends[node]
	if to == nil || s.ends[s.node] != s || to == s {
		return
	}
	hear := func() {
		s.mu.Lock()
		heard := to.heard[kind]
		s.mu.Unlock()
		if heard != nil {
			heard(s.node, body)
		}
	}
	if s.node == s.slow {
		s.kept = append(s.kept, func() { to.call(hear) })
		return
	}
	to.call(hear)
}

// keep lets nobody hear what a process tells, until it is called for another one.
func (s *strands) keep(node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, release := range s.kept {
		release()
	}
	s.slow, s.kept = node, nil
}

func (s *strand) TellAll(kind string, body []byte) {
	for _, node := range s.Kin() {
		s.Tell(node, kind, body)
	}
}

// dynasty is the processes of one server, in a bubble: the newest serves.
type dynasty struct {
	t    *testing.T
	line *strands
	cfg  Config
	file string // of the bans
	all  []*process
}

// process is one of them.
type process struct {
	*site
	node   string
	strand *strand
	dead   bool
}

func dynastyOf(t *testing.T, cfg Config, story func(t *testing.T, d *dynasty)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { dynastyOnTheClock(t, cfg, story) })
}

// dynastyOnTheClock is dynastyOf outside of a bubble, where a time knows both of its
// clocks.
func dynastyOnTheClock(t *testing.T, cfg Config, story func(t *testing.T, d *dynasty)) {
	t.Helper()
	rooms := numberedRooms()
	cfg.RoomName, cfg.RoomID = rooms.RoomName, rooms.RoomID
	d := &dynasty{t: t, line: newStrands(), cfg: cfg, file: filepath.Join(t.TempDir(), "bans.json")}
	defer func() {
		for _, p := range slices.Backward(d.all) {
			p.end()
		}
	}()
	d.start(nil)
	story(t, d)
}

// start starts a process.
func (d *dynasty) start(estate []byte) *process {
	d.t.Helper()
	p := &process{node: strconv.Itoa(len(d.all) + 1)}
	p.strand = d.line.open(p.node)
	cfg := d.cfg
	bans, err := OpenBans(BansConfig{File: d.file, Key: []byte("the secret of all processes")})
	if err != nil {
		d.t.Fatal(err)
	}
	cfg.Line, cfg.Bans = p.strand, bans
	p.site = openSiteOf(d.t, New(cfg))
	p.strand.ready()
	if estate != nil {
		p.lobby.Inherit(estate)
	}
	d.all = append(d.all, p)
	return p
}

func (d *dynasty) newest() *process { return d.all[len(d.all)-1] }

// upgrade has a new process take over from the newest, and returns before anybody was
// handed over.
func (d *dynasty) upgrade() *process {
	d.t.Helper()
	old := d.newest()
	heir := d.start(old.lobby.Estate())
	old.lobby.Retire(heir.node)
	return heir
}

// end stops a process, as SIGTERM does.
func (p *process) end() {
	if p.dead {
		return
	}
	p.dead = true
	p.stop()
}

// kill ends a process, of which nobody hears any more.
func (d *dynasty) kill(p *process) {
	d.line.cut(p.node)
	p.end()
}

// asks lets somebody ask the newest process for a partner.
func (d *dynasty) asks(user string, more ...string) *client {
	d.t.Helper()
	text := asks(user)
	for _, member := range more {
		text = text[:len(text)-1] + "," + member + "}"
	}
	return d.newest().from("192.0.2.1").connect(d.t, text)
}

// taste is a member of a request that names tags.
func taste(tags ...int) string {
	text := `"tags":[`
	for i, tag := range tags {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf(`"tag %d"`, tag)
	}
	return text + "]"
}
