package turnsvc

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

func TestAllocationsAreListed(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	a, b, plain := s.member(t, "room", "a"), s.dial(t, "tcp", "room.b"), s.dial(t, "udp", "somebody")
	atA, atB, atPlain := a.mustAllocate(), b.mustAllocate(), plain.mustAllocate()
	list, more := s.Allocations(0, 3)
	if len(list) != 3 || more {
		t.Fatalf("Allocations(0, 3) = %+v, %v; want all three", list, more)
	}
	for i, want := range []Allocation{
		{Room: "room", Side: "a", User: "room.a", Transport: "udp", Relayed: atA},
		{Room: "room", Side: "b", User: "room.b", Transport: "tcp", Relayed: atB},
		{User: "somebody", Transport: "udp", Relayed: atPlain},
	} {
		got := list[i]
		if got.Client.Addr() != netip.MustParseAddr("127.0.0.1") || got.Since != s.clock.now() || i > 0 && got.Number <= list[i-1].Number {
			t.Errorf("allocation %d = %+v", i, got)
		}
		want.Number, want.Client, want.Since = got.Number, got.Client, got.Since
		if got != want {
			t.Errorf("allocation %d = %+v, want %+v", i, got, want)
		}
	}
	if first, more := s.Allocations(0, 2); len(first) != 2 || !more {
		t.Errorf("Allocations(0, 2) = %+v, %v; want two, and that there is another", first, more)
	}
	if rest, more := s.Allocations(list[1].Number, 2); len(rest) != 1 || more || rest[0].User != "somebody" {
		t.Errorf("Allocations after the second = %+v, %v", rest, more)
	}
	if n := s.InRooms([]string{"room", "no such room"}); n["room"] != 2 || n["no such room"] != 0 {
		t.Errorf("InRooms = %v", n)
	}
}

// TestOneAllocationIsEnded ends one of two of a user, who makes another one.
func TestOneAllocationIsEnded(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	a, again := s.dial(t, "udp", "somebody"), s.dial(t, "udp", "somebody")
	a.mustAllocate()
	again.mustAllocate()
	list, _ := s.Allocations(0, 10)
	if !s.EndAllocation(list[0].Number) || s.EndAllocation(list[0].Number) || s.EndAllocation(1<<60) {
		t.Error("EndAllocation: want true for the one that is there, once, and false for others")
	}
	if left, _ := s.Allocations(0, 10); len(left) != 1 || left[0].Number != list[1].Number {
		t.Errorf("then %+v are left, want the second", left)
	}
	s.within(t, "no second allocation", func() bool { _, code := a.allocate(); return code == 0 })
}

// TestEndFromANetwork ends what clients from there hold, whoever they are, and
// their credentials.
func TestEndFromANetwork(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	a, b := s.member(t, "room", "a"), s.dial(t, "tcp", "somebody")
	a.mustAllocate()
	b.mustAllocate()
	if n := s.EndFrom(netip.MustParsePrefix("192.0.2.0/24")); n != 0 || s.Stats().Allocations != 2 {
		t.Errorf("EndFrom another network = %d, and %d live; want 0 and 2", n, s.Stats().Allocations)
	}
	if n := s.EndFrom(netip.MustParsePrefix("127.0.0.1/32")); n != 2 || s.Stats().Allocations != 0 {
		t.Errorf("EndFrom = %d, and %d live; want 2 and 0", n, s.Stats().Allocations)
	}
	if _, got := b.allocate(); got != stun.CodeUnauthorized {
		t.Errorf("Allocate with the same credential = %d, want 401", got)
	}
}

func TestSecretsInUseAreCounted(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *Config) { c.Secrets = []string{"newest", "new", "a", "b", "c", "d"} })
	a := s.dial(t, "udp", "somebody")
	a.mustAllocate()
	a.username, a.password, _ = Issuer{Secret: "d", Now: s.clock.now}.Credentials("somebody")
	if got := code(a.do(stun.MethodRefresh)); got != 0 {
		t.Errorf("Refresh = %d, want success", got)
	}
	s.clock.advance(time.Minute)
	if err := s.SetSecrets([]string{"d", "newest"}); err != nil {
		t.Fatal(err)
	}
	if got, want := s.SecretsUsed(), []time.Time{s.clock.now().Add(-time.Minute), {}}; !slices.Equal(got, want) {
		t.Errorf("SecretsUsed = %v, want %v", got, want)
	}
	if got, want := s.Stats().AuthBySecret, [CountedSecrets]uint64{0, 1, 0, 1}; got != want {
		t.Errorf("AuthBySecret = %v, want %v", got, want)
	}
}
