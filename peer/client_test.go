//go:build !js

package peer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const waitingText = `{"type":"WAITING","online":7,"waiting":1}`

// client is one of this stage. online has room for what it is told.
func (s *stage) client() (c *Client, online chan int) {
	online = make(chan int, 100)
	c = newClient(Config{URL: "http://stage", UserID: "me", OnOnline: func(n int) { online <- n }}, s.dial)
	s.Cleanup(c.Close)
	return c, online
}

// prepared is a client whose sockets stand by.
func (s *stage) prepared() (c *Client, lobby, rooms *call) {
	s.Helper()
	c, _ = s.client()
	c.Prepare()
	lobby, rooms = s.expectBoth()
	lobby.reads(`{"type":"STANDBY"}`)
	rooms.reads(`{"type":"standby"}`)
	lobby.says(waitingText)
	synctest.Wait()
	return c, lobby, rooms
}

// search is a Connect that goes on.
type search struct {
	*stage
	cancel context.CancelFunc
	ended  chan error
}

// search begins to search.
func (s *stage) search(c *Client, wanted Search) *search {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	f := &search{stage: s, cancel: cancel, ended: make(chan error, 1)}
	go func() {
		chat, err := c.Connect(ctx, wanted)
		if chat != nil {
			_ = chat.Close()
		}
		f.ended <- err
	}()
	s.Cleanup(cancel)
	return f
}

// ends waits for the end of the search, and checks why.
func (f *search) ends(want error) {
	f.Helper()
	if err := <-f.ended; !errors.Is(err, want) {
		f.Errorf("Connect() = %v, want %v", err, want)
	}
}

// TestPreparedSocketsAreTheSearchs holds what START costs: no handshake at all.
func TestPreparedSocketsAreTheSearchs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStage(t)
		client, lobby, rooms := st.prepared()
		client.Prepare() // harmless
		search := st.search(client, Search{Tags: []string{"go"}, RelayOnly: true})
		lobby.reads(`"user_id":"me"`, `"tags":["go"]`, `"ext":["waiting","warm","relay-only"]`)
		lobby.says(waitingText)
		rooms.says(`{"type":"ping"}`)
		rooms.reads(`{"type":"pong"}`)
		lobby.says(`{"type":"MATCH","room_id":"r","user_id":"me","role":"answer","iceServers":[{"urls":["stun:127.0.0.1:9"]}]}`)
		lobby.left()
		rooms.reads(`{"type":"register","roomId":"r","clientId":"me","ext":["refresh","resume","early","outcome","relay-only"],"attempt":1}`)
		rooms.says(`{"type":"reject","reason":"not-found"}`)
		search.ends(ErrPartnerGone)
		rooms.left()
		st.expectNobody(time.Hour)
	})
}

// TestOnlineIsToldBeforeTheSearch counts who is there while one stands by.
func TestOnlineIsToldBeforeTheSearch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStage(t)
		client, online := st.client()
		client.Prepare()
		lobby, _ := st.expectBoth()
		lobby.says(waitingText, `{"type":"WAITING","online":8}`, `{"type":"NEWS"}`, `{"type":"WAITING","online":"many"}`, `{"type":"WAITING"}`)
		for _, want := range []int{7, 8, 0} {
			if n := <-online; n != want {
				t.Errorf("%d online, want %d", n, want)
			}
		}
		client.Close()
		if len(online) != 0 {
			t.Errorf("%d online, want no more", <-online)
		}
	})
}

// TestStandbyEnds gives the sockets up: after a minute, when the page rests,
// and when the client is closed.
func TestStandbyEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(client *Client)
	}{
		{"after a minute", func(*Client) { <-time.After(2 * time.Second) }},
		{"Rest", func(client *Client) { client.Rest() }},
		{"Close", func(client *Client) { client.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				st := newStage(t)
				client, lobby, rooms := st.prepared()
				rooms.pings(standbyFor / 2)
				client.Prepare() // the minute begins anew
				rooms.pings(standbyFor - time.Second)
				lobby.stays()
				rooms.stays()
				c.end(client)
				lobby.left()
				rooms.left()
				st.expectNobody(time.Hour)
				client.Prepare()
				if c.name == "Close" {
					st.expectNobody(time.Hour)
					return
				}
				st.expectBoth()
			})
		})
	}
}

// TestALostStandbyIsDialledAgain holds that sockets are there when they are
// needed, whatever happens to them before; but a server that ends one itself is
// not asked again.
func TestALostStandbyIsDialledAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStage(t)
		_, lobby, rooms := st.prepared()
		lobby.crash()
		st.expect("/matchmaking").reads(`{"type":"STANDBY"}`)
		rooms.closes(wire.CloseGoingAway, wire.ReasonShutdown)
		again := st.expect("/signaling")
		again.reads(`{"type":"standby"}`)
		again.closes(wire.CloseNormal, "no room")
		st.expectNobody(standbyFor)
	})
}

// TestAnOldServerIsNotToldOfStandby asks a server that knows no standby in the
// way that it knows, whenever it says so.
func TestAnOldServerIsNotToldOfStandby(t *testing.T) {
	for _, c := range []struct {
		name   string
		before bool // it says so before the search begins
		refuse func(lobby *call)
	}{
		{"before, with an ERROR", true, func(lobby *call) { lobby.says(`{"type":"ERROR","reason":"bad-request"}`) }},
		{"before, with a close", true, func(lobby *call) { lobby.closes(wire.CloseBadData, wire.ReasonBadJSON) }},
		{"during the search, with an ERROR", false, func(lobby *call) { lobby.says(`{"type":"ERROR","reason":"bad-request"}`) }},
		{"during the search, with a close", false, func(lobby *call) { lobby.closes(wire.CloseBadData, wire.ReasonBadJSON) }},
		{"never: it is silent", false, func(*call) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				st := newStage(t)
				client, _ := st.client()
				client.Prepare()
				lobby, rooms := st.expectBoth()
				lobby.reads("STANDBY")
				rooms.reads("standby")
				if c.before {
					c.refuse(lobby)
					rooms.closes(wire.CloseNormal, wire.ReasonNoRegister)
					synctest.Wait()
					client.Prepare()
					st.expectNobody(time.Second)
				}
				search := st.search(client, Search{})
				if !c.before {
					lobby.reads(`"user_id":"me"`)
					c.refuse(lobby)
					rooms.closes(wire.CloseNormal, wire.ReasonNoRegister)
				}
				start := time.Now()
				lobby = st.expect("/matchmaking")
				if took := time.Since(start); took > answerTimeout {
					t.Errorf("it asked again after %v, want at most %v", took, answerTimeout)
				}
				lobby.reads(`"user_id":"me"`)
				lobby.says(`{"type":"MATCH","room_id":"r"}`)
				rooms = st.expect("/signaling")
				rooms.reads(`"type":"register"`, `"roomId":"r"`)
				rooms.says(`{"type":"reject","reason":"full"}`)
				var refused *ServerError
				if err := <-search.ended; !errors.As(err, &refused) || refused.Reason != wire.RejectFull {
					t.Errorf("Connect() = %v, want full", err)
				}
			})
		})
	}
}

// TestADeadRoomSocketDoesNotHurt registers on a socket that stood by and has
// died meanwhile, and then on another one.
func TestADeadRoomSocketDoesNotHurt(t *testing.T) {
	for _, role := range []string{"", `,"role":"answer","iceServers":[{"urls":["stun:127.0.0.1:9"]}]`} {
		t.Run("role "+role, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				st := newStage(t)
				client, lobby, rooms := st.prepared()
				search := st.search(client, Search{})
				lobby.reads("user_id")
				lobby.says(`{"type":"MATCH","room_id":"r"` + role + `}`)
				rooms.reads("register", `"attempt":1`)
				start := time.Now()
				again := st.expect("/signaling")
				if took := time.Since(start); took != acceptTimeout {
					t.Errorf("it dialled after %v, want %v", took, acceptTimeout)
				}
				again.reads("register", `"attempt":2`)
				rooms.stays()
				again.says(`{"type":"accept"}`, `{"type":"bye"}`)
				search.ends(ErrPartnerGone)
				rooms.left()
			})
		})
	}
}

// TestTheRoomSocketIsKeptWhileWaiting answers pings, and opens another one
// when it is lost or the server's time for it is over.
func TestTheRoomSocketIsKeptWhileWaiting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStage(t)
		client, lobby, rooms := st.prepared()
		search := st.search(client, Search{})
		lobby.reads("user_id")
		lobby.says(waitingText)
		for _, end := range []func(){
			func() { rooms.crash() },
			func() { rooms.closes(wire.CloseNormal, wire.ReasonFirstMessage) },
		} {
			rooms.pings(3 * time.Minute)
			end()
			rooms = st.expect("/signaling")
			rooms.reads("standby")
		}
		search.cancel()
		search.ends(context.Canceled)
		lobby.left()
		client.Close()
		rooms.left()
	})
}

// TestTheNetworkGoesWhileWaiting asks again when it is back.
func TestTheNetworkGoesWhileWaiting(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(lobby, rooms *call)
	}{
		{"the connection breaks", func(lobby, _ *call) { lobby.crash() }},
		{"the server says that it stops", func(lobby, _ *call) { lobby.says(`{"type":"ERROR","reason":"shutting-down"}`) }},
		{"the server restarts", func(lobby, _ *call) { lobby.closes(wire.CloseGoingAway, wire.ReasonShutdown) }},
		{"nothing is heard any more", func(_, rooms *call) {
			rooms.says(`{"type":"ping"}`)
			<-time.After(silenceTimeout)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				st := newStage(t)
				client, _ := st.client()
				search := st.search(client, Search{})
				lobby, rooms := st.expectBoth()
				lobby.reads("user_id")
				lobby.says(waitingText)
				synctest.Wait()
				st.setDown(true)
				c.lose(lobby, rooms)
				<-time.After(awayTimeout / 2)
				st.setDown(false)
				for lobby = st.next(); lobby.path != "/matchmaking"; lobby = st.next() { // rooms
				}
				lobby.reads(`"user_id":"me"`)
				lobby.says(`{"type":"TIMEOUT"}`)
				search.ends(ErrNobody)
			})
		})
	}
}

// TestTheNetworkStaysAway gives up after a while, and a server that answers
// and breaks, again and again, is not asked for ever.
func TestTheNetworkStaysAway(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(st *stage, lobby *call)
	}{
		{"nobody listens any more", func(st *stage, lobby *call) {
			st.setDown(true)
			lobby.crash()
		}},
		{"every connection breaks", func(st *stage, lobby *call) {
			for range maxAsks {
				lobby.crash()
				lobby = st.expect("/matchmaking")
				lobby.says(waitingText)
				synctest.Wait()
			}
			lobby.crash()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				st := newStage(t)
				client, _ := st.client()
				start := time.Now()
				search := st.search(client, Search{})
				lobby, _ := st.expectBoth()
				lobby.reads("user_id")
				lobby.says(waitingText)
				synctest.Wait()
				c.lose(st, lobby)
				search.ends(ErrUnreachable)
				if took := time.Since(start); took > awayTimeout+2*longestPause {
					t.Errorf("it took %v, want about %v", took, awayTimeout)
				}
			})
		})
	}
}

// TestOneSearchAtATime has the second wait for the first, and Close for both.
func TestOneSearchAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		st := newStage(t)
		client, _ := st.client()
		first := st.search(client, Search{})
		lobby, rooms := st.expectBoth()
		lobby.reads("user_id")
		second := st.search(client, Search{})
		client.Prepare() // a search goes on: nothing to prepare
		st.expectNobody(time.Minute)
		first.cancel()
		first.ends(context.Canceled)
		lobby.left()
		lobby = st.expect("/matchmaking")
		lobby.reads("user_id")
		rooms.stays() // it serves the second
		third := st.search(client, Search{})
		synctest.Wait()
		client.Close()
		second.ends(context.Canceled)
		third.ends(context.Canceled)
		lobby.left()
		rooms.left()
		client.Close()
		st.search(client, Search{}).ends(context.Canceled)
		st.expectNobody(time.Hour)
	})
}
