package match

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// FuzzPipeFrame holds that a frame is what it was written as, and nothing else.
func FuzzPipeFrame(f *testing.F) {
	for op := pipeText; op <= lastPipeOp+1; op++ {
		frame := pipeFrame{op: op, pipe: 7, number: 1001, text: []byte("text")}
		f.Add(frame.bytes())
		frame.text = nil
		f.Add(frame.bytes())
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		frame, err := parsePipeFrame(body)
		if err != nil {
			return
		}
		if again := frame.bytes(); !bytes.Equal(again, body) {
			t.Fatalf("%x is %+v, which is written as %x", body, frame, again)
		}
	})
}

// FuzzHanded holds that what one process tells of a visitor is read by the next one, and
// told by that one, as it was.
func FuzzHanded(f *testing.F) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	f.Add(marshal(&handed{
		Holder: "1", Pipe: 3, Addr: netip.MustParseAddr("192.0.2.1"), Words: [][]byte{[]byte("{}")},
		Asked: &handedTicket{
			Request: wire.MatchRequest{UserID: "a", Tags: []string{"go"}, Ext: []string{wire.ExtWarm}},
			Since:   at, Standing: seniority{Deadline: at, Order: -1 << 50}, Room: "name",
		},
		Meeting: &pastMeeting{Room: "room", At: at, Two: [2]pastGuest{{User: "a"}, {User: "b", Node: "1"}}},
	}))
	f.Add([]byte(`{"holder":"1","addr":"::1"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var first, again handed
		if json.Unmarshal(body, &first) != nil || first.check() != nil {
			return
		}
		text := marshal(&first)
		if json.Unmarshal(text, &again) != nil || again.check() != nil || !bytes.Equal(marshal(&again), text) {
			t.Fatalf("%s is told as %s, and read as %+v", body, text, again)
		}
	})
}

// FuzzPast holds that a lobby takes over nothing that it would not tell in turn, and
// tells that as it was.
func FuzzPast(f *testing.F) {
	old := New(Config{PoolConfig: numberedRooms(), FairUse: FairUse{SkipEvery: SkipEvery, OffersPerAddr: 1, PeoplePerAddr: 4}})
	a, b := someone("a"), someone("b")
	old.meetings.note(a, told("room", wire.SideA, b))
	old.meetings.note(b, told("room", wire.SideB, a))
	old.turnstile.offer(a.ticket.Addr, time.Now())
	old.turnstile.skip(a.ticket.Party, time.Now())
	old.cfg.Bans.report(Party{Device: "d", Addr: a.ticket.Addr}, b.ticket.Party, wire.ReportSpam, 4, time.Now())
	old.cfg.Bans.impose(BanDevice, "e", Sentence{For: time.Hour}, time.Now())
	f.Add(old.Estate())
	f.Add([]byte(`{"format":1,"items":[{"record":{"mark":"00000000000000000000000000000000","at":"9999-12-31T23:59:59-23:00","kind":"device"}}]}`))
	f.Add([]byte(`{"format":1,"items":[{"alone":{"user":"a","at":"2026-11-22T10:00:00Z"}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		heir := New(Config{PoolConfig: numberedRooms(), FairUse: FairUse{SkipEvery: SkipEvery, OffersPerAddr: 1, PeoplePerAddr: 4}})
		heir.Inherit(body)
		var p past
		if err := json.Unmarshal(heir.Estate(), &p); err != nil {
			t.Fatal(err)
		}
		for _, text := range p.Items {
			var i, again pastItem
			if json.Unmarshal(text, &i) != nil || i.check() != nil {
				t.Fatalf("%s was taken over, and would be taken over by nobody else", text)
			}
			if json.Unmarshal(marshal(&i), &again) != nil || !reflect.DeepEqual(i, again) {
				t.Fatalf("%s is told as %+v", text, again)
			}
		}
	})
}
