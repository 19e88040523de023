package relays

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// sealed is what nodes with the same secret have in common.
func sealed(text []byte) [16]byte {
	sum := sha256.Sum256(text)
	return [16]byte(sum[:16])
}

// household is where some clients come from.
func household() netip.Prefix { return netip.MustParsePrefix("198.51.100.7/32") }

// counting are some nodes that count together.
func counting(t *testing.T, ids ...string) (b *bus, f map[string]*Fleet, r map[string]*memo) {
	t.Helper()
	b, f, r = newBus(), map[string]*Fleet{}, map[string]*memo{}
	for _, id := range ids {
		b.counts[id], r[id] = NewCounts(sealed), newMemo(id)
		f[id] = b.node(t, id, "", r[id])
		r[id].ends = func(user string, source netip.Prefix, n int) {
			for range n {
				b.counts[id].Count(user, source, -1)
			}
		}
	}
	pass(2 * tickEvery)
	return b, f, r
}

// elsewhere is what a node knows of the others.
func elsewhere(b *bus, id, user string) [2]int {
	ofUser, ofSource := b.counts[id].Elsewhere(user, household())
	return [2]int{ofUser, ofSource}
}

// TestNodesCountTogether holds that a node knows what users and addresses have at the
// others a tick later, until that ends or its node does.
func TestNodesCountTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _, _ := counting(t, "n1", "n2", "n3")
		for range 3 {
			b.counts["n1"].Count("alice", household(), 1)
		}
		b.counts["n2"].Count("alice", household(), 1)
		b.counts["n2"].Count("", household(), 1)
		pass(tickEvery)
		for id, want := range map[string][2]int{"n1": {1, 2}, "n2": {3, 3}, "n3": {4, 5}} {
			if got := elsewhere(b, id, "alice"); got != want {
				t.Errorf("%s knows of %v elsewhere, want %v", id, got, want)
			}
		}
		if got := elsewhere(b, "n3", ""); got != [2]int{0, 5} {
			t.Errorf("of nobody %v are elsewhere, want 0 and 5", got)
		}
		b.counts["n1"].Count("alice", household(), -1)
		b.set(func() { delete(b.nodes, "n2") })
		pass(tickEvery)
		if got := elsewhere(b, "n3", "alice"); got != [2]int{2, 2} {
			t.Errorf("after n2 has died and one has ended %v are elsewhere, want 2 and 2", got)
		}
		sent := b.sentOf(kindCounts)
		pass(10 * tickEvery)
		if n := b.sentOf(kindCounts) - sent; n > 3 {
			t.Errorf("%d messages were sent while nothing changed", n)
		}
	})
}

// TestTheLimitHoldsInTheSum has somebody fill his limit at each of three nodes before
// any has heard of the others: what is too much of it ends, once, and what the limit
// allows stays. What is older than that, is not touched by the nodes' own rule.
func TestTheLimitHoldsInTheSum(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, f, r := counting(t, "n1", "n2", "n3")
		const limit = 32 // memo's, for an address
		for i := range 3 * limit {
			b.counts[fmt.Sprintf("n%d", i%3+1)].Count("", household(), 1)
		}
		pass(5 * tickEvery)
		total := 0
		for _, c := range b.counts {
			c.mu.Lock()
			if m := c.mine[c.sourceKey(household())]; m != nil {
				total += m.n
			}
			c.mu.Unlock()
		}
		if total != limit {
			t.Errorf("%d allocations live in the fleet, want %d", total, limit)
		}
		if n := f["n1"].Stats().Shed + f["n2"].Stats().Shed + f["n3"].Stats().Shed; n != 2*limit {
			t.Errorf("%d were ended, want %d", n, 2*limit)
		}
		if len(r["n1"].said) != 0 {
			t.Errorf("the first node has ended some, too: %q", r["n1"].said)
		}
	})
}

// TestCountsSurviveLoss holds that a lost message is made good within wholeEvery, also
// if it was that nothing is left.
func TestCountsSurviveLoss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _, _ := counting(t, "n1", "n2")
		lossy := func(n int) {
			b.set(func() { b.lose = func(_, kind string) bool { return kind == kindCounts } })
			b.counts["n1"].Count("alice", household(), n)
			pass(2 * tickEvery)
			b.set(func() { b.lose = nil })
		}
		lossy(2)
		if got := elsewhere(b, "n2", "alice"); got != [2]int{} {
			t.Fatalf("what was lost is known: %v", got)
		}
		pass(wholeEvery + tickEvery)
		if got := elsewhere(b, "n2", "alice"); got != [2]int{2, 2} {
			t.Errorf("after %v %v are known, want 2 and 2", wholeEvery, got)
		}
		lossy(-2)
		pass(wholeEvery + tickEvery)
		if got := elsewhere(b, "n2", "alice"); got != [2]int{} {
			t.Errorf("after %v %v are known of what has ended", wholeEvery, got)
		}
	})
}

// TestWithoutABusEachGoesByWhatItKnows holds that counts are told when the bus is back.
func TestWithoutABusEachGoesByWhatItKnows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _, _ := counting(t, "n1", "n2")
		b.counts["n1"].Count("alice", household(), 1)
		pass(2 * tickEvery)
		b.set(func() { b.down = true })
		b.counts["n1"].Count("alice", household(), 1)
		pass(30 * time.Second)
		if got := elsewhere(b, "n2", "alice"); got != [2]int{1, 1} {
			t.Errorf("without a bus %v are known, want what was told before", got)
		}
		b.set(func() { b.down = false })
		pass(tickEvery)
		if got := elsewhere(b, "n2", "alice"); got != [2]int{2, 2} {
			t.Errorf("with the bus back %v are known, want 2 and 2", got)
		}
	})
}

// TestANodeThatStartsAnewHasNothing holds that what a node had before it was started
// again is over for the others, though it was on their lists all the time.
func TestANodeThatStartsAnewHasNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _, _ := counting(t, "n1", "n2")
		b.counts["n1"].Count("alice", household(), 3)
		pass(2 * tickEvery)
		if got := elsewhere(b, "n2", "alice"); got != [2]int{3, 3} {
			t.Fatalf("n2 knows %v, want 3 and 3", got)
		}
		b.counts["n1"] = NewCounts(sealed)
		b.node(t, "n1", "", newMemo("n1"))
		pass(2 * tickEvery)
		if got := elsewhere(b, "n2", "alice"); got != [2]int{} {
			t.Errorf("n2 knows %v of what n1 had before", got)
		}
	})
}

// TestManyCountsAreToldInParts holds that what does not fit into a message comes in
// several, and that a node that has come is told all at once.
func TestManyCountsAreToldInParts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _, _ := counting(t, "n1", "n2")
		const users = 3*maxCounts + 1
		for i := range users {
			b.counts["n1"].Count(fmt.Sprintf("user-%d", i), netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 32), 1)
		}
		pass(tickEvery)
		b.counts["n3"] = NewCounts(sealed)
		b.node(t, "n3", "", newMemo("n3"))
		pass(3 * tickEvery)
		for _, id := range []string{"n2", "n3"} {
			c := b.counts[id]
			c.mu.Lock()
			if n := len(c.others["n1"].n); n != users+256 {
				t.Errorf("%s knows %d users and addresses of n1, want %d", id, n, users+256)
			}
			c.mu.Unlock()
		}
	})
}

// TestCountsOfOthersAreBounded holds that a node that tells more than there can be costs
// no more memory than one that does not, and that one which is not known costs none.
func TestCountsOfOthersAreBounded(t *testing.T) {
	t.Parallel()
	c := NewCounts(sealed)
	c.live([]Node{{ID: "n2"}}, "n1")
	for i := range maxKeys/maxCounts + 4 {
		m := &message{Kind: kindCounts}
		for j := range maxCounts {
			m.Counts = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint64(m.Counts, uint64(i*maxCounts+j)), 1)
		}
		c.hear("n2", m)
	}
	if n := len(c.others["n2"].n); n != maxKeys {
		t.Errorf("%d counts of a node are known, want %d", n, maxKeys)
	}
	for i := range 2 * maxSpeakers {
		c.hear(fmt.Sprintf("x%d", i), &message{Kind: kindCounts})
	}
	if len(c.others) != maxSpeakers {
		t.Errorf("%d nodes are known, want %d", len(c.others), maxSpeakers)
	}
	for range unlisted + 1 {
		c.live([]Node{{ID: "n2"}}, "n1")
	}
	if len(c.others) != 1 {
		t.Errorf("%d nodes are known of one that lives", len(c.others))
	}
}

func BenchmarkCount(b *testing.B) {
	c := NewCounts(sealed)
	c.live([]Node{{ID: "n2"}, {ID: "n3"}}, "n1")
	for b.Loop() {
		c.Elsewhere("room.ma", household())
		c.Count("room.ma", household(), 1)
		c.Count("room.ma", household(), -1)
	}
}
