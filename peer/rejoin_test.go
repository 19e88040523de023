//go:build !js

package peer

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// accepts is an accept with a token, and more members.
func accepts(token string, more ...string) string {
	return `{"type":"accept","resumeToken":"` + token + `"` + strings.Join(more, "") + `}`
}

// seat takes a seat on the stage, as a match with that role would.
func (s *stage) seat(role role) *seat {
	s.Helper()
	seat := &seat{
		dial: s.dial, url: "ws://stage/signaling",
		register: wire.Register{Type: wire.SignalRegister, RoomID: "room", ClientID: "me", Ext: []string{wire.ExtResume}},
	}
	seat.assign(role)
	seat.start(s.Context(), nil)
	s.Cleanup(seat.close)
	return seat
}

// seated takes a seat that the server has accepted.
func (s *stage) seated() (*seat, *call) {
	s.Helper()
	seat := s.seat(roleOffer)
	c := s.expect("/signaling")
	c.reads(`"type":"register"`)
	c.says(accepts("one"))
	synctest.Wait()
	return seat, c
}

func offer(sdp string) *wire.Description { return &wire.Description{Type: wire.SignalOffer, SDP: sdp} }

// gone waits until the seat is gone, and checks why.
func gone(t *testing.T, s *seat, want error) {
	t.Helper()
	for range s.inbox { // closed
	}
	if err := s.fault(); !errors.Is(err, want) {
		t.Errorf("fault() = %v, want %v", err, want)
	}
}

func TestWithARoleTheOfferFollowsRegister(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStage(t)
		s := st.seat(roleOffer)
		s.tell(offer("first"))
		c := st.expect("/signaling")
		c.reads(`{"type":"register","roomId":"room","clientId":"me","ext":["resume"],"attempt":1}`)
		c.reads(`{"type":"offer","sdp":"first"}`)
		c.says(accepts("one"), `{"type":"answer","sdp":"x"}`)
		if text := <-s.inbox; text != `{"type":"answer","sdp":"x"}` {
			t.Errorf("the inbox has %s, want the answer", text)
		}
		s.close()
		c.left()
	})
}

func TestWithoutARoleTheSecondOffers(t *testing.T) {
	for _, c := range []struct {
		name, accept string
		role         role
		polite       bool
	}{
		{"first", `{"type":"accept","iceServers":[{"urls":["stun:a"]}]}`, roleAnswer, true},
		{"second", `{"type":"accept","isExistClient":true,"iceServers":[{"urls":["stun:a"]}]}`, roleOffer, false},
		{"second, of another server", `{"type":"accept","isExistUser":true,"iceServers":[{"urls":["stun:a"]}]}`, roleOffer, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				st := newStage(t)
				s := st.seat("")
				server := st.expect("/signaling")
				server.reads("register")
				select {
				case <-s.joined:
					t.Fatal("it has joined before accept")
				case <-time.After(time.Second):
				}
				server.says(c.accept)
				<-s.joined
				if s.role != c.role || s.polite != c.polite || len(s.iceServers) != 1 {
					t.Errorf("role %q, polite %t, %v, want %q, %t and a STUN server", s.role, s.polite, s.iceServers, c.role, c.polite)
				}
			})
		})
	}
}

// TestASeatIsAskedForElsewhere is about a match that says where its room is kept, and
// a server that is no longer there, or was never reached: the one that the match came
// from knows who keeps the room now.
func TestASeatIsAskedForElsewhere(t *testing.T) {
	for _, c := range []struct {
		name   string
		there  bool // the room's own server is, at first
		silent bool // nothing is heard of a dial
		accept string
	}{
		{"it is gone later", true, false, accepts("two", `,"resumed":true`)},
		{"it cannot be reached", false, false, accepts("one")},
		{"it is gone later, without a word", true, true, accepts("two", `,"resumed":true`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				st, there := newStage(t), c.there
				s := &seat{
					url: "ws://home/home", elsewhere: "ws://stage/signaling",
					register: wire.Register{Type: wire.SignalRegister, RoomID: "room", Ext: []string{wire.ExtResume}},
				}
				s.dial = func(ctx context.Context, url string) (*socket, error) {
					if strings.HasSuffix(url, "/home") && !there {
						if c.silent {
							<-ctx.Done()
						}
						return nil, ErrUnreachable
					}
					return st.dial(ctx, url)
				}
				s.assign(roleOffer)
				s.start(t.Context(), nil)
				t.Cleanup(s.close)
				if c.there {
					home := st.expect("/home")
					home.reads(`"type":"register"`)
					home.says(accepts("one"))
					synctest.Wait()
					there = false
					home.crash()
				}
				start := time.Now()
				other := st.expect("/signaling")
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("it was asked for elsewhere after %v, want 5 s at most", took)
				}
				other.reads(`"type":"register"`)
				other.says(c.accept)
				s.tell(offer("through another server"))
				other.reads("through another server")
			})
		})
	}
}

// TestASeatSurvivesItsSocket loses the socket in every way that is not the end
// of the seat.
func TestASeatSurvivesItsSocket(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(c *call)
	}{
		{"it breaks", func(c *call) { c.crash() }},
		{"the server stops", func(c *call) { c.closes(wire.CloseGoingAway, wire.ReasonShutdown) }},
		{"the server stops without a reason", func(c *call) { c.closes(wire.CloseGoingAway, "") }},
		{"the server missed our pongs", func(c *call) { c.closes(wire.CloseNormal, wire.ReasonPongTimeout) }},
		{"a proxy closes", func(c *call) { c.closes(wire.CloseNormal, "") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				st := newStage(t)
				s, first := st.seated()
				st.setDown(true)
				c.lose(first)
				synctest.Wait()
				s.tell(offer("kept"))
				s.tell(&wire.Candidate{Type: wire.SignalCandidate})
				<-time.After(20 * time.Second)
				st.setDown(false)
				up := time.Now()
				second := st.expect("/signaling")
				if took := time.Since(up); took > longestPause {
					t.Errorf("it came back after %v, want at most %v", took, longestPause)
				}
				second.reads(`"type":"register"`, `"roomId":"room"`, `"clientId":"me"`, `"resumeToken":"one"`, `"attempt":2`)
				second.readsNothing()
				second.says(accepts("two", `,"resumed":true,"iceServers":[{"urls":["stun:new"]}]`), `{"type":"answer","sdp":"kept there"}`)
				second.reads(`{"type":"offer","sdp":"kept"}`)
				second.reads(`"type":"candidate"`)
				back := <-s.returned
				if back.rebuilt {
					t.Error("returned says that the server started anew")
				}
				if len(back.servers) != 1 || back.servers[0].URLs[0] != "stun:new" {
					t.Errorf("ICE servers %v, want those of the accept", back.servers)
				}
				if text := <-s.inbox; text != `{"type":"answer","sdp":"kept there"}` {
					t.Errorf("the inbox has %s, want the answer", text)
				}
				second.crash()
				st.expect("/signaling").reads(`"resumeToken":"two"`)
			})
		})
	}
}

// TestAServerThatStartedAnewIsToldOnce holds that link learns of it even if
// the socket is lost once more before it looks.
func TestAServerThatStartedAnewIsToldOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStage(t)
		s, c := st.seated()
		for _, more := range []string{`,"resumed":true,"rebuilt":true`, `,"resumed":true`} {
			c.crash()
			c = st.expect("/signaling")
			c.reads("register")
			c.says(accepts("next", more))
			synctest.Wait()
		}
		if back := <-s.returned; !back.rebuilt {
			t.Error("returned does not say that the server started anew")
		}
		if len(s.returned) != 0 {
			t.Error("returned twice, want the two as one")
		}
	})
}

// TestASeatIsGone is what ends a seat for good.
func TestASeatIsGone(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(s *seat, c *call)
		want error
	}{
		{"the partner leaves", func(_ *seat, c *call) {
			c.says(`{"type":"bye"}`)
			c.closes(wire.CloseNormal, wire.ReasonLeft)
		}, ErrPartnerGone},
		{"only the close says so", func(_ *seat, c *call) { c.closes(wire.CloseNormal, wire.ReasonLeft) }, nil},
		{"somebody else has the seat", func(_ *seat, c *call) { c.closes(wire.CloseNormal, wire.ReasonReplaced) }, nil},
		{"we are left before we are back", func(_ *seat, c *call) {
			c.crash()
			again := c.expect("/signaling")
			again.reads("register")
			again.says(`{"type":"reject","reason":"not-found"}`)
		}, ErrPartnerGone},
		{"the seat was given away", func(_ *seat, c *call) {
			c.crash()
			again := c.expect("/signaling")
			again.reads("register")
			again.says(accepts("another"))
		}, ErrUnreachable},
		{"too many messages wait", func(s *seat, c *call) {
			c.setDown(true)
			c.crash()
			synctest.Wait()
			for range maxKept + 1 {
				s.tell(offer("x"))
			}
			c.setDown(false)
			again := c.expect("/signaling")
			again.reads("register")
		}, ErrUnreachable},
		{"too long messages wait", func(s *seat, c *call) {
			c.setDown(true)
			c.crash()
			synctest.Wait()
			for range 3 {
				s.tell(offer(strings.Repeat("x", maxKeptBytes/2-100)))
			}
			c.setDown(false)
		}, ErrUnreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				st := newStage(t)
				s, server := st.seated()
				go c.do(s, server)
				var last string
				for text := range s.inbox {
					last = text
				}
				if err := s.fault(); err == nil || c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("fault() = %v, want %v", err, c.want)
				}
				if bye := last == `{"type":"bye"}`; bye != (c.name == "the partner leaves") {
					t.Errorf("the inbox ended with %q", last)
				}
				synctest.Wait()
				for len(st.calls) > 0 {
					<-st.calls
				}
				st.expectNobody(time.Hour)
			})
		})
	}
}

// TestWithoutATokenALossIsTheEnd holds for an Ayame server: its seat is gone
// with the socket.
func TestWithoutATokenALossIsTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStage(t)
		s := st.seat(roleOffer)
		c := st.expect("/signaling")
		c.reads("register")
		c.says(`{"type":"accept"}`)
		s.hurry()
		<-time.After(time.Hour) // it does not ping, and is not left for that
		c.stays()
		c.crash()
		gone(t, s, ErrUnreachable)
		st.expectNobody(time.Hour)
	})
}

// TestASilentServerIsLost waits for pings that do not come any more.
func TestASilentServerIsLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStage(t)
		_, c := st.seated()
		c.pings(time.Minute)
		start := time.Now().Add(-5 * time.Second) // of the last ping
		st.expect("/signaling").reads(`"resumeToken":"one"`)
		if took := time.Since(start); took < silenceTimeout || took > silenceTimeout+firstPause {
			t.Errorf("it dialled after %v of silence, want %v", took, silenceTimeout)
		}
		c.stays()
	})
}

// TestAnAcceptThatHasComeIsHeard also at the moment at which the server's time for it
// is over.
func TestAnAcceptThatHasComeIsHeard(t *testing.T) {
	for _, before := range []bool{false, true} { // something else came
		for range 100 { // select draws lots
			messages := make(chan string, 2)
			if before {
				messages <- `{"type":"weather"}`
			}
			messages <- accepts("one")
			close(messages)
			v := &visit{seat: &seat{role: roleOffer, fresh: make(chan []wire.ICEServer, 1)}, socket: &socket{messages: messages}}
			if err := v.carry(t.Context(), 0); !v.accepted {
				t.Fatalf("carry() = %v, and an accept is not heard", err)
			}
		}
	}
}

// TestRefresh renews the ICE servers; link may be late to look.
func TestRefresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStage(t)
		s, c := st.seated()
		for _, url := range []string{"stun:1", "stun:2"} {
			c.says(`{"type":"iceServers","iceServers":[{"urls":["` + url + `"]}],"expiresAt":"2030-01-01T00:00:00Z"}`)
		}
		c.says(`{"type":"iceServers","iceServers":7}`, `{"type":"iceServers"}`, `{"type":"weather"}`)
		synctest.Wait()
		if servers := <-s.servers; servers[0].URLs[0] != "stun:2" || len(s.servers) != 0 {
			t.Errorf("ICE servers %v, want the newest, once", servers)
		}
	})
}

// TestJoinTriesAgainWhileTheServerIsAway dials until there is somebody, as
// long as nobody was asked for the seat.
func TestJoinTriesAgainWhileTheServerIsAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStage(t)
		st.setDown(true)
		start := time.Now()
		s := st.seat("")
		gone(t, s, ErrUnreachable)
		if took := time.Since(start); took < joinTimeout || took > joinTimeout+longestPause {
			t.Errorf("it gave up after %v, want %v", took, joinTimeout)
		}
		s = st.seat("")
		<-time.After(joinTimeout / 2)
		st.setDown(false)
		c := st.expect("/signaling")
		c.reads("register")
		c.says(accepts("one"))
		<-s.joined
	})
}
