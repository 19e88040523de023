package match

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// passerby is a client that leaves when it was told of a match, as real ones do.
type passerby struct {
	*client
	user string

	mu    sync.Mutex // guards the fields below
	rooms []string   // that it was told of
	told  time.Time  // of the last of them
	left  bool       // before it was told of one
	at    time.Time  // when it left
}

// passes lets one come to the newest process, with or without tags.
func (d *dynasty) passes(user string, more ...string) *passerby {
	p := &passerby{client: d.asks(user, more...), user: user}
	go func() {
		for text := range p.got {
			var m wire.MatchMessage
			if json.Unmarshal(text, &m) != nil || m.Type != wire.MatchFound {
				continue
			}
			p.mu.Lock()
			p.rooms, p.told = append(p.rooms, m.RoomID), time.Now()
			p.mu.Unlock()
			go func() {
				<-time.After(time.Second)
				_ = p.ws.NetConn().Close()
			}()
		}
	}()
	return p
}

// leaves lets it leave, and returns when this is known, unless it was matched.
func (p *passerby) leaves() {
	p.mu.Lock()
	p.left, p.at = len(p.rooms) == 0, time.Now()
	left := p.left
	p.mu.Unlock()
	if left {
		_ = p.ws.NetConn().Close()
	}
	synctest.Wait()
}

// TestPeopleComeAndGoWhileProcessesDo lets people come and leave, by chance, while one
// process after the other takes over. Nobody who stays may lose his connection, be told
// of two matches, meet himself or one who had left before, or wait while another one
// does who fits.
func TestPeopleComeAndGoWhileProcessesDo(t *testing.T) {
	for seed := range uint64(24) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			dynastyOf(t, Config{PoolConfig: PoolConfig{MaxWait: time.Hour}}, func(t *testing.T, d *dynasty) {
				people := comeAndGo(d, rand.New(rand.NewPCG(seed, 10)))
				<-time.After(20 * time.Second)
				waiting := judge(t, people)
				if s := d.newest().lobby.Stats(); s.Waiting != waiting || s.Visitors != waiting || s.Connected != waiting {
					t.Errorf("%+v, want the %d who were not told of a match", s, waiting)
				}
				for _, p := range d.all[:len(d.all)-1] {
					if s := p.lobby.Stats(); s.Connected != 0 || s.Waiting != 0 || s.Unread != 0 {
						t.Errorf("process %s: %+v, want nobody", p.node, s)
					}
				}
			})
		})
	}
}

// comeAndGo is the story of a seed.
func comeAndGo(d *dynasty, chance *rand.Rand) (people []*passerby) {
	for range 120 {
		switch n := chance.IntN(100); {
		case n < 50:
			var more []string
			if chance.IntN(2) == 0 {
				more = append(more, taste(chance.IntN(6)))
			}
			people = append(people, d.passes(fmt.Sprint("user ", len(people)), more...))
		case n < 70 && len(people) > 0:
			people[chance.IntN(len(people))].leaves()
		case n < 80 && len(d.all) < 7:
			d.upgrade()
		case n < 85 && len(d.all) > 2: // one between that keeps nobody may end
			if p := d.all[1+chance.IntN(len(d.all)-2)]; p.keepsNobody() {
				d.line.cut(p.node)
			}
		default:
			<-time.After(time.Duration(chance.IntN(3000)) * time.Millisecond)
		}
		if chance.IntN(2) == 0 {
			synctest.Wait()
		}
	}
	return people
}

// keepsNobody tells whether a process has no visitor and no connection.
func (p *process) keepsNobody() bool {
	p.strand.mu.Lock()
	alive := p.strand.ends[p.node] == p.strand
	p.strand.mu.Unlock()
	s := p.lobby.Stats()
	return alive && s.Connected+s.Piped == 0
}

// judge is the oracle. It returns how many wait.
func judge(t *testing.T, people []*passerby) (waiting int) {
	t.Helper()
	rooms := map[string][]*passerby{}
	for _, p := range people {
		p.mu.Lock()
		switch {
		case p.left && p.told.After(p.at): // not what was on its way to him at that moment
			t.Errorf("%s had left, and was told of %v", p.user, p.rooms)
		case len(p.rooms) > 1:
			t.Errorf("%s was told of %v", p.user, p.rooms)
		case len(p.rooms) == 1:
			rooms[p.rooms[0]] = append(rooms[p.rooms[0]], p)
		case !p.left:
			waiting++
			select {
			case <-p.ends:
				t.Errorf("%s waits, and his connection has ended: %v", p.user, p.err)
			default:
			}
		}
		p.mu.Unlock()
	}
	for room, two := range rooms {
		if len(two) != 2 || two[0].user == two[1].user {
			t.Errorf("%d in %s", len(two), room)
		}
	}
	if waiting > 1 { // the tags have relaxed by now
		t.Errorf("%d wait, and fit one another", waiting)
	}
	return waiting
}

// TestWhoHasLeftIsMetByNobodyOnTheWay is for real sockets, of which the kernel knows at
// once that they have ended: a hundred of five hundred who wait leave while they are
// handed over, and at once as many come as have stayed. Each of these is to meet one who
// has stayed.
func TestWhoHasLeftIsMetByNobodyOnTheWay(t *testing.T) {
	t.Parallel()
	const waiting, every = 500, 5
	line := newStrands()
	open := func(node string) *site {
		end := line.open(node)
		s := openRealSite(t, Config{Line: end})
		end.ready()
		return s
	}
	old := open("1")
	defer old.stop()

	var stay, leave []*client
	for i := range waiting {
		c := old.from("127.0.0.1").connect(t, request("waits"))
		if i%every == 0 {
			leave = append(leave, c)
		} else {
			stay = append(stay, c)
		}
	}
	w := &world{lobby: old.lobby}
	w.await(t, func(s Stats) bool { return s.Waiting == waiting })
	heir := open("2")
	defer heir.stop()
	old.lobby.Retire("2")
	for i, c := range leave {
		c.gone(i)
	}
	met := map[string]int{}
	var come []*client
	for range stay {
		come = append(come, heir.from("127.0.0.2").connect(t, request("comes")))
	}
	for _, c := range append(come, stay...) {
		met[c.must(wire.MatchFound).RoomID]++
	}
	for i, c := range leave {
		if m, ok := c.next(wire.MatchFound); ok {
			t.Errorf("client %d has left and was matched: %+v", i, m)
		}
	}
	for room, members := range met {
		if members != 2 {
			t.Errorf("%d of those who are here met in %s, want 2", members, room)
		}
	}
	if len(met) != len(stay) {
		t.Errorf("%d rooms for %d pairs", len(met), len(stay))
	}
}
