package relays

import (
	"fmt"
	"slices"
	"testing"
)

// relayOf is a node with a relay; change makes it special.
func relayOf(id, region string, load int, change ...func(*Node)) Node {
	n := Node{
		ID: id, Region: region, URLs: []string{"stun:" + id + ":3478", "turn:" + id + ":3478?transport=udp"},
		Allocations: load, MaxAllocations: 100,
	}
	for _, c := range change {
		c(&n)
	}
	return n
}

func draining(n *Node) { n.Draining = true }
func spent(n *Node)    { n.Spent = true }
func bare(n *Node)     { n.URLs = nil }
func stunOnly(n *Node) { n.URLs = n.URLs[:1] }

func TestChoice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		nodes        []Node
		home         string
		relay, spare string
	}{
		{"nobody", nil, "a", "", ""},
		{"the home's own", []Node{relayOf("a", "eu", 90), relayOf("b", "eu", 0)}, "a", "a", ""},
		{"the home's is nearly full", []Node{relayOf("a", "eu", 94), relayOf("b", "eu", 93), relayOf("c", "us", 0)}, "a", "b", "c"},
		{"the home has none: the less loaded one of its region", []Node{relayOf("a", "eu", 0, bare), relayOf("b", "eu", 50), relayOf("c", "eu", 40), relayOf("d", "us", 0)}, "a", "c", "b"},
		{"the home offers STUN only", []Node{relayOf("a", "eu", 0, stunOnly), relayOf("b", "eu", 50)}, "a", "b", ""},
		{"the home drains", []Node{relayOf("a", "eu", 0, draining), relayOf("b", "eu", 50)}, "a", "b", ""},
		{"the home's budget is spent", []Node{relayOf("a", "eu", 0, spent), relayOf("b", "eu", 50)}, "a", "b", ""},
		{"nobody near takes anybody", []Node{relayOf("a", "eu", 0, draining), relayOf("b", "eu", 99), relayOf("c", "us", 60), relayOf("d", "us", 50)}, "a", "d", "c"},
		{"nobody takes anybody", []Node{relayOf("a", "eu", 0, draining), relayOf("b", "eu", 99), relayOf("c", "us", 0, spent)}, "a", "", ""},
		{"a home that nobody knows", []Node{relayOf("b", "", 10), relayOf("c", "us", 0)}, "a", "b", "c"},
		{"a relay without a limit is full", []Node{relayOf("a", "eu", 0, func(n *Node) { n.MaxAllocations = 0; n.Allocations = 1 }), relayOf("b", "eu", 0)}, "a", "b", ""},
		{"the spare is near, too", []Node{relayOf("a", "eu", 0, bare), relayOf("b", "eu", 10), relayOf("c", "eu", 20), relayOf("d", "us", 0)}, "a", "b", "c"},
	} {
		for range 2 {
			relay, spare := Choose(c.nodes, c.home, "room")
			if relay != c.relay || spare != c.spare {
				t.Errorf("%s: Choose = %q, %q; want %q, %q", c.name, relay, spare, c.relay, c.spare)
			}
			slices.Reverse(c.nodes) // the order says nothing
		}
	}
}

// TestRoomsAreSpread holds that the rooms of one moment are not all sent to the one
// relay that was the least loaded when it was last heard of.
func TestRoomsAreSpread(t *testing.T) {
	t.Parallel()
	nodes := []Node{relayOf("home", "eu", 0, bare)}
	for i := range 8 {
		nodes = append(nodes, relayOf(fmt.Sprintf("n%d", i), "eu", 10+i))
	}
	sent := map[string]int{}
	const rooms = 8000
	for i := range rooms {
		relay, spare := Choose(nodes, "home", fmt.Sprintf("room-%d", i))
		if relay == spare {
			t.Fatalf("the spare of %s is itself", relay)
		}
		sent[relay]++
	}
	// Of eight, the least loaded one is in a quarter of all pairs, the most loaded one is
	// never taken.
	if least := sent["n0"]; least > rooms*30/100 || least < rooms*20/100 {
		t.Errorf("%d of %d rooms go to the least loaded relay, want a quarter", least, rooms)
	}
	if sent["n7"] != 0 || len(sent) != 7 {
		t.Errorf("rooms are sent to %v, want all but the most loaded one", sent)
	}
}
