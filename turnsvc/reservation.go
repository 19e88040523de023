package turnsvc

import (
	"crypto/rand"
	"sync"
	"time"
)

// reservationLifetime is how long the port after an even one is kept for who
// holds the token (RFC 8656 §7.2: at least 30 s).
const reservationLifetime = 30 * time.Second

// maxReservations bounds the ports that are kept.
const maxReservations = 256

// place is which port an Allocate request wants (RFC 8656 §18.6, §18.9).
type place struct {
	even    bool   // an even one
	reserve bool   // and the next one kept
	taken   *relay // the one that was reserved before
}

// reservations are relay sockets that wait for a token.
type reservations struct {
	mu   sync.Mutex // guards kept; never held while closing
	kept map[[8]byte]*relay
}

// keep takes a socket for whoever brings the token; nil if there are too many.
func (r *reservations) keep(socket *relay) (token []byte) {
	var name [8]byte
	_, _ = rand.Read(name[:]) // never fails: it ends the process instead
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.kept) >= maxReservations {
		return nil
	}
	if r.kept == nil {
		r.kept = map[[8]byte]*relay{}
	}
	r.kept[name] = socket
	time.AfterFunc(reservationLifetime, func() {
		if late := r.take(name[:]); late != nil {
			_ = late.Close() // nobody has come for it
		}
	})
	return name[:]
}

// take gives the socket of a token away, once; nil if there is none.
func (r *reservations) take(token []byte) *relay {
	if len(token) != 8 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	socket := r.kept[[8]byte(token)]
	delete(r.kept, [8]byte(token))
	return socket
}

// closeAll closes what is kept.
func (r *reservations) closeAll() {
	r.mu.Lock()
	kept := r.kept
	r.kept = nil
	r.mu.Unlock()
	for _, socket := range kept {
		_ = socket.Close() // nobody will come for it
	}
}
