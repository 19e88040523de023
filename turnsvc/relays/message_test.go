package relays

import (
	"bytes"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// largest is a message about all that the members of a room can hold.
func largest() *message {
	ip := netip.MustParseAddr("2001:db8:1234:5678:9abc:def0:1234:5678")
	var list []turnsvc.Relayed
	for range turnsvc.MaxRelayed {
		list = append(list, turnsvc.Relayed{Room: "an-annex-of-22-chars-x", Side: "ma", At: netip.AddrPortFrom(ip, 65535), Client: ip})
	}
	return &message{Kind: kindRelays, Room: "a-room-of-22-chars-xxx", Relayed: asRelayed("a-room-of-22-chars-xxx", list)}
}

func TestMessagesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, m := range []*message{
		largest(),
		{Kind: kindLink, Room: "room", Nodes: []string{"n1", "n2"}},
		{Kind: kindJoin, Room: "annex", To: "room", Side: "ma", Addr: someone(), Nodes: []string{"n1"}},
		{Kind: kindCounts, Whole: true, Counts: make([]byte, maxCounts*entryBytes)},
	} {
		text := m.text()
		got, err := parse(text)
		if err != nil || !reflect.DeepEqual(&got, m) {
			t.Errorf("%d bytes about %s come back as %+v, %v", len(text), m.Kind, got, err)
		}
	}
}

func TestWhatIsNoMessageIsRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxName+1)
	for _, text := range []string{
		"", "{", "[]", `"k"`, `{"k":1}`,
		`{"k":"relays","r":"` + long + `"}`,
		`{"k":"relays","r":"room","l":[{"s":"a"}]}`,
		`{"k":"relays","r":"room","l":[{"s":"a","a":"192.0.2.1:0"}]}`,
		`{"k":"relays","r":"room","l":[{"s":"a","a":"[fe80::1%eth0]:5000"}]}`,
		`{"k":"relays","r":"room","l":[{"s":"` + long + `","a":"192.0.2.1:1"}]}`,
		`{"k":"relays","r":"room","l":[` + strings.Repeat(`{"s":"a","a":"192.0.2.1:1"},`, turnsvc.MaxRelayed) + `{"s":"a","a":"192.0.2.1:1"}]}`,
		`{"k":"link","r":"room","n":["1","2","3","4","5"]}`,
		`{"k":"end","e":[` + strings.Repeat(`"a",`, maxEnds) + `"a"]}`,
		`{"k":"counts","c":"AAAA"}`,
		`{"k":"end","e":["` + strings.Repeat("x", MaxMessage) + `"]}`,
	} {
		if m, err := parse([]byte(text)); err == nil {
			t.Errorf("%.60q is taken for %+v", text, m)
		}
	}
}

// FuzzHear holds that no message does more than a sane one: whatever comes, nothing
// grows beyond its bound, and what is taken comes back as it was.
func FuzzHear(f *testing.F) {
	f.Add(largest().text())
	f.Add([]byte(`{"k":"join","r":"annex","t":"room","s":"ma","a":"8.8.4.4","n":["n1","n2","n3","n4"]}`))
	f.Add([]byte(`{"k":"end","e":["room","annex"]}`))
	f.Add([]byte(`{"k":"counts","f":true,"c":"AAAAAAAAAAAAAA=="}`))
	f.Add([]byte(`{"k":"link","r":"room","n":["n3"]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := newMemo("n1")
		told := 0
		fleet := New(Config{
			Node: "n1", Relay: r, Nodes: func() []Node { return nil }, Up: func() bool { return true },
			Tell:    func(string, []byte) { told++ },
			TellAll: func([]byte) { t.Error("one message is told to all") },
		})
		fleet.Hear("n2", text)
		m, err := parse(text)
		if err == nil {
			if again, err := parse(m.text()); err != nil || !bytes.Equal(again.text(), m.text()) {
				t.Errorf("%+v comes back as %+v, %v", m, again, err)
			}
		}
		if told > 2*(maxNodes+1) || fleet.links.Len() > 1 || len(fleet.ends) > maxEnds*maxNodes {
			t.Errorf("one message has %d told, %d links and %d ends", told, fleet.links.Len(), len(fleet.ends))
		}
	})
}
