package match

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// Fleet is how the lobbies of several nodes tell one another what one has to know
// of the visitors of another. Who meets whom is not told by it: that is the
// business of a Pool that the nodes share. Whatever is lost of it costs somebody
// a place or a report, and nobody his chat. It is safe for concurrent use.
type Fleet interface {
	// Tell tells a node something, by its id; TellAll, all others. They never
	// wait: what cannot be told is dropped. A body has 16 KiB at most.
	Tell(node, kind string, body []byte)
	TellAll(kind string, body []byte)
	// On sets who hears what other nodes tell of a kind. It is called before
	// anything is heard; heard does not wait.
	On(kind string, heard func(from string, body []byte))
}

// What lobbies tell one another.
const (
	toldAbsent    = "match.absent"    // somebody is alone in a room: offer him again
	toldPlaces    = "match.places"    // who comes back is the first of all
	toldReport    = "match.report"    // somebody reports a partner whom you may know
	toldAnswer    = "match.answer"    // his report was taken
	toldComplaint = "match.complaint" // a report counts against somebody
	toldBan       = "match.ban"       // somebody is banned, or is no longer
)

const (
	// maxTold bounds a message, in bytes.
	maxTold = 16 << 10
	// placesTold is how many bytes of user ids go into one message; what is
	// longer is told in several. With every byte escaped it is within maxTold.
	placesTold = 2 << 10
	// strangeRooms is how many rooms a second, and strangeBurst how many at once,
	// all nodes are asked about because nobody knows them here, for each of two
	// reasons: whoever invents room ids costs the fleet no more than that.
	strangeRooms = 20
	strangeBurst = 100
)

var errTold = errors.New("another node told something that is none of its messages")

// absence is what is told with toldAbsent: who sits alone in a room.
type absence struct {
	Room   string     `json:"room"`
	Client string     `json:"client"`
	Addr   netip.Addr `json:"addr"`
}

func (m *absence) check() error {
	if !within(m.Room, wire.MaxRoomIDBytes) || len(m.Client) > wire.MaxClientIDBytes {
		return errTold
	}
	return nil
}

// places is what is told with toldPlaces.
type places struct {
	Users []string `json:"users"`
	Moved bool     `json:"moved,omitempty"` // their node takes nobody any more: nobody has stood them up
	Taken bool     `json:"taken,omitempty"` // they have come back: it is over
}

func (m *places) check() error {
	for _, user := range m.Users {
		if !within(user, wire.MaxUserIDBytes) {
			return errTold
		}
	}
	return nil
}

// accusation is what is told with toldReport. Its number is the asker's own.
type accusation struct {
	Number uint64      `json:"number"`
	Report wire.Report `json:"report"`
}

func (m *accusation) check() error { return m.Report.Check() }

// answer is what is told with toldAnswer.
type answer struct {
	Number uint64 `json:"number"`
	Counts bool   `json:"counts"` // it is the first of this meeting, by somebody who is not banned
}

func (m *answer) check() error { return nil }

// within tells whether a text is there, and not too long.
func within(text string, most int) bool { return text != "" && len(text) <= most }

// parseTold reads what another node has told, as strictly as what clients say:
// another version of this program may have written it.
func parseTold(body []byte, m interface{ check() error }) error {
	if len(body) > maxTold || json.Unmarshal(body, m) != nil {
		return errTold
	}
	return m.check()
}

// others is the lobbies of the other nodes; nil: there are none.
type others struct {
	lobby *Lobby
	fleet Fleet
	node  string // ours

	mu        sync.Mutex           // guards the fields below; never held while telling
	absences  level                // how many strange rooms were asked about, because somebody is alone there
	reports   level                // or was reported
	questions map[uint64]*question // by their numbers; maxQuestions
	asked     uint64               // the number of the last one

	unread atomic.Uint64 // messages that could not be read
}

// newOthers listens to the other nodes.
func newOthers(l *Lobby, fleet Fleet, node string) *others {
	if fleet == nil {
		return nil
	}
	var random [8]byte
	rand.Read(random[:]) // never fails
	o := &others{lobby: l, fleet: fleet, node: node, questions: map[uint64]*question{}, asked: binary.BigEndian.Uint64(random[:])}
	listen(o, toldAbsent, func(_ string, m *absence) {
		if node, _ := l.offerAgain(m); node != "" && l.kin != nil {
			o.tell(node, toldAbsent, m) // he went on to it: a process is older than those that its visitors go to
		}
	})
	listen(o, toldPlaces, func(_ string, m *places) { l.meetings.keep(m) })
	listen(o, toldReport, o.takeReport)
	listen(o, toldAnswer, func(_ string, m *answer) { o.settle(m.Number, m) })
	listen(o, toldComplaint, func(_ string, m *charge) { l.cfg.Bans.hear(m, l.turnstile.peoplePerAddr(), time.Now()) })
	listen(o, toldBan, func(_ string, m *ruling) { o.takeBan(m) })
	l.cfg.Bans.tell = o.tellAll
	return o
}

// listen hears messages of one kind.
func listen[M any, P interface {
	*M
	check() error
}](o *others, kind string, heard func(from string, m P)) {
	o.fleet.On(kind, func(from string, body []byte) {
		if from == o.node {
			return
		}
		m := P(new(M))
		if parseTold(body, m) != nil {
			o.unread.Add(1)
			return
		}
		heard(from, m)
	})
}

func (o *others) tell(node, kind string, m any) { o.fleet.Tell(node, kind, marshal(m)) }

func (o *others) tellAll(kind string, m any) { o.fleet.TellAll(kind, marshal(m)) }

func marshal(m any) []byte {
	text, err := json.Marshal(m)
	if err != nil {
		panic("match: what is told does not marshal: " + err.Error())
	}
	return text
}

// mayAsk counts that all nodes are asked about a room that nobody knows here, for one
// of two reasons: rooms that are none of the lobby's keep no report from being asked
// about.
func (o *others) mayAsk(reason *level, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	reason.fall(now, time.Second/strangeRooms)
	if reason.height+1 > strangeBurst {
		return false
	}
	reason.height++
	return true
}

// absent tells the node that somebody's connection is at, or all if nobody knows
// here, that he is alone in a room.
func (o *others) absent(node string, m *absence) {
	switch {
	case o == nil:
	case node != "":
		o.tell(node, toldAbsent, m)
	case o.mayAsk(&o.absences, time.Now()):
		o.tellAll(toldAbsent, m)
	}
}

// place tells that a user is the first of all, wherever he comes back; taken, that
// he has.
func (o *others) place(user string, taken bool) {
	if o != nil {
		o.tellAll(toldPlaces, &places{Users: []string{user}, Taken: taken})
	}
}

// move tells that these users keep their place: they have to go to another node.
func (o *others) move(users []string) {
	if o == nil {
		return
	}
	for len(users) > 0 {
		n, size := 0, 0
		for n < len(users) && (n == 0 || size+len(users[n]) <= placesTold) {
			size += len(users[n])
			n++
		}
		o.tellAll(toldPlaces, &places{Users: users[:n], Moved: true})
		users = users[n:]
	}
}

// moveOut tells the others who waits here for a partner: he is about to be sent
// away, and is not to lose his place by it. Who skips so often that he had to wait
// before his next request has none to lose.
func (l *Lobby) moveOut() {
	if l.others == nil {
		return
	}
	var users []string
	now := time.Now()
	for _, v := range l.everybody() {
		if !v.waits.Load() {
			continue
		}
		if ticket := v.asker.Load(); ticket != nil && l.turnstile.coolDown(ticket.Party, now) == 0 {
			users = append(users, ticket.User)
		}
	}
	l.others.move(users)
}
