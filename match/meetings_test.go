package match

import (
	"net/netip"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// someone is a visitor without a connection.
func someone(user string) *visitor {
	return &visitor{
		ext:    []string{wire.ExtWaiting},
		ticket: &Ticket{Party: Party{User: user, Addr: netip.MustParseAddr("192.0.2.1")}},
	}
}

func told(room string, side wire.Side, partner *visitor) Meeting {
	return Meeting{RoomID: room, At: time.Now(), Side: side, Partner: partner.ticket.Party}
}

// TestAMeetingForgetsConnections holds that no meeting keeps a connection that
// has ended, or that has gone on to another room.
func TestAMeetingForgetsConnections(t *testing.T) {
	t.Parallel()
	for name, story := range map[string]func(s *meetings, a, b *visitor){
		"it ends":                   func(s *meetings, a, b *visitor) { s.note(a, told("room", wire.SideA, b)); s.part(a) },
		"it ends before it is told": func(s *meetings, a, b *visitor) { s.part(a); s.note(a, told("room", wire.SideA, b)) },
		"it goes on": func(s *meetings, a, b *visitor) {
			s.note(a, told("room", wire.SideA, b))
			s.note(a, told("another room", wire.SideA, b))
		},
	} {
		s, a, b := newMeetings(""), someone("a"), someone("b")
		story(s, a, b)
		if v, _, _ := s.absent(&absence{Room: "room", Client: "a"}); v != nil {
			t.Errorf("%s: the meeting still has the connection", name)
		}
		first, _ := s.wasAlone("a")
		if other, _ := s.wasAlone("b"); !first || other {
			t.Errorf("%s: the user is not remembered", name)
		}
	}
}

func TestARoomThatNobodyWasToldOfIsForgotten(t *testing.T) {
	t.Parallel()
	s, a, b := newMeetings(""), someone("a"), someone("b")
	s.note(a, told("room", wire.SideA, b))
	s.cancel("room")
	if _, _, _, known := s.complain(wire.Report{RoomID: "room", UserID: "a"}); known {
		t.Error("one may complain of a partner who was told of nothing")
	}
}

func TestTheMeetingsAreBounded(t *testing.T) {
	t.Parallel()
	s, a, b := newMeetings(""), someone("a"), someone("b")
	s.rooms.limit, s.alone.limit = 2, 2
	for _, room := range []string{"1", "2", "3"} {
		s.note(a, told(room, wire.SideA, b))
		s.note(b, told(room, wire.SideB, a))
	}
	if _, _, _, known := s.complain(wire.Report{RoomID: "1", UserID: "a"}); known || len(s.rooms.entries) != 2 {
		t.Errorf("%d meetings are remembered, the first among them: %v; want the last two", len(s.rooms.entries), known)
	}
	about, by, first, known := s.complain(wire.Report{RoomID: "3", UserID: "b"})
	if about.User != "a" || by.User != "b" || !first || !known {
		t.Errorf("complain = %+v, %+v, %v, %v; want b of a, the first time", about, by, first, known)
	}
}
