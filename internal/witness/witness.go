// Package witness remembers, for a short time, what a server saw of somebody who
// looks for what is wrong between the two of them: which of his STUN and TURN
// requests arrived, from where, and whether they were answered. He announces
// himself over HTTP, is given the first bytes of his transaction ids, and asks
// afterwards. Joined with what he saw himself it tells a packet that was lost on
// the way from an answer that was lost on the way back.
//
// It promises that nothing is sent because of it; that it tells nobody anything
// but what carries the bytes which he was given, and to him alone who knows the id;
// that memory and time are bounded whatever strangers do; and that a request
// costs one atomic load while nobody looks.
//
// It leaves to others how the requests are handled.
package witness

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds.
const (
	TTL          = time.Minute // of a probe
	MaxProbes    = 256         // at once; one more is refused
	MaxSightings = 128         // of one probe; what comes then is not noted

	idBytes     = 16
	PrefixBytes = 8 // of the 12 of a transaction id; the rest counts
)

// ErrFull says that too many look at once.
var ErrFull = errors.New("too many probes at once")

// TransactionID is that of a STUN message (RFC 8489 §5).
type TransactionID = [12]byte

// Sighting is what was seen of one request.
type Sighting struct {
	Number    uint32         `json:"number"`         // the last 4 bytes of the transaction id
	Transport string         `json:"transport"`      // by which it came: udp or tcp, which TLS is, too
	Local     netip.AddrPort `json:"local"`          // where it came in
	From      netip.AddrPort `json:"from"`           // where it came from, as seen here
	Times     int            `json:"times"`          // how often it came: requests over UDP are repeated
	Answered  bool           `json:"answered"`       // an answer was sent; else the server kept silent on purpose
	Code      int            `json:"code,omitempty"` // of an error answer
}

// Welcome is what a server answers to who asks for a probe. Nothing in it is
// unknown to who knocks at every port.
type Welcome struct {
	ID        string     `json:"id"`         // with which one asks what was seen
	Prefix    string     `json:"prefix"`     // the first bytes of transaction ids, in hexadecimal
	ExpiresIn int        `json:"expires_in"` // seconds
	Now       time.Time  `json:"now"`        // by the clock of the server
	From      netip.Addr `json:"from"`       // from where one asks, as the server sees it
	UDP       []uint16   `json:"udp"`        // ports at which STUN and TURN listen
	TCP       []uint16   `json:"tcp"`
	TLS       []uint16   `json:"tls"`
	Relay     [2]uint16  `json:"relay"` // first and last port of relayed transport addresses
}

// Account is what a server answers to who asks what was seen.
type Account struct {
	Seen []Sighting `json:"seen"`
}

// Probe is somebody who looks.
type Probe struct {
	ID     string // with which he asks; unguessable
	Prefix [PrefixBytes]byte
}

// Witness remembers. The zero value is ready to use.
type Witness struct {
	open atomic.Int32 // probes, as long as some may count

	mu     sync.Mutex // guards the fields below; never held while calling
	byID   map[string]*probe
	byHead map[[PrefixBytes]byte]*probe
	order  []*probe // the oldest first
}

type probe struct {
	Probe
	until     time.Time
	sightings []Sighting
}

// Open begins a probe, which is forgotten after TTL.
func (w *Witness) Open(now time.Time) (Probe, error) {
	var random [idBytes + PrefixBytes]byte
	_, _ = rand.Read(random[:]) // never fails
	p := &probe{Probe: Probe{ID: hex.EncodeToString(random[:idBytes]), Prefix: [PrefixBytes]byte(random[idBytes:])}, until: now.Add(TTL)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(now)
	if len(w.order) >= MaxProbes {
		return Probe{}, ErrFull
	}
	if w.byID == nil {
		w.byID, w.byHead = map[string]*probe{}, map[[PrefixBytes]byte]*probe{}
	}
	w.byID[p.ID], w.byHead[p.Prefix], w.order = p, p, append(w.order, p)
	w.open.Store(int32(len(w.order)))
	return p.Probe, nil
}

// forget drops the probes whose time is over. The lock is held.
func (w *Witness) forget(now time.Time) {
	n := 0
	for n < len(w.order) && !now.Before(w.order[n].until) {
		delete(w.byID, w.order[n].ID)
		delete(w.byHead, w.order[n].Prefix)
		n++
	}
	if n > 0 {
		w.order = append(w.order[:0:0], w.order[n:]...)
		w.open.Store(int32(len(w.order)))
	}
}

// Idle reports whether nobody looks, without waiting.
func (w *Witness) Idle() bool { return w.open.Load() == 0 }

// Saw notes a request, or that it was answered. It never waits for anything but
// the lock, and does nothing while there is no probe.
func (w *Witness) Saw(id TransactionID, s Sighting) {
	if w.Idle() {
		return
	}
	s.Number = binary.BigEndian.Uint32(id[PrefixBytes:])
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.order) > 0 && !now.Before(w.order[0].until) {
		w.forget(now)
	}
	p := w.byHead[[PrefixBytes]byte(id[:])]
	if p == nil {
		return
	}
	for i := range p.sightings {
		if had := &p.sightings[i]; had.Number == s.Number && had.Transport == s.Transport && had.Local == s.Local && had.From == s.From {
			had.add(s)
			return
		}
	}
	if len(p.sightings) < MaxSightings {
		seen := s
		seen.Times, seen.Answered = 0, false
		seen.add(s)
		p.sightings = append(p.sightings, seen)
	}
}

// add notes the same request again, or its answer.
func (s *Sighting) add(more Sighting) {
	if !more.Answered {
		s.Times++
		return
	}
	s.Answered, s.Code = true, more.Code
}

// Seen is what was seen of a probe; false if there is none, or no longer.
func (w *Witness) Seen(id string, now time.Time) ([]Sighting, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(now)
	p := w.byID[id]
	if p == nil {
		return nil, false
	}
	return append([]Sighting{}, p.sightings...), true
}
