//go:build browser

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// TestTheOperatorEndsAChat ends the rooms of two who talk directly and of two who are
// relayed: both pages show that the other one has left, though the direct way would
// still carry what they say.
func TestTheOperatorEndsAChat(t *testing.T) {
	for name, c := range map[string]struct {
		nat  natlab.NAT
		path string
	}{
		"direct":  {natlab.PortRestrictedCone, "direct"},
		"relayed": {natlab.Symmetric, "relay-udp"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.nat, c.nat)
			w.chats(c.path)
			w.operator("kick", "room", w.onlyRoom())
			w.a.becomes(left)
			w.b.becomes(left)
			w.a.next()
			w.b.next()
			w.a.becomes(chatting)
			w.b.becomes(chatting)
			w.talks(1)
		})
	}
}

// operator runs an admin command where the server is.
func (w *world) operator(args ...string) []byte {
	w.t.Helper()
	cmd := w.lab.Server().Command(w.t.Context(), serverBinary(w.t), append([]string{"admin"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("admin %v: %v", args, err)
	}
	return out
}

// onlyRoom is the room that there is.
func (w *world) onlyRoom() string {
	w.t.Helper()
	var rooms []struct{ ID string }
	if err := json.Unmarshal(w.operator("rooms", "--json"), &rooms); err != nil || len(rooms) != 1 {
		w.t.Fatal(fmt.Errorf("there are %d rooms, want one (%w)", len(rooms), err))
	}
	return rooms[0].ID
}
