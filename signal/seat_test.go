package signal

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

func TestTheStatesOfASeat(t *testing.T) {
	t.Parallel()
	for state, after := range map[seatState][5]seatState{
		//     takes loses returns leaves awaited
		empty: {here, empty, empty, empty, away},
		here:  {here, away, here, left, here},
		away:  {away, away, here, left, away},
		left:  {left, left, left, left, left},
	} {
		for event, want := range after {
			if got := state.after(seatEvent(event)); got != want {
				t.Errorf("state %d after event %d is %d, want %d", state, event, got, want)
			}
		}
	}
}

// TestAlarmsRingInOrder sets, moves and cancels alarms at random.
func TestAlarmsRingInOrder(t *testing.T) {
	t.Parallel()
	start := time.Now()
	random := rand.New(rand.NewPCG(1, 2))
	var a agenda
	alarms := make([]alarm, 500)
	for range 5000 {
		al := &alarms[random.IntN(len(alarms))]
		if random.IntN(3) == 0 {
			a.cancel(al)
		} else {
			a.set(al, start.Add(time.Duration(random.IntN(1000))*time.Second))
		}
	}
	var want []string
	for i := range alarms {
		if alarms[i].place != 0 {
			want = append(want, fmt.Sprint(alarms[i].at.Sub(start)/time.Second+1000, " ", i))
		}
	}
	if a.next(start.Add(-time.Second)) != nil {
		t.Error("an alarm rang before its time")
	}
	var got []string
	last := start
	for al := a.next(start.Add(time.Hour)); al != nil; al = a.next(start.Add(time.Hour)) {
		if al.at.Before(last) || al.place != 0 {
			t.Fatalf("an alarm of %v rang after one of %v", al.at, last)
		}
		last = al.at
		i := slices.IndexFunc(alarms, func(one alarm) bool { return one.at.Equal(al.at) })
		for &alarms[i] != al {
			i++
		}
		got = append(got, fmt.Sprint(al.at.Sub(start)/time.Second+1000, " ", i))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%d alarms rang, want the %d that were set", len(got), len(want))
	}
}

// TestNobodyIsToldByeBeforeAccept lets the first member leave, and speak,
// while the second is being greeted.
func TestNobodyIsToldByeBeforeAccept(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*client){"leaves": (*client).leave, "stays": func(*client) {}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				minted := make(chan struct{})
				w := onPipes(t, func(c *Config) {
					c.ICEServers = func(_ string, side wire.Side, _ bool, _ netip.Addr) ([]wire.ICEServer, time.Time) {
						if side == wire.SideB {
							<-minted
						}
						return nil, time.Time{}
					}
				})
				a, b := w.connect(t, false), w.connect(t, false)
				a.register("room1")
				b.send(`{"type":"register","roomId":"room1"}`)
				synctest.Wait()
				a.send(`{"type":"offer"}`) // nobody has told it that somebody is there
				end(a)
				synctest.Wait()
				close(minted)
				if !b.accept().IsExistClient {
					t.Error("the second was not told to make the offer")
				}
				if name == "leaves" {
					b.mustBye()
				} else {
					b.send(`{"type":"offer","by":"b"}`)
					a.mustGet(`{"type":"offer","by":"b"}`)
				}
				w.stop()
			})
		})
	}
}

// TestWhoDoesNotComeBackIsKeptNothing holds that mail is for those who will
// read it: before accept for everybody, later for who can come back.
func TestWhoDoesNotComeBackIsKeptNothing(t *testing.T) {
	t.Parallel()
	for _, resume := range []bool{true, false} {
		var budget mailBudget
		s := &seat{claim: claim{resume: resume}, mail: mailbox{budget: &budget}}
		if back, fits := s.keep([]byte("early"), nil); back != nil || !fits || budget.bytes.Load() != 5 {
			t.Errorf("keep before accept = %v, %v, %d bytes; want it kept", back, fits, budget.bytes.Load())
		}
		s.take(nil)
		s.take(nil) // nothing more: the connection takes its place
		if _, fits := s.keep([]byte("late"), nil); !fits || budget.bytes.Load() != map[bool]int64{true: 4, false: 0}[resume] {
			t.Errorf("resume %v: %d bytes are kept", resume, budget.bytes.Load())
		}
	}
}

// TestAReplacedConnectionGetsNothing holds that a connection whose accept had
// not quite been sent when its client came back on another one takes nothing
// from that one: neither its place nor its messages.
func TestAReplacedConnectionGetsNothing(t *testing.T) {
	t.Parallel()
	var budget mailBudget
	s := &seat{claim: claim{resume: true}, mail: mailbox{budget: &budget}}
	old, again := new(member), new(member)
	s.expect(old)
	s.expect(again)
	if _, fits := s.keep([]byte("offer"), nil); !fits {
		t.Fatal("an offer is not kept")
	}
	if kept := s.take(old); kept != nil {
		t.Errorf("the old connection takes %q", kept)
	}
	if kept := s.take(again); len(kept) != 1 {
		t.Errorf("the new connection takes %q, want the offer", kept)
	}
	s.take(again)
	s.take(old)
	if s.conn.Load() != again {
		t.Error("messages do not go to the new connection")
	}
	if back := s.putBack([][]byte{[]byte("candidate")}, old); back != again || budget.bytes.Load() != 0 {
		t.Errorf("what could not be sent to the old connection goes to %p, want the new one, %p", back, again)
	}
}

// TestARoomIsSmall holds it to the size class of the allocator that it fits:
// the next one has 128 bytes more.
func TestARoomIsSmall(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(room{}); size > 768 {
		t.Errorf("a room has %d bytes, want 768 at most", size)
	}
	if size := unsafe.Sizeof(member{}); size > 128 {
		t.Errorf("a member has %d bytes, want 128 at most", size)
	}
}
