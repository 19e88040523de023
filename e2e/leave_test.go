//go:build browser

package e2e

import (
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// TestLeaving goes through the ways in which a chat ends.
func TestLeaving(t *testing.T) {
	w := newWorld(t, natlab.PortRestrictedCone, natlab.PortRestrictedCone)

	w.meet()
	w.b.say("before NEXT")
	w.a.hears("before NEXT")
	w.a.next()
	w.b.becomes(left)
	w.b.next()
	w.a.becomes(chatting)
	w.b.becomes(chatting)
	w.a.hears() // the log of the one before is gone
	w.talks(2)

	w.b.stop()
	w.b.becomes(idle)
	w.a.becomes(left)
	w.a.stop()
	w.a.becomes(idle)

	w.meet()
	w.talks(2)
	w.a.close()
	w.b.becomes(left)
}

// TestNobodyIsMatchedWithSomebodyWhoLeft is the ghost of the old matchmaking:
// who stopped waiting, or closed the tab, must not be found.
func TestNobodyIsMatchedWithSomebodyWhoLeft(t *testing.T) {
	w := newWorld(t, natlab.FullCone, natlab.FullCone)
	w.a.start()
	w.a.becomes(waiting)
	w.a.stop()
	w.a.becomes(idle)
	w.b.start()
	w.b.becomes(waiting)
	w.b.close()
	w.b = w.person(natlab.SideB, chromium)
	w.meet()
	w.talks(1)
}
