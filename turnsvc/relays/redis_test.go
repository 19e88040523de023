package relays_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/fleet"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
	"github.com/wasmp2pchat/wasmp2pchat/internal/turnclient"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/redisbudget"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/relays"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// place is one node: a relay on loopback that is one of a fleet over a real Redis.
type place struct {
	id      string
	relay   *turnsvc.Server
	relays  *relays.Fleet
	fleet   *fleet.Fleet
	db      *redisdb.DB
	mint    *relays.Minters
	drains  atomic.Bool
	serving sync.WaitGroup
}

// open makes a node of a fleet, until the test ends.
func open(t *testing.T, url, id string, change func(*turnsvc.Config)) *place {
	t.Helper()
	db, err := redisdb.Open(url, redisdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := &place{id: id, db: db, mint: relays.NewMinters(turnsvc.Issuer{Secret: "secret"})}
	if p.fleet, err = fleet.Open(fleet.Config{DB: db, Node: id}); err != nil {
		t.Fatal(err)
	}
	counts := relays.NewCounts(func(text []byte) [16]byte { sum := sha256.Sum256(text); return [16]byte(sum[:16]) })
	cfg := turnsvc.Config{
		Secrets: []string{"secret"}, UDPAddrs: []string{"127.0.0.1:0"}, PublicIPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")},
		Node: id, Counts: counts, Moved: func(room string) { p.relays.Moved(room) }, DrainTimeout: time.Millisecond,
		Offered: p.fleet.Hurry,
	}
	if change != nil {
		change(&cfg)
	}
	if p.relay, err = turnsvc.Listen(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	p.relays = relays.New(relays.Config{
		Node: id, Relay: p.relay, Counts: counts, Draining: p.drains.Load, Nodes: p.nodes, Up: db.Up,
		Tell:    func(node string, message []byte) { p.fleet.Tell(node, "turn", message) },
		TellAll: func(message []byte) { p.fleet.TellAll("turn", message) },
	})
	p.fleet.On("turn", p.relays.Hear)
	p.fleet.Announce(func() fleet.Announcement {
		n := p.relays.Self()
		return fleet.Announcement{
			TURN: n.URLs, Relays: n.At, Allocations: n.Allocations, MaxAllocations: n.MaxAllocations, TURNDraining: n.Draining, OverBudget: n.Spent,
		}
	})
	budget := redisbudget.New(redisbudget.Config{DB: db, Node: id, Relay: p.relay})
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	for _, serve := range []func(context.Context) error{p.relay.Serve, p.relays.Serve, p.fleet.Serve, budget.Serve, db.Serve} {
		p.serving.Go(func() { _ = serve(ctx) })
	}
	t.Cleanup(func() { stop(); p.serving.Wait() })
	return p
}

func (p *place) nodes() (list []relays.Node) {
	for _, n := range p.fleet.Nodes() {
		list = append(list, relays.Node{
			ID: n.ID, URLs: n.TURN, At: n.Relays, Allocations: n.Allocations, MaxAllocations: n.MaxAllocations,
			Draining: n.TURNDraining, Spent: n.OverBudget,
		})
	}
	return list
}

// knows reports whether a node knows others with a relay that clients can come to.
func (p *place) knows(others ...*place) bool {
	list := p.nodes()
	return len(p.relay.URLs()) > 0 && !slices.ContainsFunc(others, func(o *place) bool {
		return !slices.ContainsFunc(list, func(n relays.Node) bool { return n.ID == o.id && len(n.URLs) > 0 })
	})
}

// comes is a client with the credential of a side of a room for a relay.
func (p *place) comes(t *testing.T, c turnsvc.Claims, relay relays.Node) *turnclient.Client {
	t.Helper()
	if relay.ID != "" {
		c.At = []string{relay.ID}
	}
	servers, _ := p.mint.For(relay, relays.Node{}).RoomServers(c)
	at := slices.IndexFunc(servers, func(s wire.ICEServer) bool { return s.Username != "" })
	if at < 0 {
		t.Fatalf("%s is sent to %+v, which has no relay", p.id, relay)
	}
	host := strings.TrimPrefix(strings.TrimSuffix(servers[at].URLs[0], "?transport=udp"), "turn:")
	conn, err := new(net.Dialer).DialContext(t.Context(), "udp", host)
	if err != nil {
		t.Fatal(err)
	}
	client := turnclient.New(conn, turnclient.Config{Username: servers[at].Username, Password: servers[at].Credential})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func allocate(t *testing.T, c *turnclient.Client) netip.AddrPort {
	t.Helper()
	at, err := c.Allocate(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// refusal is the code of an error answer.
func refusal(err error) int {
	if r, ok := errors.AsType[*turnclient.RefusedError](err); ok {
		return int(r.Code)
	}
	return 0
}

// says sends until it is heard, and returns what came first.
func says(t *testing.T, from *turnclient.Client, at netip.AddrPort, to *turnclient.Client, text string) (first turnclient.Datum) {
	t.Helper()
	redistest.Until(t, func() bool {
		if err := from.Send(at, []byte(text)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		d, err := to.Receive(ctx)
		if err == nil && len(first.Data) == 0 {
			first = d
		}
		return err == nil
	})
	return first
}

// TestAChatAcrossTwoRelays has A at n1 and B at n2, who have both prepared there, meet:
// what they hold carries their chat over two relays, a stranger's datagrams reach
// neither, and when the room ends at n1 it ends at n2.
func TestAChatAcrossTwoRelays(t *testing.T) {
	t.Parallel()
	for name, start := range redistest.Programs(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := start(t)
			n1, n2 := open(t, redis.URL, "n1", nil), open(t, redis.URL, "n2", nil)
			redistest.Until(t, func() bool { return n1.knows(n2) && n2.knows(n1) })
			a := n1.comes(t, turnsvc.Claims{Room: "room", Side: "ma"}, n1.relays.Prepare("room"))
			b := n2.comes(t, turnsvc.Claims{Room: "annex", Side: "ma"}, n2.relays.Prepare("annex"))
			c := n2.comes(t, turnsvc.Claims{Room: "moor", Side: "ma"}, n2.relays.Prepare("moor"))
			atA, atB := allocate(t, a), allocate(t, b)
			allocate(t, c)
			relay := n1.relays.Relay("room")
			n2.relays.Join("annex", "room", "ma", netip.Addr{}, relay, "n1")
			one, _ := n1.relays.Place(relays.Seat{Room: "room", Home: true, Relay: relay, Partner: "n2"})
			two, spare := n2.relays.Place(relays.Seat{Room: "room", Relay: relay, Partner: "n1"})
			if one.ID != "n1" || two.ID != "n1" || spare.ID != "" {
				t.Fatalf("the two are sent to %q and %q, spare %q; want n1", one.ID, two.ID, spare.ID)
			}
			for who, peer := range map[*turnclient.Client]netip.AddrPort{a: atB, b: atA, c: atA} {
				if err := who.Permit(t.Context(), peer); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Send(atA, []byte("from a stranger")); err != nil {
				t.Fatal(err)
			}
			if d := says(t, a, atB, b, "from a"); d.From != atA || string(d.Data) != "from a" {
				t.Errorf("b hears %q from %v first, want a", d.Data, d.From)
			}
			if err := c.Send(atB, []byte("from a stranger")); err != nil {
				t.Fatal(err)
			}
			if d := says(t, b, atA, a, "from b"); d.From != atB || string(d.Data) != "from b" {
				t.Errorf("a hears %q from %v first, want b", d.Data, d.From)
			}
			other := n1.comes(t, turnsvc.Claims{Room: "room", Side: "mb"}, two)
			allocate(t, other) // B at the relay that both were told

			n1.relays.EndRoom("room")
			redistest.Until(t, func() bool { return refusal(b.Permit(t.Context(), atA)) != 0 })
			for who, client := range map[string]*turnclient.Client{
				"b at the relay of both": other,
				"b anew":                 n2.comes(t, turnsvc.Claims{Room: "annex", Side: "ma"}, n2.relays.Self()),
			} {
				if _, err := client.Allocate(t.Context(), 0); refusal(err) != turnclient.Unauthorized {
					t.Errorf("%s: Allocate after the room = %v, want 401", who, err)
				}
			}
		})
	}
}

// TestTheFleetCountsTogether holds that the limit for an address and the budget are
// those of the fleet, and that nobody is sent to a node that drains or has no budget.
func TestTheFleetCountsTogether(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	few := func(c *turnsvc.Config) { c.MaxPerAddr, c.MonthlyBudget = 3, 1000 }
	n1, n2 := open(t, redis.URL, "n1", few), open(t, redis.URL, "n2", few)
	redistest.Until(t, func() bool { return n1.knows(n2) && n2.knows(n1) })
	come := func(p *place, room string) error {
		_, err := p.comes(t, turnsvc.Claims{Room: room, Side: "ma"}, p.relays.Self()).Allocate(t.Context(), 0)
		return err
	}
	for _, room := range []string{"1", "2", "3"} {
		if err := come(n1, room); err != nil {
			t.Fatal(err)
		}
	}
	redistest.Until(t, func() bool { return refusal(come(n2, "4")) == turnclient.QuotaReached })
	for _, room := range []string{"1", "2", "3", "4"} {
		n1.relay.EndRoom(room)
		n2.relay.EndRoom(room)
	}
	redistest.Until(t, func() bool { return come(n2, "5") == nil })

	n1.drains.Store(true)
	n1.fleet.Hurry()
	if relay := n1.relays.Relay("6"); relay != "n2" {
		t.Errorf("while n1 drains a room of it is sent to %q, want n2", relay)
	}
	redistest.Until(t, func() bool { relay, _ := relays.Choose(n2.nodes(), "n1", "7"); return relay == "n2" })
	redis.Do(t, "HSET", "wasmp2pchat:{turn}:budget:"+time.Now().UTC().Format("2006-01"), "n3", "1000")
	n4 := open(t, redis.URL, "n4", few)
	redistest.Until(t, func() bool { return n4.knows() && n4.relay.BudgetIsSpent() })
	if err := come(n4, "8"); refusal(err) != turnclient.NoCapacity {
		t.Errorf("Allocate after the budget of the fleet is spent = %v, want 508", err)
	}
	if relay := n4.relays.Relay("9"); relay == "n4" {
		t.Errorf("a room of n4 is sent to %q, whose budget is spent", relay)
	}
}
