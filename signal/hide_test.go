package signal

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// What browsers say of themselves: 192.0.2.0/24 and 2001:db8:c::/48 are the
// client's addresses, 203.0.113.0/24 and 2001:db8:f::/48 the relay's.
const (
	chromiumOffer = "v=0\r\no=- 4611731400430051336 2 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n" +
		"m=application 41000 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 192.0.2.1\r\n" +
		"a=candidate:1 1 udp 2113937151 192.0.2.1 41000 typ host generation 0 network-id 1 network-cost 999\r\n" +
		"a=candidate:2 1 udp 2113937151 5a3c1c9e-0d0a-4d8b-b7b1-2d9f0f9d2c11.local 41001 typ host generation 0\r\n" +
		"a=candidate:3 1 udp 1677729535 192.0.2.9 41000 typ srflx raddr 192.0.2.1 rport 41000 generation 0\r\n" +
		"a=candidate:4 1 udp 33562367 203.0.113.5 50001 typ relay raddr 192.0.2.9 rport 41000 generation 0 network-id 1 network-cost 999\r\n" +
		"a=candidate:5 1 udp 33562111 2001:db8:f::5 50002 typ relay raddr 2001:db8:c::1 rport 41002\r\n" +
		"a=ice-ufrag:Zk3H\r\na=ice-pwd:asd88fgpdd777uzjYhagZg12\r\na=ice-options:trickle\r\n" +
		"a=fingerprint:sha-256 19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04:BB:05:2F:70:9F:04:A9:0E:05:E9:26:33:E8:70:88:A2\r\n" +
		"a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"

	chromiumHidden = "v=0\r\no=- 4611731400430051336 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n" +
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n" +
		"a=candidate:4 1 udp 33562367 203.0.113.5 50001 typ relay raddr 0.0.0.0 rport 9 generation 0\r\n" +
		"a=candidate:5 1 udp 33562111 2001:db8:f::5 50002 typ relay raddr :: rport 9\r\n" +
		"a=ice-ufrag:Zk3H\r\na=ice-pwd:asd88fgpdd777uzjYhagZg12\r\na=ice-options:trickle\r\n" +
		"a=fingerprint:sha-256 19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04:BB:05:2F:70:9F:04:A9:0E:05:E9:26:33:E8:70:88:A2\r\n" +
		"a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"
)

func TestADescriptionLosesTheAddressesOfItsSender(t *testing.T) {
	t.Parallel()
	const head = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\n"
	for name, c := range map[string]struct {
		sdp, want string
		dropped   int
	}{
		"Chromium's": {chromiumOffer, chromiumHidden, 3},
		"Firefox's origin, with LF": {
			"v=0\no=mozilla...THIS_IS_SDPARTA-128.0 5410378013 0 IN IP4 192.0.2.1\ns=-\nt=0 0\na=sendrecv\nm=audio 41000 UDP/TLS/RTP/SAVPF 109 9\nc=IN IP6 2001:db8:c::1\na=rtcp:41001 IN IP6 2001:db8:c::1\na=fmtp:109 maxplaybackrate=48000;stereo=1\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\nm=video 0 UDP/TLS/RTP/SAVPF 120\n",
			"v=0\r\no=- 5410378013 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=sendrecv\r\nm=audio 9 UDP/TLS/RTP/SAVPF 109 9\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=fmtp:109 maxplaybackrate=48000;stereo=1\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\nm=video 0 UDP/TLS/RTP/SAVPF 120\r\n", 0,
		},
		"candidates of a session, and odd spacing": {
			head + "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n \ta=candidate:4\t1  UDP 1\t203.0.113.5 2 typ RELAY raddr\t192.0.2.1 rport 7 \r\na=mid:0 \r\n", head + "a=candidate:4 1 UDP 1 203.0.113.5 2 typ relay raddr 0.0.0.0 rport 9\r\na=mid:0\r\n", 1,
		},
		"names in another case":        {head + "A=candidate:1 1 udp 1 192.0.2.1 1 typ relay\r\na=Candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=RTCP:1 IN IP4 192.0.2.1\r\n", head, 1},
		"remote candidates":            {head + "a=remote-candidates:1 192.0.2.1 41000\r\n", head, 0},
		"attributes that nobody knows": {head + "a=x-google-my-ip:192.0.2.1\r\na=x\r\na=path:msrp://[2001:db8:c::1]:1/x\r\n", head, 0},
		"an address where it is not looked for": {
			head + "a=ssrc:1 cname:me@192.0.2.1\r\na=mid:2001:db8:c:0:0:0:0:1\r\na=mid::1\r\na=fmtp:96 x=v192.0.2.1z\r\na=ice-options:MY-LAPTOP.Local\r\ni=192.0.2.1\r\nb=AS:192.0.2.1\r\nu=http://192.0.2.1/\r\ne=me@192.0.2.1\r\ns=192.0.2.1\r\na=fingerprint:sha-256 2001:db8:c::1\r\na=fingerprint:x 20:01:0d:b8:00:0c:00:01\r\n",
			head + "s=-\r\n", 0,
		},
		"a carriage return within a line":        {head + "a=mid:0\ra=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n", head + "a=mid:0\r\n", 1},
		"relayed candidates that are none":       {head + "a=candidate:1 1 udp 1 relay.local 1 typ relay\r\na=candidate:1 1 udp 1 192.0.2.1 1 typ host typ relay\r\na=candidate:1 1 udp 1 192.0.2.1 typ relay\r\na=candidate:192.0.2.1 1 udp 1 203.0.113.5 1 typ relay\r\n", head, 4},
		"what follows a relayed candidate":       {head + "a=candidate:1 1 udp 1 203.0.113.5 1 typ relay generation 0 x-base 192.0.2.1 ufrag Zk3H raddr 192.0.2.1 network-ip 192.0.2.1 odd\r\n", head + "a=candidate:1 1 udp 1 203.0.113.5 1 typ relay raddr 0.0.0.0 rport 9 generation 0 ufrag Zk3H\r\n", 0},
		"an address in letters of other scripts": {head + "a=mid:１９２.0.2.1\r\n", head, 0},
	} {
		out, dropped, ok := hideSDP(c.sdp)
		if !ok || out != c.want || dropped != c.dropped {
			t.Errorf("%s: hideSDP = %q, %d, %v; want %q, %d", name, out, dropped, ok, c.want, c.dropped)
		}
		if again, dropped, ok := hideSDP(out); !ok || again != out || dropped != 0 {
			t.Errorf("%s: what is hidden becomes %q, %d, %v when it is hidden again", name, again, dropped, ok)
		}
	}
	for _, sdp := range []string{"", "\r\n", "hello", "o=- 1 2 IN IP4 0.0.0.0\r\nv=0\r\n", "v=0\r\no=- 1 IN IP4 192.0.2.1\r\n", "v=0\r\no=- 192.0.2.1 1 IN IP4 0.0.0.0\r\n", "v=0\r\nm=audio 9 192.0.2.1 1\r\n"} {
		if out, _, ok := hideSDP(sdp); ok {
			t.Errorf("hideSDP(%q) = %q, want that it cannot be read", sdp, out)
		}
	}
}

func TestAMessageIsWrittenAnew(t *testing.T) {
	t.Parallel()
	const relayed = `{"type":"candidate","ice":{"candidate":"candidate:4 1 udp 1 203.0.113.5 2 typ relay raddr 0.0.0.0 rport 9 ufrag Zk3H","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"Zk3H"}}`
	for _, c := range []struct{ typ, text, want string }{ // want: empty for one that is dropped, ! for one that cannot be read
		{"candidate", `{"type":"candidate","ice":{"candidate":"candidate:4 1 udp 1 203.0.113.5 2 typ relay raddr 192.0.2.1 rport 3 ufrag Zk3H network-cost 10","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"Zk3H","address":"192.0.2.1","relatedAddress":"192.0.2.1"},"me":{"ip":"192.0.2.1"}}`, relayed},
		{"candidate", `{"ICE":{"candidate":"192.0.2.1"},"type":"candidate","ice":{"Candidate":"192.0.2.1","candidate":"a=candidate:4 1 udp 1 203.0.113.5 2 typ relay ufrag Zk3H\r\n","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"Zk3H"}}`, relayed},
		{"candidate", `{"ice":{"candidate":"candidate:1 1 udp 1 192.0.2.1 2 typ host"},"type":"candidate","\u0069ce":{"candidate":"\u0063andidate:4 1 udp 1 203.0.113.5 2 typ \u0072elay ufrag Zk3H","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"Zk3H"}}`, relayed},
		{"candidate", `{"type":"candidate","ice":{"candidate":"candidate:1 1 udp 1 192.0.2.1 2 typ host","sdpMid":"0"}}`, ``},
		{"candidate", `{"type":"candidate","ice":{"candidate":"candidate:1 1 udp 1 x.local 2 typ host","sdpMid":"0"}}`, ``},
		{"candidate", `{"type":"candidate","ice":{"candidate":"candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active"}}`, ``},
		{"candidate", `{"type":"candidate","ice":{"candidate":"candidate:1 1 udp 1 192.0.2.1 2 typ prflx"}}`, ``},
		{"candidate", `{"type":"candidate","ice":{"candidate":"192.0.2.1"}}`, ``},
		{"candidate", `{"type":"candidate","ice":{"candidate":"","sdpMid":null,"sdpMLineIndex":null,"usernameFragment":null}}`, `{"type":"candidate","ice":{"candidate":""}}`},
		{"candidate", `{"type":"candidate","ice":{"candidate":" ","sdpMid":"audio","sdpMLineIndex":7}}`, `{"type":"candidate","ice":{"candidate":"","sdpMid":"audio","sdpMLineIndex":7}}`},
		{"candidate", `{"type":"candidate","ice":null}`, `{"type":"candidate","ice":null}`},
		{"candidate", `{"type":"candidate"}`, `!`},
		{"candidate", `{"type":"candidate","ice":"192.0.2.1"}`, `!`},
		{"candidate", `{"type":"candidate","ice":{}}`, `!`},
		{"candidate", `{"type":"candidate","ice":{"candidate":null}}`, `!`},
		{"candidate", `{"type":"candidate","ice":{"candidate":"","sdpMid":"192.0.2.1"}}`, `!`},
		{"candidate", `{"type":"candidate","ice":{"candidate":"","usernameFragment":"2001:db8::1"}}`, `!`},
		{"candidate", `{"type":"candidate","ice":{"candidate":"","sdpMLineIndex":-1}}`, `!`},
		{"offer", `{"type":"offer","sdp":"v=0\r\na=candidate:1 1 udp 1 192.0.2.1 2 typ host\r\n","SDP":"192.0.2.1","iceServers":["192.0.2.1"]}`, `{"type":"offer","sdp":"v=0\r\n"}`},
		{"answer", `{"sdp":"192.0.2.1","type":"answer","sdp":"v=0\na=mid:<&>\n"}`, `{"type":"answer","sdp":"v=0\r\na=mid:<&>\r\n"}`},
		{"offer", `{"type":"offer","sdp":"v=0\r\n","offer":7}`, `{"type":"offer","sdp":"v=0\r\n","offer":7}`},
		{"answer", `{"type":"answer","sdp":"v=0\r\n","offer":null}`, `{"type":"answer","sdp":"v=0\r\n"}`},
		{"offer", `{"type":"offer","sdp":"v=0\r\n","offer":"192.0.2.1"}`, `!`},
		{"offer", `{"type":"offer"}`, `!`},
		{"offer", `{"type":"offer","sdp":null}`, `!`},
		{"offer", `{"type":"offer","sdp":["v=0"]}`, `!`},
		{"offer", `{"type":"offer","sdp":"v=0\n` + strings.Repeat(`c=\n`, 5000) + `"}`, `!`}, // it would be 90 kB
	} {
		h, ok := hide(c.typ, []byte(c.text))
		got := string(h.text)
		if !ok {
			got = "!"
		}
		if got != c.want || (h.dropped == 1) != (c.want == "") && c.typ == "candidate" {
			t.Errorf("hide(%s) = %s, %d dropped; want %s", c.text, got, h.dropped, c.want)
		}
	}
}

// TestWhoHidesIsSeenThroughTheRelayOnly plays both ways, before and after a
// return to the seat, and also what is said early.
func TestWhoHidesIsSeenThroughTheRelayOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := onPipes(t)
		offer, err := json.Marshal(wire.Description{Type: "offer", SDP: chromiumOffer})
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(wire.Description{Type: "offer", SDP: chromiumHidden})
		if err != nil {
			t.Fatal(err)
		}
		const host = `{"type":"candidate","ice":{"candidate":"candidate:1 1 udp 1 192.0.2.1 2 typ host"}}`
		const end = `{"type":"candidate","ice":{"candidate":"","sdpMid":"0"}}`
		a, b := w.connect(t, false), w.connect(t, false)
		a.send(registering("room1", `"early","resume","relay-only"`))
		a.send(string(offer))
		token := a.accept().ResumeToken
		b.send(strings.Replace(registering("room1", `"early","resume"`), `"me"`, `"you"`, 1))
		b.accept()
		b.mustGet(string(want))
		a.send(host)
		a.send(end)
		b.mustGet(end)
		b.send(host) // who does not hide is passed on untouched
		a.mustGet(host)
		a.lose()
		synctest.Wait()
		again := w.connect(t, false)
		again.comeBack("room1", "me", token) // which announces nothing of it
		again.accept()
		again.send(host)
		again.send(string(offer))
		b.mustGet(string(want))
		if n := w.rooms.Stats().Hidden; n != 3+1+1+3 {
			t.Errorf("%d candidates were counted, want 8", n)
		}
		again.send(`{"type":"offer","sdp":7}`)
		again.mustClose(wire.CloseNormal, wire.ReasonBadJSON)
		w.stop()
	})
}

// addresses finds everything in a text that is an IP address, or contains one.
func addresses(text string) (found []netip.Addr) {
	const longest = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")
	word := func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF:.", r) }
	for word := range strings.FieldsFuncSeq(text, word) {
		for from := range len(word) {
			for to := min(len(word), from+longest); to > from; to-- {
				if addr, err := netip.ParseAddr(word[from:to]); err == nil {
					found = append(found, addr)
				}
			}
		}
	}
	return found
}

// FuzzHide holds that of all addresses in a message only those of relayed
// candidates are left, whatever the message looks like.
func FuzzHide(f *testing.F) {
	offer, err := json.Marshal(chromiumOffer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(0), `{"type":"offer","sdp":`+string(offer)+`}`)
	f.Add(uint8(0), `{"type":"offer","sdp":"v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\na=mid::1\r\na=ssrc:1 cname:192.0.2.1\r\n"}`)
	f.Add(uint8(1), `{"type":"candidate","ice":{"candidate":"candidate:4 1 udp 1 203.0.113.5 2 typ relay raddr 192.0.2.1 rport 3 x 192.0.2.1","sdpMid":"0"}}`)
	f.Add(uint8(1), `{"type":"candidate","ice":{"candidate":"a=candidate:4 1 udp 1 2001:db8::5 2 typ relay raddr ::1 rport 3","sdpMid":"192.0.2.1"}}`)
	f.Add(uint8(2), "a=msid:1:2:3:4:5:6:7:8\r\nb=a:b:c:d:e:f:a:b\r\nm=a 1 2 3\r\na=candidate:4 1 udp 1 2001:db8::5 2 typ relay raddr ::1 rport 3")
	f.Add(uint8(2), "c=IN IP4 192.0.2.1\na=rtcp:1 IN IP4 192.0.2.1\na=ice-ufrag:1.2.3.4\na=fingerprint:a 2001:db8::1\ni=192.0.2.1")
	f.Add(uint8(3), "candidate:1 1 udp 1 192.0.2.1 2 typ srflx raddr 192.0.2.2 rport 3")
	relayed := regexp.MustCompile(`(?i)\s(\S+)\s+[0-9]+\s+typ\s+relay`)
	f.Fuzz(func(t *testing.T, kind uint8, text string) {
		typ := wire.SignalOffer
		if kind%2 == 1 {
			typ = wire.SignalCandidate
		}
		quoted, err := json.Marshal("v=0\r\n" + text)
		if err != nil {
			t.Fatal(err)
		}
		switch kind % 4 { // 0 and 1: a whole message
		case 2:
			text = `{"type":"offer","sdp":` + string(quoted) + `}`
		case 3:
			text = `{"type":"candidate","ice":{"candidate":` + strings.Replace(string(quoted), `v=0\r\n`, "", 1) + `}}`
		}
		h, ok := hide(typ, []byte(text))
		if !ok || h.text == nil {
			return
		}
		if again, ok := hide(typ, h.text); !ok || string(again.text) != string(h.text) {
			t.Fatalf("hide(%q) = %q, and again %q, %v", text, h.text, again.text, ok)
		}
		in := decoded(t, []byte(text))
		var allowed []netip.Addr
		for _, match := range relayed.FindAllStringSubmatch(in, -1) {
			allowed = append(allowed, addresses(match[1])...)
		}
		for line := range strings.Lines(decoded(t, h.text)) {
			if strings.HasPrefix(line, "a=fingerprint:") {
				continue // pairs of digits, each between colons
			}
			for _, addr := range addresses(line) {
				if !addr.IsUnspecified() && !slices.Contains(allowed, addr) {
					t.Fatalf("hide(%q) = %q: %v is left", text, h.text, addr)
				}
			}
		}
	})
}

// decoded is every text in JSON, without its escapes: names, and values.
func decoded(t *testing.T, text []byte) string {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%q is no JSON: %v", text, err)
	}
	var b strings.Builder
	var walk func(any)
	walk = func(value any) {
		switch v := value.(type) {
		case string:
			b.WriteString(v + "\n")
		case []any:
			for _, each := range v {
				walk(each)
			}
		case map[string]any:
			for name, each := range v {
				b.WriteString(name + "\n")
				walk(each)
			}
		}
	}
	walk(value)
	return b.String()
}
