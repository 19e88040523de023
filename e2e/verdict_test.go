//go:build browser

package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
	"github.com/wasmp2pchat/wasmp2pchat/internal/timeline"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// failed is the state of a page that says why it is not connected.
const failed = "error"

// relayUnreachable drops what comes to the relay from other machines, on the port
// of the page by the magic cookie of STUN (RFC 8489 §5): the server, which asks
// itself, goes on telling everybody of it.
const relayUnreachable = `table inet test {
	chain input {
		type filter hook input priority 0
		iif lo accept
		udp dport 3478 drop
		tcp dport 3478 drop
		tcp dport 80 @ih,32,32 0x2112a442 drop
	}
}`

// TestVerdict lets two meet who cannot be connected, behind NATs with no way
// through and with a relay that neither can reach: both pages say so in plain
// words and by the same code, the timeline of the room says the same, and one room
// is counted.
func TestVerdict(t *testing.T) {
	t.Parallel()
	w := newTown(t, natlab.Symmetric, natlab.Symmetric)
	w.hides = true
	w.drops(relayUnreachable)
	w.people(chromium, chromium)
	w.a.start()
	w.b.start()
	w.lasts(10 * time.Second) // Chromium waits for the relay for longer than the page tries
	w.a.becomes(failed)
	w.b.becomes(failed)
	code := wire.RoomCode(w.a.match().RoomID)
	want := pageWords(t)
	for _, tab := range []*tab{w.a, w.b} {
		if got := tab.text("fault"); got != want["no_relay"] {
			t.Errorf("%s says %q, want %q", tab.name, got, want["no_relay"])
		}
		advice := want["no_relay_more"] + " " + strings.ReplaceAll(want["code"], "{code}", code)
		if got := tab.text("fault-more"); got != advice {
			t.Errorf("%s adds %q, want %q", tab.name, got, advice)
		}
	}
	w.lasts(5 * time.Second) // the last word of both has been heard, and the room is counted
	var got timeline.Timeline
	if err := json.Unmarshal([]byte(w.asks("/api/rooms/"+code+"/timeline")), &got); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	_ = got.WriteText(&text) // never fails
	t.Logf("the timeline:\n%s", text.String())
	if got.Verdict != wire.VerdictNoRelay || got.Ended.IsZero() {
		t.Errorf("the timeline says %q, ended %v; want no-relay, and an end", got.Verdict, got.Ended)
	}
	for _, side := range []natlab.Side{natlab.SideA, natlab.SideB} {
		if whole := w.lab.Outside(side).String(); strings.Contains(text.String(), whole) {
			t.Errorf("the timeline has the address %s", whole)
		}
	}
	if line := `wasmp2pchat_rooms_ended_total{verdict="no-relay"} 1`; !strings.Contains(w.asks("/metrics"), line+"\n") {
		t.Errorf("the metrics lack %s", line)
	}
	w.a.picture("verdict-norelay.png", look{screen: phone})
}

// TestVerdictOfAChat is the same for two who could talk.
func TestVerdictOfAChat(t *testing.T) {
	w := newTown(t, natlab.Symmetric, natlab.Symmetric)
	w.people(chromium, chromium)
	w.chats("relay-udp")
	code := wire.RoomCode(w.a.match().RoomID)
	w.lasts(time.Second) // the path is looked at, and told
	w.part()
	w.lasts(5 * time.Second)
	var got timeline.Timeline
	if err := json.Unmarshal([]byte(w.asks("/api/rooms/"+code+"/timeline")), &got); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	_ = got.WriteText(&text) // never fails
	t.Logf("the timeline:\n%s", text.String())
	if got.Verdict != wire.VerdictRelayUDP {
		t.Errorf("the timeline says %q, want relay-udp", got.Verdict)
	}
}

// pageWords are the words of the page in English.
func pageWords(t *testing.T) (words map[string]string) {
	t.Helper()
	text, err := os.ReadFile("../wasm/page/words.en.json")
	if err == nil {
		err = json.Unmarshal(text, &words)
	}
	if err != nil {
		t.Fatal(err)
	}
	return words
}

// drops gives the server's machine rules of nftables.
func (w *world) drops(rules string) {
	w.t.Helper()
	nft := w.lab.Server().Command(w.t.Context(), "nft", "-f", "-")
	nft.Stdin = strings.NewReader(rules)
	if out, err := nft.CombinedOutput(); err != nil {
		w.t.Fatalf("nft: %v: %s", err, out)
	}
}

// asks asks the server at its admin address.
func (w *world) asks(path string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DialContext: w.lab.Server().Dial, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:9090"+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // it was read
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		w.t.Fatalf("GET %s = %s, %v: %s", path, res.Status, err, text)
	}
	return string(text)
}
