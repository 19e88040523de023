package signal

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// someFrames are one of each kind.
func someFrames() [][]byte {
	open := appendOpen(nil, netip.MustParseAddr("2001:db8::1"), []byte(`{"type":"register","roomId":"room1"}`))
	beat := appendState(appendState(nil, linkState{isProxy, 7, 3, 2}), linkState{isHome, 1 << 63, 0, 0})
	var all [][]byte
	for _, f := range []frame{
		{kind: frameOpen, link: 7, seq: 1, payload: open},
		{kind: frameSay, link: 7, seq: 2, received: 2, handled: 1, payload: []byte(`{"type":"offer"}`)},
		{kind: frameGone, link: 7, seq: 3, payload: []byte{1}},
		{kind: frameText, link: 7, seq: 1 << 31, payload: []byte(`{"type":"answer"}`)},
		{kind: frameClose, link: 7, seq: 2, payload: []byte("\x03\xe8done")},
		{kind: frameCut, link: 7, who: isHome, why: cutSlow},
		{kind: frameBeat, payload: beat},
		{kind: frameMoved, payload: []byte("room1")},
	} {
		f.from = "node-1.abcdef"
		all = append(all, appendFrame(nil, &f))
	}
	return all
}

// TestFramesThatAreNone are refused.
func TestFramesThatAreNone(t *testing.T) {
	t.Parallel()
	good := someFrames()
	for _, b := range good {
		if _, err := parseFrame(b); err != nil {
			t.Errorf("parseFrame(%q) = %v", b, err)
		}
	}
	open, say, cut, beat := good[0], good[1], good[5], good[6]
	head := 3 + len("node-1.abcdef")
	with := func(b []byte, at int, v byte) []byte {
		b = bytes.Clone(b)
		b[at] = v
		return b
	}
	for name, b := range map[string][]byte{
		"nothing":                    {},
		"another version":            with(say, 0, 2),
		"no kind":                    with(say, 1, 0),
		"a kind of later":            with(say, 1, byte(frameMoved)+1),
		"from nobody":                append([]byte{frameVersion, byte(frameMoved), 0}, "room1"...),
		"a name that is too long":    append([]byte{frameVersion, byte(frameMoved), maxNodeName + 1}, strings.Repeat("n", 200)...),
		"a name that is cut off":     say[:head-1],
		"a head that is cut off":     say[:head+linkHead-1],
		"no number":                  with(say, head+11, 0),
		"handled before it came":     with(say, head+19, 9),
		"cut by nobody":              with(cut, len(cut)-2, 2),
		"cut for no reason":          with(cut, len(cut)-1, byte(cutReasons)),
		"cut with more":              append(bytes.Clone(cut), 0),
		"a beat that is cut off":     beat[:len(beat)-1],
		"a beat of nobody":           with(beat, head, 2),
		"a beat that handles before": with(beat, head+16, 9),
		"a beat of too many":         append(bytes.Clone(beat[:head]), make([]byte, (maxBeatLinks+1)*beatEntry)...),
	} {
		if f, err := parseFrame(b); err == nil {
			t.Errorf("%s: parseFrame = %+v, want an error", name, f)
		}
	}
	for name, b := range map[string][]byte{
		"nothing":                {},
		"an address of 5 bytes":  {5, 1, 2, 3, 4, 5},
		"an address too long":    bytes.Repeat([]byte{255}, 256),
		"one that is cut off":    {4, 1, 2, 3},
		"IPv4 in IPv6's clothes": append([]byte{16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 1, 2, 3, 4),
	} {
		if addr, text, err := parseOpen(b); err == nil {
			t.Errorf("%s: parseOpen = %v, %q, want an error", name, addr, text)
		}
	}
	f, _ := parseFrame(open)
	if addr, text, err := parseOpen(f.payload); err != nil || addr != netip.MustParseAddr("2001:db8::1") || !bytes.HasPrefix(text, []byte(`{"type":"register"`)) {
		t.Errorf("parseOpen = %v, %q, %v", addr, text, err)
	}
}

// FuzzFrame holds that what is understood is written again as it came.
func FuzzFrame(f *testing.F) {
	for _, b := range someFrames() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		fr, err := parseFrame(in)
		if err != nil {
			return
		}
		if fr.kind == frameOpen {
			if addr, text, err := parseOpen(fr.payload); err == nil && !bytes.Equal(appendOpen(nil, addr, text), fr.payload) {
				t.Fatalf("parseOpen(%x) = %v, %q", fr.payload, addr, text)
			}
		}
		if fr.kind == frameBeat {
			var again []byte
			for b := fr.payload; len(b) > 0; b = b[beatEntry:] {
				again = appendState(again, stateOf(b))
			}
			if !bytes.Equal(again, fr.payload) {
				t.Fatalf("a beat of %x was understood as %x", fr.payload, again)
			}
		}
		if out := appendFrame(nil, &fr); !bytes.Equal(out, in) {
			t.Fatalf("parseFrame(%x) = %+v, written as %x", in, fr, out)
		}
	})
}

// FuzzReceive lets a node that is out of its mind send frames, one after the other,
// to a node that keeps a room with a member elsewhere: the two go on talking.
func FuzzReceive(f *testing.F) {
	var script []byte
	for _, b := range someFrames() {
		script = append(append(script, byte(len(b))), b...)
	}
	f.Add(script)
	f.Fuzz(receiveScript)
}

// TestAMadNode sends frames that are almost right.
func TestAMadNode(t *testing.T) {
	t.Parallel()
	frames := someFrames()
	for seed := range uint64(30) {
		dice := rand.New(rand.NewPCG(seed, 0))
		var script []byte
		for range dice.IntN(20) {
			b := bytes.Clone(frames[dice.IntN(len(frames))])
			for range dice.IntN(4) {
				b[dice.IntN(len(b))] = byte(dice.IntN(256))
			}
			script = append(append(script, byte(len(b))), b...)
		}
		receiveScript(t, script)
	}
}

// receiveScript has frames received, each with its length in one byte before it.
func receiveScript(t *testing.T, script []byte) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		home, proxy := onNode(t, b, "home.1"), onNode(t, b, "proxy.1")
		alice, bob, _, _ := meet(t, home, proxy, "room1")
		for len(script) > 1 {
			n := min(int(script[0]), len(script)-1)
			one := bytes.Clone(script[1 : 1+n])
			script = script[1+n:]
			if fr, err := parseFrame(one); err == nil && (fr.from == "home.1" || fr.from == "proxy.1" || fr.kind == frameMoved) {
				continue // nodes trust one another's names, and what they say of rooms
			}
			home.rooms.Receive(one)
			proxy.rooms.Receive(bytes.Clone(one))
		}
		talk(t, alice, bob)
		<-time.After(linkSilence + time.Second)
		for _, w := range []*world{home, proxy} {
			if n := len(w.rooms.trunks.nodes); n != 1 {
				t.Errorf("%d nodes are known, want the other one", n)
			}
		}
		proxy.stop()
		home.stop()
	})
}
