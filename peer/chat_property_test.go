//go:build !js

package peer

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// TestExactlyOnce lets rapid invent what becomes of a chat: channels that lose
// their first frame, are slow, and die with what they carried, each end of the
// next one opened when it likes; applications that take their time. Whatever
// happens, each message is shown once and in order, and reported delivered at
// most once, and not before it was shown. In the end nothing is missing.
func TestExactlyOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		acts := rapid.SliceOfN(rapid.Custom(drawAct), 20, 200).Draw(rt, "acts")
		fault := ""
		synctest.Test(t, func(t *testing.T) { fault = play(t, acts) })
		if fault != "" { // rapid shrinks outside of the bubble
			rt.Fatal(fault)
		}
	})
}

// deed is what can happen to one of the two.
type deed string

const (
	writes  deed = "writes"
	takes   deed = "takes an event"
	hears   deed = "is delivered frames"
	rests   deed = "rests"
	dies    deed = "loses the channel"
	renews  deed = "has another channel"
	worries deed = "is asked for a sign of life"
)

type act struct {
	Who  int
	Deed deed
	N    int // frames, or milliseconds
}

func drawAct(rt *rapid.T) act {
	deeds := []deed{writes, writes, writes, takes, takes, takes, hears, hears, hears, rests, dies, renews, renews, worries}
	return act{
		Who:  rapid.IntRange(0, 1).Draw(rt, "who"),
		Deed: rapid.SampledFrom(deeds).Draw(rt, "deed"),
		N:    rapid.SampledFrom([]int{1, 2, 5, 20, 300, 1600, 20000}).Draw(rt, "n"),
	}
}

// party is one of the two, and what it knows of the other's messages.
type party struct {
	*side
	chat *Chat

	mu      *sync.Mutex      // of both; guards the next four fields
	channel int              // the one that it speaks and hears on
	coming  map[int][]string // frames on their way to it, by channel
	spoken  map[int]int      // frames that it has sent on each
	ended   map[int]bool     // channels that it has lost

	wrote     []string            // texts that Send took
	shown     []string            // texts of the partner
	delivered map[uint64]struct{} // ids
	partner   *party
}

// send puts a frame on the channel that the party has; the first one is lost.
func (p *party) send(frame string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spoken[p.channel]++
	if p.ended[p.channel] || p.partner.ended[p.channel] {
		return ErrClosed
	}
	if p.spoken[p.channel] > 1 || p.channel%2 == 1 {
		p.partner.coming[p.channel] = append(p.partner.coming[p.channel], frame)
	}
	return nil
}

// deliver hands the party up to n frames of its channel.
func (p *party) deliver(n int) (delivered int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	frames := p.coming[p.channel]
	n = min(n, len(frames), cap(p.in)-len(p.in))
	for _, frame := range frames[:n] {
		p.in <- frame
	}
	p.coming[p.channel] = frames[n:]
	return n
}

// do has something happen to the party; the result is what went wrong.
func (p *party) do(a act) string {
	switch a.Deed {
	case writes:
		p.write()
	case takes:
		return p.take()
	case hears:
		p.deliver(a.N)
	case rests:
		<-time.After(time.Duration(a.N) * time.Millisecond)
	case dies:
		p.lose()
	case renews:
		p.renew(a.N == 5)
	case worries:
		p.news <- news{probe: true}
	}
	synctest.Wait()
	return ""
}

// lose ends the channel of the party, with all that is on its way.
func (p *party) lose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range []*party{p, p.partner} {
		q.ended[p.channel] = true
		q.coming[p.channel] = nil
	}
}

// write writes a message, unless the window is full.
func (p *party) write() {
	text := strconv.Itoa(len(p.wrote))
	if _, err := p.chat.Send(text); err == nil {
		p.wrote = append(p.wrote, text)
	}
}

// renew gives the party another channel, if it needs one, or the partner has.
// It may write before its chat knows.
func (p *party) renew(writes bool) {
	p.mu.Lock()
	needed := p.ended[p.channel] || p.partner.channel > p.channel
	if needed {
		p.channel++
	}
	p.mu.Unlock()
	if needed {
		if writes {
			p.write()
			synctest.Wait()
		}
		p.news <- news{renewed: true}
	}
}

// take takes one event, if there is one.
func (p *party) take() string {
	select {
	case e, ok := <-p.chat.Events():
		switch {
		case !ok:
			return "the chat has ended"
		case e.Kind == EventMessage:
			p.shown = append(p.shown, e.Text)
			if n := len(p.shown); n > len(p.partner.wrote) || !slices.Equal(p.shown, p.partner.wrote[:n]) {
				return fmt.Sprintf("shown %q, written %q", p.shown, p.partner.wrote)
			}
		case e.Kind == EventDelivered:
			if _, twice := p.delivered[e.ID]; twice || e.ID > uint64(len(p.partner.shown)) {
				return fmt.Sprintf("delivered %d, again: %t, shown are %d", e.ID, twice, len(p.partner.shown))
			}
			p.delivered[e.ID] = struct{}{}
		}
	default:
	}
	return ""
}

// play has it all happen, and then lets the two come to rest.
func play(t *testing.T, acts []act) (fault string) {
	t.Helper()
	var parties [2]*party
	mu := new(sync.Mutex)
	a, b := sides()
	for i, s := range []*side{a, b} {
		parties[i] = &party{
			side: s, mu: mu, coming: map[int][]string{}, spoken: map[int]int{}, ended: map[int]bool{}, delivered: map[uint64]struct{}{},
		}
	}
	for i, p := range parties {
		p.partner = parties[1-i]
	}
	for _, p := range parties {
		line := p.line()
		line.transport = p
		begun := make(chan *Chat, 1)
		go func() {
			c, _ := talk(t.Context(), line)
			begun <- c
		}()
		p.say(wire.Frame{T: wire.FrameHello, V: 1})
		p.chat = <-begun
	}
	for _, act := range acts {
		if fault = parties[act.Who].do(act); fault != "" {
			break
		}
	}
	if fault == "" {
		fault = settle(parties)
	}
	for _, p := range parties {
		_ = p.chat.Close()
	}
	return fault
}

// settle mends what is broken and waits until everything has arrived.
func settle(parties [2]*party) (fault string) {
	for range 2000 {
		done := true
		for _, p := range parties {
			for _, a := range []act{{Deed: renews}, {Deed: hears, N: 100}, {Deed: takes}, {Deed: rests, N: 20}} {
				if fault = p.do(a); fault != "" {
					return fault
				}
			}
			done = done && len(p.shown) == len(p.partner.wrote) && len(p.delivered) == len(p.wrote)
		}
		if done {
			return ""
		}
	}
	return fmt.Sprintf("A wrote %d, B wrote %d; shown to B %d, to A %d; delivered %d, %d", len(parties[0].wrote), len(parties[1].wrote),
		len(parties[1].shown), len(parties[0].shown), len(parties[0].delivered), len(parties[1].delivered))
}
