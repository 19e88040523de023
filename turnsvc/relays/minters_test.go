package relays

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// servers of a relay that the tests have.
func urlsOf(ip string) []string {
	return []string{
		"stun:" + ip + ":3478", "turn:" + ip + ":3478?transport=udp", "turn:" + ip + ":443?transport=udp",
		"turn:" + ip + ":3478?transport=tcp", "turns:" + ip + ".example.org:443?transport=tcp",
	}
}

// TestMintersFollowWhatIsAnnounced holds that clients are told the URLs that a relay
// announces now, with credentials of the secret that signs now.
func TestMintersFollowWhatIsAnnounced(t *testing.T) {
	t.Parallel()
	m := NewMinters(turnsvc.Issuer{Secret: "old"})
	relay := Node{ID: "n1", URLs: urlsOf("192.0.2.1")}
	claims := turnsvc.Claims{Room: "room", Side: "a", At: []string{"n1", "n2"}}
	told := func(spare Node) (urls []string, username, password string) {
		servers, _ := m.For(relay, spare).RoomServers(claims)
		for _, s := range servers {
			urls = append(urls, s.URLs...)
			username, password = s.Username, s.Credential
		}
		return urls, username, password
	}
	if m.For(relay, Node{}) != m.For(Node{ID: "n1", URLs: slices.Clone(relay.URLs)}, Node{}) {
		t.Error("what was prepared is prepared again")
	}
	if urls, _, _ := told(Node{}); !slices.Equal(urls, relay.URLs) {
		t.Errorf("clients are told %q, want %q", urls, relay.URLs)
	}
	spare := Node{ID: "n2", URLs: urlsOf("192.0.2.2")}
	want := append(slices.Clone(relay.URLs), spare.URLs[1], spare.URLs[4])
	if urls, _, _ := told(spare); !slices.Equal(urls, want) {
		t.Errorf("with a spare one clients are told %q, want %q", urls, want)
	}
	spare.URLs = spare.URLs[:4]
	if urls, _, _ := told(spare); !slices.Equal(urls[5:], []string{spare.URLs[1], spare.URLs[3]}) {
		t.Errorf("with a spare one without TLS clients are told %q of it", urls[5:])
	}
	relay.URLs = urlsOf("192.0.2.9")
	if urls, _, _ := told(Node{}); !slices.Equal(urls, relay.URLs) {
		t.Errorf("after the address has changed clients are told %q, want %q", urls, relay.URLs)
	}
	m.SetSecret("new")
	_, username, password := told(Node{})
	credential, err := turnsvc.Verifier{Secrets: []string{"new"}}.Check(username)
	if err != nil || !credential.Accepts(password) {
		t.Errorf("after the secret has changed the old one signs: %v", err)
	}
	if !strings.HasPrefix(credential.Claims, "room.a.n") {
		t.Errorf("the claims are %q, want the two relays in them", credential.Claims)
	}
}

func TestMintersAreBounded(t *testing.T) {
	t.Parallel()
	m := NewMinters(turnsvc.Issuer{Secret: "secret"})
	for i := range 3 * maxMinters {
		m.For(Node{ID: "n1"}, Node{ID: fmt.Sprint(i)})
	}
	if len(m.made) > maxMinters {
		t.Errorf("%d are prepared, want at most %d", len(m.made), maxMinters)
	}
}
