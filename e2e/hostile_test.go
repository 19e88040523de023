//go:build browser

package e2e

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/pion/webrtc/v4"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// xssCorpus would run if it were anything but text; oddCorpus is text that
// would disturb what is around it.
var (
	//go:embed testdata/xss.json
	xssCorpus []byte
	//go:embed testdata/odd.json
	oddCorpus []byte
)

func corpus(t *testing.T, list []byte) (texts []string) {
	t.Helper()
	if err := json.Unmarshal(list, &texts); err != nil {
		t.Fatal(err)
	}
	return texts
}

// meetsAStranger opens a page that talks to a stranger, who has no NAT.
func (w *world) meetsAStranger(tab *tab) *stranger {
	w.t.Helper()
	tab.start()
	tab.becomes(waiting)
	s := w.newStranger(natlab.SideB)
	s.meets()
	tab.becomes(chatting)
	return s
}

// TestNothingAStrangerWritesRuns shows what is written as text, and nothing but
// text.
func TestNothingAStrangerWritesRuns(t *testing.T) {
	for _, brand := range []brand{chromium, firefox} {
		t.Run(string(brand), func(t *testing.T) {
			t.Parallel()
			w := newTown(t, natlab.NoNAT, natlab.NoNAT)
			w.asksNobody(natlab.SideA)
			page := w.person(natlab.SideA, brand)
			s := w.meetsAStranger(page)
			texts := corpus(t, xssCorpus)
			s.says(1, texts...)
			page.hears(texts...)
			page.ranNothing()

			odd := corpus(t, oddCorpus)
			s.says(1+len(texts), odd...)
			page.showsPlainly(len(texts), odd)
			page.ranNothing()
			page.say("still here")
			page.wait(`document.querySelector("#log > [data-from=me]") !== null`)
			if got := page.messages(me); !slices.Equal(got, []string{"still here"}) {
				t.Errorf("own messages = %q", got)
			}

			// What would see it if something ran does see it.
			evaluate[any](page, `document.body.insertAdjacentHTML("beforeend", "<img src=x onerror=xss(0)>")`)
			evaluate[any](page, `new Promise((resolve) => { const look = () => witness.forbidden.length ? resolve() : requestAnimationFrame(look); look(); })`)
		})
	}
}

// ranNothing wants no code to have run, and the log to hold nothing but text.
func (tab *tab) ranNothing() {
	tab.t.Helper()
	if got := evaluate[[]string](tab, "witness.forbidden"); len(got) > 0 {
		tab.t.Errorf("%s: the stranger's text did, or tried: %q", tab.name, got)
	}
	if got := evaluate[int](tab, `document.querySelectorAll("#log p *").length`); got > 0 {
		tab.t.Errorf("%s: the stranger's text became %d elements", tab.name, got)
	}
}

// showsPlainly compares the partner's messages after the first skip with texts.
// What is not seen may be left out or replaced; the direction of one text must
// not reach another one, and none may be wider than the page.
func (tab *tab) showsPlainly(skip int, texts []string) {
	tab.t.Helper()
	tab.wait(fmt.Sprintf(`document.querySelectorAll("#log > [data-from=peer]").length >= %d`, skip+len(texts)))
	got := tab.messages(peer)[skip:]
	for i, text := range texts {
		if legible(got[i]) != legible(text) {
			tab.t.Errorf("%s: %q is shown as %q", tab.name, text, got[i])
		}
	}
	if got := evaluate[[]string](tab, `Array.from(document.querySelectorAll("#log > [data-from=peer] p"), (p) => getComputedStyle(p).unicodeBidi).filter((bidi) => !["isolate", "plaintext", "isolate-override"].includes(bidi))`); len(got) > 0 {
		tab.t.Errorf("%s: lines whose direction reaches others: unicode-bidi %q", tab.name, got)
	}
	if got := evaluate[[]int](tab, "[document.documentElement.scrollWidth, innerWidth]"); got[0] > got[1] {
		tab.t.Errorf("%s: the page is %d px wide in a window of %d", tab.name, got[0], got[1])
	}
	const over = `(() => {
		const log = document.getElementById("log").getBoundingClientRect();
		return Array.from(document.querySelectorAll("#log > [data-from=peer]")).filter((line) => {
			const box = line.getBoundingClientRect();
			return box.left < log.left - 1 || box.right > log.right + 1;
		}).length;
	})()`
	if got := evaluate[int](tab, over); got > 0 {
		tab.t.Errorf("%s: %d lines stick out of the log", tab.name, got)
	}
}

// legible leaves out what may be left out: space, controls, and what formats.
func legible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfffd, r == 0xfeff, r >= 0xfdd0 && r <= 0xfdef, r&0xfffe == 0xfffe:
			return -1
		}
		return r
	}, text)
}

// attack is what a stranger does to the page of his partner.
type attack struct {
	name     string
	harmless bool // the chat goes on as if nothing had been
	strike   func(over <-chan struct{}, s *stranger)
}

// attacks lists them. Each returns when it is over, or before.
func attacks() []attack {
	frame := func(id int, text string) string { return fmt.Sprintf(`{"t":"msg","id":%d,"text":%q}`, id, text) }
	return []attack{
		{"messages of 1 MiB", false, func(over <-chan struct{}, s *stranger) {
			mebibyte := frame(1, strings.Repeat("x", 1<<20))
			s.every(over, 20, func(int) {
				s.floods(mebibyte)
				s.floods(mebibyte[:200<<10])
			})
		}},
		{"10,000 messages a second", false, func(over <-chan struct{}, s *stranger) {
			s.every(over, 10000, func(i int) { s.floods(frame(i+1, "buy")) })
		}},
		{"10,000 other frames a second", false, func(over <-chan struct{}, s *stranger) {
			s.every(over, 10000, func(i int) {
				s.floods([]string{`{"t":"typing"}`, `{"t":"ack","id":1}`, `{"t":"hello","v":1}`, `{"t":"?"}`, `[`}[i%5])
			})
		}},
		{"frames that are none", true, func(_ <-chan struct{}, s *stranger) {
			for _, text := range strangeFrames() {
				s.floods(text)
			}
		}},
		{"binary frames", true, func(_ <-chan struct{}, s *stranger) {
			for range 100 {
				_ = s.channel.Send(bytes.Repeat([]byte{0xff}, 10<<10))
				_ = s.channel.Send([]byte(frame(1, "binary")))
			}
		}},
		{"text that is not UTF-8", false, func(_ <-chan struct{}, s *stranger) {
			_ = s.channel.SendText("{\"t\":\"msg\",\"id\":1,\"text\":\"\xff\xfe\xc0\x80\"}")
		}},
		{"many DataChannels", false, func(_ <-chan struct{}, s *stranger) {
			for i := range 1000 {
				label := fmt.Sprint("more ", i)
				if i%2 == 0 {
					label = wire.ChatLabel
				}
				_, _ = s.pc.CreateDataChannel(label, nil)
			}
		}},
		{"many candidates", false, func(_ <-chan struct{}, s *stranger) {
			for i := range 90 {
				s.tell(wire.Candidate{Type: wire.SignalCandidate, ICE: wire.ICECandidate{Candidate: fmt.Sprintf("candidate:%d 1 udp %d 51.51.51.11 %d typ host", i, 1<<30+i, 10000+i), SDPMid: "0"}})
			}
		}},
		{"descriptions that are none", false, func(_ <-chan struct{}, s *stranger) {
			for i := range 80 {
				sdp := []string{"", "v=0", strings.Repeat("v=0\r\n", 5000), strings.Repeat("a", 50<<10), "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n" + strings.Repeat("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n", 500)}[i%5]
				s.tell(wire.Description{Type: []string{wire.SignalOffer, wire.SignalAnswer}[i%2], SDP: sdp})
			}
		}},
		{"offers without end", false, func(over <-chan struct{}, s *stranger) {
			s.every(over, 15, func(int) { s.offers(&webrtc.OfferOptions{ICERestart: true}) })
		}},
	}
}

// strangeFrames are JSON that no frame is, and what is no JSON.
func strangeFrames() []string {
	list := []string{
		"", " ", "null", "true", "0", `""`, "[]", "{}", `{"t":null}`, `{"t":7}`, `{"t":[]}`, `{"t":{}}`, `{"t":"msg"}`, `{"t":"msg","id":null,"text":null}`,
		`{"t":"msg","id":"1","text":"x"}`, `{"t":"msg","id":-1,"text":"x"}`, `{"t":"msg","id":1.5,"text":"x"}`, `{"t":"msg","id":1e308,"text":"x"}`,
		`{"t":"msg","id":1e999,"text":"x"}`, `{"t":"msg","id":18446744073709551616,"text":"x"}`, `{"t":"msg","id":0,"text":"x"}`, `{"t":"msg","id":1,"text":""}`,
		`{"t":"msg","id":1,"text":7}`, `{"t":"msg","id":1,"text":["x"]}`, `{"t":"msg","id":1,"text":{"toString":"x"}}`, `{"t":"ack","id":99999}`,
		`{"t":"ack","id":-1}`, `{"t":"hello"}`, `{"t":"hello","v":-1}`, `{"t":"hello","v":"1"}`, `{"t":"__proto__","__proto__":{"t":"msg"}}`, `{"t":"msg","id":1,"text":"x"`,
		`{"T":"MSG","ID":1,"TEXT":"x"}`, "\x00", "{\"t\":\"msg\",\"id\":1,\"text\":\"\n\"}",
	}
	for _, open := range []string{"[", `{"t":`, `{"text":[`} {
		list = append(list, strings.Repeat(open, 10000/len(open)))
	}
	return append(list, `{"t":"msg","id":1,"text":"`+strings.Repeat("x", wire.MaxTextBytes+1)+`"}`)
}

// floods sends a frame, unless so many wait already that it would only fill our
// own memory. The page may have left.
func (s *stranger) floods(text string) {
	const enough = 8 << 20
	if s.channel.BufferedAmount() < enough && s.channel.SendText(text) == nil {
		s.sent.frames++
		s.sent.bytes += len(text)
	}
}

// every does something so many times a second until it is over.
func (s *stranger) every(over <-chan struct{}, times int, do func(i int)) {
	const slices = 100 // of a second
	tick := time.NewTicker(time.Second / slices)
	defer tick.Stop()
	for i, start := 0, time.Now(); ; {
		for due := int(time.Since(start).Seconds() * float64(times)); i < due; i++ {
			do(i)
		}
		select {
		case <-tick.C:
		case <-over:
			return
		}
	}
}

// How long an attack lasts, how often a key is pressed meanwhile, and how late
// the page may show that it was: a page that hangs is far beyond.
const (
	attackFor   = 3 * time.Second
	keyEvery    = 50 * time.Millisecond
	medianDelay = 300 * time.Millisecond
	maxDelay    = 2 * time.Second
)

// TestAHostileStranger lets a stranger do his worst, and somebody type
// meanwhile.
func TestAHostileStranger(t *testing.T) {
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, natlab.NoNAT, natlab.NoNAT)
			page := w.person(natlab.SideA, chromium)
			s := w.meetsAStranger(page)
			ctx, cancel := context.WithTimeout(t.Context(), attackFor)
			defer cancel()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				a.strike(ctx.Done(), s)
			}()
			page.types(ctx.Done())
			<-ended
			page.ranNothing()
			t.Logf("%d frames, %d bytes; after them the page is %q", s.sent.frames, s.sent.bytes, evaluate[string](page, "document.body.dataset.state"))
			if a.harmless {
				s.says(1, "no offence")
				page.hears("no offence")
			}
			page.isUsable()
		})
	}
}

// types presses keys until it is over, and wants the page to take them in time.
func (tab *tab) types(over <-chan struct{}) {
	tab.t.Helper()
	again := time.NewTicker(keyEvery)
	defer again.Stop()
	for typing := true; typing; {
		tab.presses("x")
		select {
		case <-again.C:
		case <-over:
			typing = false
		}
	}
	evaluate[any](tab, "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
	delays := evaluate[[]float64](tab, "witness.delays")
	if len(delays) < 5 {
		tab.t.Fatalf("%s: took %d keys in %v", tab.name, len(delays), attackFor)
	}
	slices.Sort(delays)
	ms := func(d float64) time.Duration {
		return time.Duration(d * float64(time.Millisecond)).Round(time.Millisecond)
	}
	median, worst := ms(delays[len(delays)/2]), ms(delays[len(delays)-1])
	tab.t.Logf("%s: %d keys, shown after %v (median), %v at worst", tab.name, len(delays), median, worst)
	if median > medianDelay || worst > maxDelay {
		tab.t.Errorf("%s: shows a key after %v (median), %v at worst, want %v and %v at most", tab.name, median, worst, medianDelay, maxDelay)
	}
}

// isUsable wants one to be able to get back to START from wherever the page is.
func (tab *tab) isUsable() {
	tab.t.Helper()
	tab.wait(`["start", "stop"].some((id) => document.getElementById(id).disabled === false)`)
	if evaluate[bool](tab, `!document.getElementById("stop").disabled`) {
		tab.stop()
	}
	tab.wait(`document.getElementById("start").disabled === false`)
}
