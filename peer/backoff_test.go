//go:build !js

package peer

import (
	"slices"
	"testing"
	"time"
)

// TestHurryReplacesASocketThatMayBeDead holds that the old socket is not closed
// before the seat is ours on the new one: a close frame would mean to leave.
func TestHurryReplacesASocketThatMayBeDead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStage(t)
		s, old := st.seated()
		start := time.Now()
		s.hurry()
		next := st.expect("/signaling")
		if took := time.Since(start); took > firstPause {
			t.Errorf("it dialled after %v, want at most %v", took, firstPause)
		}
		next.reads(`"resumeToken":"one"`)
		old.stays()
		next.says(accepts("two", `,"resumed":true`))
		old.left()
		<-s.returned
		s.tell(offer("here"))
		next.reads(`"sdp":"here"`)
	})
}

// TestHurryDoesNotWait wakes a seat that has long failed to reach the server.
func TestHurryDoesNotWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStage(t)
		s, c := st.seated()
		st.setDown(true)
		c.crash()
		<-time.After(10 * time.Minute)
		st.setDown(false)
		start := time.Now()
		s.hurry()
		st.expect("/signaling").reads("register")
		if took := time.Since(start); took > shortestPause {
			t.Errorf("it dialled after %v, want at most %v", took, shortestPause)
		}
	})
}

// TestHurryBeginsAnew ends a dial by the network that was, or the pause before
// one, and does not count against the new one what failed there.
func TestHurryBeginsAnew(t *testing.T) {
	for _, c := range []struct {
		name  string
		stuck bool
	}{
		{"while it dials", true},
		{"between two attempts", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				st := newStage(t)
				s, server := st.seated()
				st.setDown(true)
				server.crash()
				<-time.After(10 * time.Minute)
				st.setStuck(c.stuck)
				<-time.After(longestPause) // then it dials
				st.setStuck(false)
				before := st.dialled()
				s.hurry()
				<-time.After(time.Second)
				if n := st.dialled() - before; n < 2 {
					t.Errorf("%d attempts within a second, want it to begin as if nothing had failed", n)
				}
			})
		})
	}
}

// TestLostSocketsAreDialledAtAPace holds the rate of attempts: soon at first,
// never in a hurry, never rarer than every longestPause.
func TestLostSocketsAreDialledAtAPace(t *testing.T) {
	for _, c := range []struct {
		name string
		fail func(st *stage, c *call)
	}{
		{"nobody listens", func(st *stage, c *call) {
			st.setDown(true)
			c.crash()
		}},
		{"every socket is lost at once", func(st *stage, c *call) {
			c.crash()
			go func() {
				for c := range st.calls {
					c.says(accepts("next", `,"resumed":true`))
					c.crash()
				}
			}()
			st.Cleanup(func() { close(st.calls) })
		}},
		{"no socket is answered", func(st *stage, c *call) { c.crash() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				st := newStage(t)
				s, server := st.seated()
				c.fail(st, server)
				start := time.Now()
				<-time.After(time.Hour)
				s.close()
				st.mu.Lock()
				dials := slices.Clone(st.dials[1:])
				st.mu.Unlock()
				if len(dials) == 0 || dials[0].Sub(start) > firstPause {
					t.Fatalf("%d attempts, want the first within %v", len(dials), firstPause)
				}
				for i, at := range dials[1:] {
					if gap := at.Sub(dials[i]); gap < shortestPause || gap > longestPause+joinTimeout {
						t.Errorf("%v between two attempts, want %v to %v", gap, shortestPause, longestPause)
					}
				}
				if most := int(time.Hour / (longestPause / 3)); len(dials) > most {
					t.Errorf("%d attempts in an hour, want at most %d", len(dials), most)
				}
			})
		})
	}
}
