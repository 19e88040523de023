package match

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
)

// What reports lead to. An address needs PeoplePerAddr times as many.
//
//	reported by 3 people in 24 h ─▶ offered to nobody for 5 minutes
//	            5                ─▶ banned for 24 h, again 48 h, 96 h … 30 days
const (
	reportWindow  = 24 * time.Hour
	reportsToCool = 3
	coolFor       = 5 * time.Minute
	reportsToBan  = 5
	firstBan      = 24 * time.Hour
	longestBan    = 30 * 24 * time.Hour
	forgiveAfter  = 30 * 24 * time.Hour // without a ban, the next one is a first one
)

// maxRecords bounds how many of the reported, and how many of the banned, are
// remembered: who was reported longest ago is forgotten.
const maxRecords = 1 << 13

// The kinds of a Ban.
const (
	BanDevice  = "device"
	BanAddress = "address"
)

// Ban keeps a device or an address (/64 for IPv6) out of the lobby.
type Ban struct {
	Name     string         `json:"name"`               // what the banned one is told, to name it when he appeals
	Kind     string         `json:"kind"`               // BanDevice or BanAddress
	Reasons  map[string]int `json:"reasons"`            // of the reports that led to it, by reason
	Operator bool           `json:"operator,omitempty"` // no report has led to it
	Reason   string         `json:"reason,omitempty"`   // what the operator wrote beside it
	Since    time.Time      `json:"since"`
	Until    time.Time      `json:"until"`
}

// BansConfig says where bans are kept. The zero value keeps them in memory.
type BansConfig struct {
	File string // empty: nowhere
	// Store keeps them for all nodes of a fleet, which have the same Key. nil: there
	// are no others.
	Store BanStore
	Key   []byte       // devices and addresses are kept as hashes with this key; empty: a random one
	Log   *slog.Logger // nil: silent
}

// Bans is who was reported and who is banned. Neither devices nor addresses
// are in it, only hashes of them. It is safe for concurrent use.
type Bans struct {
	cfg  BansConfig
	tell func(kind string, m any) // tells all other nodes; set before they are served, nil: there are none

	synced chan struct{} // the store has to be looked at

	mu       sync.Mutex              // guards the fields below; never held while writing
	suspects recent[mark, record]    // reported, not banned
	culprits recent[mark, record]    // banned once or more
	lifted   recent[mark, time.Time] // when a ban was lifted, in a fleet
	changed  bool                    // since it was written down
	urgent   bool                    // the change is more than a report
	tried    time.Time               // when it was last written down, or should have been

	saving  sync.Mutex // guards the file and the fields below
	broken  bool       // the last time it could not be written
	retired bool       // another process writes it
}

// mark stands for a device, an address or a user: a keyed hash in hexadecimal.
type mark string

// record is what is known of one mark.
type record struct {
	Kind       string      `json:"kind"`
	Complaints []complaint `json:"complaints,omitempty"` // that count, of the last reportWindow
	CoolUntil  time.Time   `json:"cool_until,omitzero"`
	Times      int         `json:"times,omitempty"` // how often banned
	Ban        Ban         `json:"ban,omitzero"`    // the last one
}

// complaint is a report that counts.
type complaint struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	Addr   mark      `json:"addr"` // of who complains
	User   mark      `json:"user"`
}

// suspect is somebody as reports count against him.
type suspect struct {
	mark   mark
	kind   string
	people int // how many share it
}

// verdict is what reports mean for who asks for a partner.
type verdict struct {
	ban       string    // the name of a ban; empty: none
	until     time.Time // its end
	coolUntil time.Time
}

func newBans(cfg BansConfig) *Bans {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if len(cfg.Key) == 0 {
		cfg.Key = make([]byte, markBytes)
		rand.Read(cfg.Key) // never fails
	}
	b := &Bans{
		cfg:      cfg,
		suspects: newRecent[mark, record](maxRecords, reportWindow),
		culprits: newRecent[mark, record](maxRecords, longestBan+forgiveAfter),
		lifted:   newRecent[mark, time.Time](maxRecords, longestBan),
		synced:   make(chan struct{}, 1),
		tried:    time.Now(),
	}
	if cfg.Store != nil {
		cfg.Store.Watch(b.wake)
	}
	return b
}

// mark makes the hash of a value that is of some kind.
func (b *Bans) mark(kind, value string) mark {
	mac := hmac.New(sha256.New, b.cfg.Key)
	mac.Write([]byte(kind))
	mac.Write([]byte{0})
	mac.Write([]byte(value))
	return mark(hex.EncodeToString(mac.Sum(nil)[:markBytes]))
}

const (
	markBytes = 16
	nameBytes = 5 // of a ban
)

// suspectsOf is what of a party reports count against. An address counts if it
// is known how many people share one.
func (b *Bans) suspectsOf(p Party, peoplePerAddr int) []suspect {
	list := make([]suspect, 0, 2)
	if p.Device != "" {
		list = append(list, suspect{b.mark(BanDevice, p.Device), BanDevice, 1})
	}
	if peoplePerAddr > 0 {
		list = append(list, suspect{b.mark(BanAddress, arrivals.Source(p.Addr).String()), BanAddress, peoplePerAddr})
	}
	return list
}

// judge says what the reports so far mean for somebody.
func (b *Bans) judge(p Party, peoplePerAddr int, now time.Time) (v verdict) {
	if b.empty() {
		return v
	}
	suspects := b.suspectsOf(p, max(peoplePerAddr, 1)) // the operator's bans hold for addresses that nothing else counts for
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range suspects {
		r := cmp.Or(b.culprits.find(s.mark, now), b.suspects.find(s.mark, now))
		if r == nil || s.kind == BanAddress && peoplePerAddr == 0 && !r.Ban.Operator {
			continue
		}
		if r.Ban.Until.After(now) && r.Ban.Until.After(v.until) {
			v.ban, v.until = r.Ban.Name, r.Ban.Until
		}
		if r.CoolUntil.After(v.coolUntil) {
			v.coolUntil = r.CoolUntil
		}
	}
	return v
}

func (b *Bans) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.suspects.entries)+len(b.culprits.entries) == 0
}

// report counts what one party says of another.
func (b *Bans) report(about, by Party, reason string, peoplePerAddr int, now time.Time) {
	c := complaint{
		At: now.UTC(), Reason: reason,
		Addr: b.mark("reporter", arrivals.Source(by.Addr).String()), User: b.mark("reporter", by.User),
	}
	suspects := b.suspectsOf(about, peoplePerAddr)
	told := charge{complaint: c}
	var made []ruling
	b.mu.Lock()
	for _, s := range suspects {
		made = append(made, b.count(s, c, now)...)
		told.About = append(told.About, accused{s.mark, s.kind})
	}
	b.mu.Unlock()
	if b.tell != nil {
		b.tell(toldComplaint, &told)
	}
	b.share(made...)
}

// count adds a complaint to a record, and draws the conclusions: once per
// reporter, and his address. It returns the ban that it has led to. b.mu is held.
func (b *Bans) count(s suspect, c complaint, now time.Time) []ruling {
	r := b.culprits.find(s.mark, now)
	if r == nil {
		r = b.suspects.touch(s.mark, now)
	}
	r.Kind = s.kind
	r.Complaints = slices.DeleteFunc(r.Complaints, func(old complaint) bool { return now.Sub(old.At) > reportWindow })
	again := slices.ContainsFunc(r.Complaints, func(old complaint) bool { return old.Addr == c.Addr || old.User == c.User })
	if again || r.Ban.Until.After(now) {
		return nil
	}
	r.Complaints = append(r.Complaints, c)
	b.changed = true
	switch n := len(r.Complaints); {
	case n >= reportsToBan*s.people:
		return []ruling{b.ban(s.mark, *r, c.At, now)}
	case n >= reportsToCool*s.people:
		r.CoolUntil = now.UTC().Add(coolFor)
	}
	return nil
}

// ban makes a suspect a culprit since a report. b.mu is held.
func (b *Bans) ban(who mark, r record, since, now time.Time) ruling {
	length := firstBan
	for range r.Times {
		length = min(2*length, longestBan)
	}
	r.Times++
	r.Ban = Ban{Name: b.nameOf(who, since), Kind: r.Kind, Reasons: map[string]int{}, Since: since, Until: since.Add(length)}
	for _, c := range r.Complaints {
		r.Ban.Reasons[c.Reason]++
	}
	r.Complaints = nil
	b.suspects.drop(who)
	*b.culprits.touch(who, now) = r
	b.urgent = true
	return ruling{Mark: who, Times: r.Times, Ban: r.Ban}
}

// nameOf names a ban: short enough to be read out to somebody, and the same at all
// nodes that draw it from the same report.
func (b *Bans) nameOf(who mark, since time.Time) string {
	hash, _ := hex.DecodeString(string(b.mark("ban", string(who)+since.UTC().Format(time.RFC3339Nano)))) // it is hexadecimal
	return strings.ToLower(base32.StdEncoding.EncodeToString(hash[:nameBytes]))
}

// List is the bans that hold, the oldest first.
func (b *Bans) List() []Ban {
	list, now := []Ban{}, time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.culprits.all(func(_ time.Time, _ mark, r *record) {
		if r.Ban.Until.After(now) {
			list = append(list, r.Ban)
		}
	})
	return list
}

// Lift ends a ban at once, in the file too, and forgets what led to it. It
// tells whether there was such a ban; an error means that it is lifted, but
// that the file still has it.
func (b *Bans) Lift(name string) (found bool, err error) {
	now := time.Now().UTC()
	who := b.lift(name, now)
	if who == "" {
		return false, nil
	}
	b.share(ruling{Mark: who, Lifted: now})
	return true, b.save()
}

// lift ends a ban, and tells whose it was; empty: there was none.
func (b *Bans) lift(name string, now time.Time) mark {
	b.mu.Lock()
	defer b.mu.Unlock()
	var who mark
	b.culprits.all(func(_ time.Time, m mark, r *record) {
		if r.Ban.Name == name && r.Ban.Until.After(now) {
			who = m
		}
	})
	if who == "" {
		return ""
	}
	b.culprits.drop(who)
	if b.tell != nil || b.cfg.Store != nil {
		*b.lifted.touch(who, now) = now
	}
	b.changed, b.urgent = true, true
	return who
}
