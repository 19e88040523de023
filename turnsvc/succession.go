package turnsvc

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// willBody is the Body of a will.
type willBody struct {
	Version  int
	NonceKey []byte
	NonceAge time.Duration
	URLs     []string
	Budget   budgetWill
	Held     map[string]Holdings // by process; that of the older one has no name
	Rooms    roomsWill
	Sockets  [][]legacyWill // as they are in the estate, and for each the processes that keep clients of it
}

// legacyWill is a gate.Legacy whose passage is the next one of the files.
type legacyWill struct{ Clients []byte }

// Will stops reading datagrams, so that the newer process may, and says what it needs
// to know. From then on the clients of this server are served by what is handed on;
// connections go on as ever. Retire or Resume follows. The context bounds the wait for
// what is being done at the moment, which takes microseconds; after an error all is as
// before.
func (s *Server) Will(ctx context.Context) (b Bequest, err error) {
	body := willBody{
		Version: estateVersion, NonceKey: s.nonces.key[:], URLs: s.URLs(), Sockets: [][]legacyWill{},
	}
	defer func() {
		if err != nil {
			b.Close()
			b, err = Bequest{}, errors.Join(err, s.Resume())
		}
	}()
	for _, socket := range s.shared() {
		left, err := socket.Yield(ctx)
		if err != nil {
			return b, fmt.Errorf("hand over a udp socket of turn: %w", err)
		}
		var its []legacyWill
		for _, l := range left {
			its = append(its, legacyWill{Clients: l.Clients})
			b.Files = append(b.Files, l.Passage)
		}
		body.Sockets = append(body.Sockets, its)
	}
	body.Budget, body.Held = s.budget.yield(), s.quota.held("")
	body.NonceAge, body.Rooms = time.Since(s.nonces.start), s.rooms.bequeath(s.cfg.asOf())
	b.Body, err = json.Marshal(body)
	return b, err
}

// Resume undoes Will, if the newer process has ended before it served anybody: what it
// has handed on is served, and what is still to be read is read.
func (s *Server) Resume() error {
	var errs []error
	for _, socket := range s.shared() {
		errs = append(errs, socket.Resume())
	}
	s.budget.resume()
	return errors.Join(errs...)
}

// Retire makes Will for good. Listeners of ours are closed, connections and allocations stay:
// Serve goes on until its context ends, which may be when there is nothing left (Kept).
func (s *Server) Retire() {
	for _, socket := range s.shared() {
		socket.Retire()
	}
	for _, l := range []*gate.Listener{s.tcp, s.tls} {
		if l != nil {
			_ = l.Listener.Close() // AcceptStream waits until Serve ends
		}
	}
	now := time.Now()
	s.retired.Store(&now)
	s.log.Info("turn retires", "allocations", s.quota.count())
}

// Inherit takes over from the older process of that name, whose Estate it has: its
// clients are handed what they send, and what it holds counts (HeldBy). It comes before Serve. After an error the server is of no use, and its
// process should end: the older one is there.
func (s *Server) Inherit(process string, will Bequest) (err error) {
	files := will.Files
	defer func() { Bequest{Files: files}.Close() }()
	var body willBody
	if err := json.Unmarshal(will.Body, &body); err != nil || body.Version != estateVersion || len(body.NonceKey) != sha256.Size {
		return errors.Join(errEstate, err)
	}
	mine := s.shared()
	if len(mine) != len(body.Sockets) {
		return errEstate
	}
	for i, left := range body.Sockets {
		for _, l := range left {
			var passage *os.File
			if len(files) == 0 {
				return errEstate
			}
			passage, files = files[0], files[1:]
			if err := mine[i].Adopt(gate.Legacy{Clients: l.Clients, Passage: passage}); err != nil {
				return fmt.Errorf("inherit clients of turn: %w", err)
			}
		}
	}
	s.nonces = noncesOf([sha256.Size]byte(body.NonceKey), body.NonceAge)
	s.budget.inherit(body.Budget)
	s.rooms.inherit(body.Rooms, s.cfg.asOf())
	for name, held := range body.Held {
		s.HeldBy(or(name, process), held, true)
	}
	s.inheritURLs(body.URLs)
	return nil
}

// inheritURLs offers at once what the older process did, as far as it could be offered
// here, so that nobody is without a relay until Serve has looked.
func (s *Server) inheritURLs(urls []string) {
	var could []string
	for _, w := range s.ways() {
		could = append(could, w.url, w.stun)
	}
	urls = slices.DeleteFunc(urls, func(url string) bool { return !slices.Contains(could, url) })
	s.offer.urls.Store(&urls)
	s.cfg.Offered()
}

// handed is for Stats.
func (s *Server) handed() (all, lost uint64) {
	for _, socket := range s.shared() {
		a, l := socket.Handed()
		all, lost = all+a, lost+l
	}
	return all, lost
}
