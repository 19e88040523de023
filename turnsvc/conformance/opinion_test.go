//go:build interop

package conformance

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

const (
	// askers is how many ask at the same time.
	askers = 8
	// again is how long a datagram is awaited that loopback may have lost.
	again = time.Second
)

// An asker is a client with its peers.
type asker struct {
	*client
	pair
}

// TestCoturnIsOfTheSameOpinion asks questions that were drawn by lot of our server
// and of coturn. What both do must be the same, or a difference of the table. With
// the same -drawn they are the same questions.
func TestCoturnIsOfTheSameOpinion(t *testing.T) {
	const questions = 3000
	seed := drawn(t)
	theirs := coturn(t)
	mine := ours(t, func(c *turnsvc.Config) {
		c.PublicIPs = addrs("127.0.0.1", "::1")
		c.MaxAllocations, c.MaxPerUser, c.MaxPerAddr = 10_000, 10_000, 10_000
	})
	said := make([]opinions, questions)
	var asking sync.WaitGroup
	for i := range askers {
		asking.Go(func() {
			t.Run(fmt.Sprint("asker ", i), func(t *testing.T) {
				ours, coturn := mine.of(t), theirs.of(t)
				for n := i; n < questions; n += askers {
					q := draw(rand.New(rand.NewPCG(seed, uint64(n))))
					from := fmt.Sprintf("127.%d.%d.%d", 1+n/40000, n/200%200, 1+n%200)
					said[n] = opinions{q, ours.answers(q, from), coturn.answers(q, from)}
				}
			})
		})
	}
	asking.Wait()
	if !t.Failed() {
		compare(t, said)
	}
}

// drawn is the seed of the lot.
func drawn(t *testing.T) uint64 {
	t.Helper()
	return flag.Lookup("drawn").Value.(flag.Getter).Get().(uint64)
}

// An examiner asks one server in a subtest.
type examiner struct {
	*site
	pair
}

// of is the server for a subtest.
func (s *site) of(t *testing.T) *examiner {
	t.Helper()
	at := *s
	at.t = t
	return &examiner{&at, at.newPair()}
}

// answers says in words what a server does upon a question.
func (e *examiner) answers(q *question, from string) string {
	e.t.Helper()
	network := "udp"
	if q.stream {
		network = "tcp"
	}
	a := &asker{e.dial(network, from, "ann"), e.pair}
	defer func() { _ = a.conn.Close() }()
	a.enter(q.scene)
	said := a.put(q, from)
	a.send(a.signed(refresh, lifetime(0)))
	return said
}

// enter makes a scene of a fresh 5-tuple. After that a server answers in order: coturn
// gives a new 5-tuple to another thread, and looks for the key of its user in a third.
func (a *asker) enter(s scene) {
	a.t.Helper()
	a.settle(message(binding))
	a.nonce = string(a.settle(message(allocate)).get(attrNonce))
	if s == known {
		if r := a.settle(a.signed(refresh)); r.code() != 437 {
			a.t.Fatalf("Refresh of nothing = %v", r)
		}
		return
	}
	for _, p := range [][]byte{a.signed(allocate, udp()), a.signed(channelBind, channel(0x4000), peerAt(a.near.addr))} {
		if r := a.settle(p); !r.succeeded() {
			a.t.Fatalf("the answer to %x is %v", p, r)
		}
	}
}

// settle sends a request until it is answered.
func (a *asker) settle(p []byte) reply {
	a.t.Helper()
	a.send(p)
	for began := time.Now(); time.Since(began) < patience; {
		got, err := a.read(again)
		switch {
		case err == nil && isAnswer(got) && [12]byte(got[8:]) == [12]byte(p[8:]):
			return reply{raw: got}
		case errors.Is(err, os.ErrDeadlineExceeded) && a.stream == nil:
			a.send(p)
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			a.t.Fatal(err)
		}
	}
	a.t.Fatalf("%x is not answered", p)
	return reply{}
}

// put sends a question, and what must be answered whatever becomes of it.
func (a *asker) put(q *question, sentinel string) string {
	a.t.Helper()
	a.send(q.bytes(a))
	asked := a.askAlive()
	var said []string
	for began := time.Now(); ; {
		got, err := a.read(again)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && time.Since(began) > patience:
			return "dead"
		case errors.Is(err, os.ErrDeadlineExceeded):
			a.repeat(asked)
		case err != nil:
			return strings.Join(append(said, "closed"), ", ")
		case !isAnswer(got):
			said = append(said, "an indication")
		case [12]byte(got[8:]) == asked:
			return a.sum(q, said, sentinel)
		case !a.alive[[12]byte(got[8:])]:
			said = append(said, a.words(q, got))
		}
	}
}

// repeat asks a second time whether the server is alive.
func (a *asker) repeat(transaction [12]byte) {
	if a.stream == nil {
		p := message(binding)
		copy(p[8:], transaction[:])
		a.send(p)
	}
}

// sum adds to the answers what the peers heard.
func (a *asker) sum(q *question, said []string, sentinel string) string {
	a.t.Helper()
	if q.carries() && q.scene == holder {
		said = append(said, a.heard(sentinel)...)
	}
	if said == nil {
		return "silence"
	}
	return strings.Join(said, ", ")
}

// heard is what the peers have heard before they heard the sentinel, which goes the
// way that near is reached.
func (a *asker) heard(sentinel string) (said []string) {
	a.t.Helper()
	a.send(channelData(0x4000, sentinel))
	p := make([]byte, 2048)
	for began := time.Now(); ; {
		_ = a.near.SetReadDeadline(time.Now().Add(again))
		n, _, err := a.near.ReadFromUDPAddrPort(p)
		switch {
		case err != nil && time.Since(began) > patience:
			a.t.Fatal("near does not hear the sentinel")
		case err != nil:
			a.send(channelData(0x4000, sentinel))
		case string(p[:n]) == sentinel:
			_ = a.far.SetReadDeadline(time.Now())
			if n, _, err := a.far.ReadFromUDPAddrPort(p); err == nil {
				said = append(said, fmt.Sprintf("far hears %d bytes", n))
			}
			return said
		case !strings.HasPrefix(string(p[:n]), "127."): // else a sentinel that came twice
			said = append(said, fmt.Sprintf("near hears %d bytes", n))
		}
	}
}

// words are what an answer says of what the RFCs fix.
func (a *asker) words(q *question, got []byte) string {
	r := reply{raw: got}
	if q.find(attrIntegrity) >= 0 && q.data == nil {
		r.key = a.key()
	}
	said := []string{r.String()}
	if r.succeeded() {
		said = append(said, a.facts(r)...)
	}
	if typ := binary.BigEndian.Uint16(got); typ&^failure != q.typ&^failure && q.data == nil {
		said = append(said, fmt.Sprintf("of method %03x", typ&^failure))
	}
	return strings.Join(said, ", ")
}

// facts are what a success says.
func (a *asker) facts(r reply) (said []string) {
	if mapped := r.addr(attrMapped); mapped.IsValid() && mapped != addrPortOf(a.conn.LocalAddr()) {
		said = append(said, "another address of the client")
	}
	method := binary.BigEndian.Uint16(r.raw) &^ failure
	if (method == binding || method == allocate) && !r.addr(attrMapped).IsValid() {
		said = append(said, "no address of the client")
	}
	if method == allocate {
		said = append(said, r.relay())
		if r.get(attrReservationToken) != nil {
			said = append(said, "token")
		}
	}
	if method == allocate || method == refresh {
		said = append(said, r.span())
	}
	return said
}

// span says whether an allocation goes on; how long is left to servers, but not less
// than ten minutes (RFC 8656 §7.2).
func (r reply) span() string {
	v := r.get(attrLifetime)
	switch {
	case len(v) != 4:
		return "no LIFETIME"
	case binary.BigEndian.Uint32(v) == 0:
		return "it ends"
	case binary.BigEndian.Uint32(v) < 600:
		return "too short"
	}
	return "it lasts"
}

func addrPortOf(a net.Addr) (none netip.AddrPort) {
	switch a := a.(type) {
	case *net.UDPAddr:
		return a.AddrPort()
	case *net.TCPAddr:
		return a.AddrPort()
	}
	return none
}

// opinions are what two servers did upon a question.
type opinions struct {
	*question
	ours, coturn string
}

// compare prints how often both agreed and how they differ, and fails where the
// table does not know of it.
func compare(t *testing.T, said []opinions) {
	t.Helper()
	agreed, table := 0, disputes()
	met := make([]int, len(table))
	for n, s := range said {
		at := slices.IndexFunc(table, func(d dispute) bool { return d.explains(s) })
		switch {
		case s.ours == s.coturn:
			agreed++
		case at < 0:
			t.Errorf("%d: %v: we: %s; coturn: %s", n, s.question, s.ours, s.coturn)
		default:
			met[at]++
		}
	}
	var report strings.Builder
	w := tabwriter.NewWriter(&report, 0, 0, 2, ' ', 0)
	for at, d := range table {
		fmt.Fprintf(w, "%d\t%v\n", met[at], d)
	}
	_ = w.Flush() // a Builder takes everything
	t.Logf("of %d questions %d were answered alike; the others:\n%s", len(said), agreed, report.String())
}
