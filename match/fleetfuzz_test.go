package match

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// toldKinds makes an empty message of each kind.
func toldKinds() []func() interface{ check() error } {
	return []func() interface{ check() error }{
		func() interface{ check() error } { return new(absence) },
		func() interface{ check() error } { return new(places) },
		func() interface{ check() error } { return new(accusation) },
		func() interface{ check() error } { return new(answer) },
		func() interface{ check() error } { return new(charge) },
		func() interface{ check() error } { return new(ruling) },
	}
}

// FuzzTold holds that what is taken of another node's words says the same when it
// is passed on, and that bans stay within their bounds whatever is told of them.
func FuzzTold(f *testing.F) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	who := mark(strings.Repeat("0f", markBytes))
	for kind, m := range []any{
		&absence{Room: "room", Client: "me", Addr: netip.MustParseAddr("2001:db8::1")},
		&places{Users: []string{"ann", "bob"}, Moved: true},
		&accusation{1 << 63, wire.Report{Type: wire.MatchReport, RoomID: "room", UserID: "ann", Reason: wire.ReportSpam}},
		&answer{7, true},
		&charge{complaint{At: now, Reason: wire.ReportOther, Addr: who, User: who}, []accused{{who, BanDevice}, {who, BanAddress}}},
		&ruling{Mark: who, Times: 3, Ban: Ban{Name: "abcdefgh", Kind: BanAddress, Operator: true, Since: now, Until: now.Add(time.Hour)}, Addr: "192.0.2.0/32"},
		&ruling{Mark: who, Lifted: now},
	} {
		f.Add(uint8(min(kind, 5)), marshal(m))
	}
	f.Add(uint8(5), []byte(`null`))
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		kinds := toldKinds()
		empty := kinds[int(kind)%len(kinds)]
		m := empty()
		if parseTold(body, m) != nil {
			return
		}
		text, again := marshal(m), empty()
		if err := parseTold(text, again); err != nil && len(text) <= maxTold {
			t.Fatalf("%s was taken, and %s is not: %v", body, text, err)
		}
		if second := marshal(again); len(text) <= maxTold && !bytes.Equal(text, second) {
			t.Fatalf("%s was passed on as %s, and that as %s", body, text, second)
		}
		b := newBans(BansConfig{Key: []byte("key")})
		switch m := m.(type) {
		case *charge:
			b.hear(m, PeoplePerAddr, now)
		case *ruling:
			b.learn(m, now)
		}
		for _, ban := range b.List() {
			if ban.Until.Sub(ban.Since) > longestBan {
				t.Fatalf("%s led to a ban of %v", body, ban.Until.Sub(ban.Since))
			}
		}
		if _, err := parseBans(marshal(b.snapshot(now))); err != nil {
			t.Fatalf("after %s the bans cannot be written down: %v", body, err)
		}
	})
}
