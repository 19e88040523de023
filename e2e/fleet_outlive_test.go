//go:build redis && browser

package e2e

import (
	"syscall"
	"testing"
)

// TestFleetChatsOutliveTheirNode takes away the node that is home and relay of a chat
// between two nodes: the chat goes on, through another relay, and nothing that was
// said meanwhile is lost.
func TestFleetChatsOutliveTheirNode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		urls   bool
		strike func(n *node)
	}{
		{"killed", false, func(n *node) { n.kill() }},
		{"killed, with URLs", true, func(n *node) { n.kill() }},
		{"frozen beyond its lease", false, func(n *node) {
			n.freeze()
			n.fleet.lasts(frozenFor)
			n.thaw()
		}},
		{"drained", false, func(n *node) {
			n.signal(syscall.SIGTERM)
			if err := n.ends(drainsWithin); err != nil {
				n.t.Error(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSiege(t, fleetPlan{nodes: 3, urls: c.urls, settings: []string{"DRAIN_TIMEOUT=" + drainsFor}})
			s.lasts(settles)
			s.chat("relayed", 0, 1, "--relay")
			c.strike(s.nodes[0])
			s.chats[0].goesOn("after that")
			s.chats[0].goesOn("in the end")
		})
	}
}
