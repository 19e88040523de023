package relays

import (
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

const (
	// maxKinRooms bounds of how many rooms it is known which other processes have
	// members of them.
	maxKinRooms = 1 << 16
	// maxKin bounds the processes of one server.
	maxKin = 16
)

// KinRelay is the part of a turnsvc.Server that Kin uses.
type KinRelay interface {
	RelayedAt() []netip.Addr
	RelayedIn(room string) []turnsvc.Relayed
	RelayedRooms() []string
	Elsewhere(process, room string, list []turnsvc.Relayed) bool
	SetKin(at map[string][]netip.Addr)
	Holdings() turnsvc.Holdings
	HeldBy(process string, h turnsvc.Holdings, whole bool)
	HeldOnlyBy(processes []string)
	Spent() (month string, bytes int64)
	SpentSinceWill() (month string, bytes int64)
	SpentBy(process, month string, bytes int64)
	SpentElsewhere(month string, here, others int64)
	Here() turnsvc.Kin
}

// KinConfig is what NewKin needs; all but Log is required.
type KinConfig struct {
	// Tell and TellAll send a message to the Hear of one other process or of all, in
	// order; they must not wait. What they cannot send is lost, with the other process.
	Tell    func(process string, message []byte)
	TellAll func(message []byte)
	// Log receives what happens; nil: nobody does.
	Log *slog.Logger
}

// Kin are the relays of the processes of one server, of which one has taken over from
// the others: what a Fleet is for servers. The relays of all are one for limits, for the
// budget, and for members of a room, some of whom came before the takeover and others
// after. While there is no other process it does nothing. All methods may be called by
// any number of goroutines. It is a turnsvc.Kin.
type Kin struct {
	cfg   KinConfig
	relay KinRelay
	alone atomic.Bool // there is nobody to tell

	telling sync.Mutex       // held from when something is asked until it is told: the latest counts
	told    turnsvc.Holdings // by the others known; guarded by telling

	mu      sync.Mutex // guards the fields below; never held while calling
	at      map[string][]netip.Addr
	rooms   map[string][]string // other processes that have members, by room
	retired bool
	renew   bool          // there is one that knows nothing yet
	repeat  time.Time     // when rooms are told again
	stop    chan struct{} // ends the goroutine; nil: there is none
	wake    chan struct{} // has a value when it is to tell at once
	closed  bool
	running sync.WaitGroup
}

// NewKin returns a Kin of a process that is alone.
func NewKin(cfg KinConfig) *Kin {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	k := &Kin{cfg: cfg, at: map[string][]netip.Addr{}, rooms: map[string][]string{}, wake: make(chan struct{}, 1)}
	k.alone.Store(true)
	return k
}

// Keep says whose kin they are. It comes before Set and Hear.
func (k *Kin) Keep(relay KinRelay) { k.relay = relay }

// Set says which other processes there are.
func (k *Kin) Set(processes []string) {
	processes = processes[:min(len(processes), maxKin)]
	here := k.relay.RelayedAt()
	k.mu.Lock()
	var gone []string
	at := map[string][]netip.Addr{}
	for _, p := range processes {
		known, again := k.at[p]
		if at[p] = known; !again {
			at[p], k.renew = here, true // on the same machine, until it tells
		}
	}
	for p := range k.at {
		if _, lives := at[p]; !lives {
			gone = append(gone, p)
		}
	}
	k.at = at
	for room, list := range k.rooms {
		k.keep(room, slices.DeleteFunc(list, func(p string) bool { return slices.Contains(gone, p) }))
	}
	k.alone.Store(len(at) == 0)
	switch {
	case len(at) > 0 && k.stop == nil && !k.closed:
		stop := make(chan struct{})
		k.stop = stop
		k.running.Go(func() { k.run(stop) }) // Close waits
	case len(at) > 0 && k.renew:
		select {
		case k.wake <- struct{}{}:
		default: // it is about to
		}
	case len(at) == 0 && k.stop != nil:
		close(k.stop)
		k.stop = nil
	}
	k.mu.Unlock()
	k.relay.HeldOnlyBy(processes)
	k.relay.SetKin(maps.Clone(at))
}

// keep notes who else has members of a room. k.mu is held.
func (k *Kin) keep(room string, list []string) {
	_, again := k.rooms[room]
	switch {
	case len(list) == 0:
		delete(k.rooms, room)
	case again || len(k.rooms) < maxKinRooms:
		k.rooms[room] = list
	}
}

// Retire says that another process has taken over from this one.
func (k *Kin) Retire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.retired = true
}

// Close ends what Set has begun.
func (k *Kin) Close() {
	k.mu.Lock()
	k.closed = true
	if k.stop != nil {
		close(k.stop)
		k.stop = nil
	}
	k.mu.Unlock()
	k.running.Wait()
}

func (k *Kin) run(stop <-chan struct{}) {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		k.tick(time.Now())
		select {
		case <-stop:
			return
		case <-k.wake:
		case <-tick.C:
		}
	}
}

// tick tells what has changed since the last one.
func (k *Kin) tick(now time.Time) {
	k.telling.Lock()
	defer k.telling.Unlock()
	k.mu.Lock()
	whole, retired := k.renew, k.retired
	rooms := retired && (whole || now.After(k.repeat))
	k.renew = false
	if rooms {
		k.repeat = now.Add(repeatEvery)
	}
	k.mu.Unlock()
	k.tellHoldings(whole)
	k.tellSpent(retired)
	if rooms {
		for part := range slices.Chunk(k.relay.RelayedRooms(), maxKinRelays) {
			k.cfg.TellAll(k.relayedIn(part...).text())
		}
	}
}

// relayedIn tells what the members of some rooms hold here.
func (k *Kin) relayedIn(rooms ...string) *kinMessage {
	m := &kinMessage{Kind: kinRelays}
	for _, room := range rooms {
		m.Rooms = append(m.Rooms, roomRelays{Room: room, Relayed: asRelayed(room, k.relay.RelayedIn(room))})
	}
	return m
}

func (k *Kin) tellHoldings(whole bool) {
	now := k.relay.Holdings()
	if !whole && now.All == k.told.All && maps.Equal(now.Users, k.told.Users) && maps.Equal(now.Sources, k.told.Sources) {
		return
	}
	before := k.told
	if whole {
		before = turnsvc.Holdings{}
	}
	k.told = now
	m := &kinMessage{Kind: kinHoldings, All: now.All, At: k.relay.RelayedAt(), Whole: whole}
	m.Users, m.Sources = changes(before.Users, now.Users), changes(before.Sources, now.Sources)
	for _, part := range m.parts() {
		k.cfg.TellAll(part.text())
	}
}

// changes are what is not as before.
func changes[K comparable](before, now map[K]int) map[K]int {
	list := map[K]int{}
	for key, n := range now {
		if before[key] != n {
			list[key] = n
		}
	}
	for key := range before {
		if _, still := now[key]; !still {
			list[key] = 0
		}
	}
	return list
}

// tellSpent tells the process that keeps the account what this one has spent, or the
// others what is spent in all.
func (k *Kin) tellSpent(retired bool) {
	m := &kinMessage{Kind: kinTotal}
	if m.Month, m.Bytes = k.relay.Spent(); retired {
		m.Kind = kinSpent
		m.Month, m.Bytes = k.relay.SpentSinceWill()
	}
	if m.Month != "" {
		k.cfg.TellAll(m.text())
	}
}

// Moved is for turnsvc.Config.Moved.
func (k *Kin) Moved(room string) {
	if k.alone.Load() {
		return
	}
	k.telling.Lock()
	defer k.telling.Unlock()
	k.mu.Lock()
	retired, concerned := k.retired, slices.Clone(k.rooms[room])
	k.mu.Unlock()
	switch {
	case retired: // to what was there before a takeover hardly anything is added
		k.cfg.TellAll(k.relayedIn(room).text())
	case len(concerned) > 0:
		text := k.relayedIn(room).text()
		for _, p := range concerned {
			k.cfg.Tell(p, text)
		}
	}
}

// EndRoom asks the others.
func (k *Kin) EndRoom(room string) { k.tellAll(&kinMessage{Kind: kinEnd, Room: room}) }

// EndUser asks the others.
func (k *Kin) EndUser(owner string) { k.tellAll(&kinMessage{Kind: kinEndUser, User: owner}) }

// EndFrom asks the others.
func (k *Kin) EndFrom(network netip.Prefix) {
	k.tellAll(&kinMessage{Kind: kinEndFrom, Network: network})
}

// Introduce asks the others.
func (k *Kin) Introduce(room, side string, partner netip.Addr) {
	k.tellAll(&kinMessage{Kind: kinIntroduce, Room: room, Side: side, Addr: partner})
}

// Join asks the others.
func (k *Kin) Join(room, to string) {
	k.tellAll(&kinMessage{Kind: kinJoin, Room: room, To: to})
}

func (k *Kin) tellAll(m *kinMessage) {
	if !k.alone.Load() {
		k.cfg.TellAll(m.text())
	}
}

// Hear takes what another process has told. It does not wait.
func (k *Kin) Hear(from string, text []byte) {
	m, err := parseKin(text)
	if err != nil {
		k.cfg.Log.Debug("relays: message of another process refused", "process", from, "err", err.Error())
		return
	}
	relay := k.relay
	switch m.Kind {
	case kinHoldings:
		k.hearHoldings(from, &m)
	case kinRelays:
		k.hearRooms(from, &m)
	case kinSpent:
		relay.SpentBy(from, m.Month, m.Bytes)
	case kinTotal:
		if month, here := relay.Spent(); month == m.Month && m.Bytes > here {
			relay.SpentElsewhere(month, here, m.Bytes-here)
		}
	case kinIntroduce:
		relay.Here().Introduce(m.Room, m.Side, m.Addr)
	case kinJoin:
		relay.Here().Join(m.Room, m.To)
	case kinEnd:
		relay.Here().EndRoom(m.Room)
	case kinEndUser:
		relay.Here().EndUser(m.User)
	case kinEndFrom:
		relay.Here().EndFrom(m.Network)
	}
}

func (k *Kin) hearHoldings(from string, m *kinMessage) {
	k.mu.Lock()
	known, lives := k.at[from]
	moved := lives && !slices.Equal(known, m.At)
	if moved {
		k.at[from] = m.At
	}
	at := maps.Clone(k.at)
	k.mu.Unlock()
	if !lives {
		return
	}
	k.relay.HeldBy(from, turnsvc.Holdings{All: m.All, Users: m.Users, Sources: m.Sources}, m.Whole)
	if moved {
		k.relay.SetKin(at)
	}
}

// hearRooms takes what members of rooms hold at another process, and tells it what they
// hold here: it may not know.
func (k *Kin) hearRooms(from string, m *kinMessage) {
	k.telling.Lock()
	defer k.telling.Unlock()
	var answer []string
	for _, r := range m.Rooms {
		if k.hearRoom(from, r) && len(k.relay.RelayedIn(r.Room)) > 0 {
			answer = append(answer, r.Room)
		}
	}
	if len(answer) > 0 {
		k.cfg.Tell(from, k.relayedIn(answer...).text())
	}
}

// hearRoom reports whether it is to be told what members of the room hold here.
func (k *Kin) hearRoom(from string, r roomRelays) (answer bool) {
	k.mu.Lock()
	_, lives := k.at[from]
	fresh := !slices.Contains(k.rooms[r.Room], from)
	list := without(k.rooms[r.Room], from)
	if lives && len(r.Relayed) > 0 {
		list = append(list, from)
	}
	k.keep(r.Room, list)
	answer = lives && len(r.Relayed) > 0 && (fresh || !k.retired) // who is retired tells it again and again by itself
	k.mu.Unlock()
	if lives {
		k.relay.Elsewhere(from, r.Room, (&message{Room: r.Room, Relayed: r.Relayed}).relayedOf())
	}
	return answer
}
