package main

import (
	"context"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

const (
	// prepareAfter is when a page that has come up meets the server: once START
	// can be pressed and the page has been drawn, which it would hold up.
	prepareAfter = 50 * time.Millisecond

	// connectingAfter is when the page says that it connects. Most often it has
	// done so by then, and what nobody can read costs a frame when it matters.
	connectingAfter = 100 * time.Millisecond

	// slowAfter is when a connection that is not there yet says what it tries.
	// With a direct path it takes less than 1 s, over a relay seldom 2 s.
	slowAfter = 4 * time.Second

	// typingFor is how long "typing" stays without news; they come once a second.
	typingFor = 3 * time.Second

	// maxRetries is how often a search goes on by itself when those it found
	// leave before the first hello. Then the visitor decides.
	maxRetries = 3
)

// screen is what the visitor sees: the page, or a record of it in tests.
type screen interface {
	show(v view)      // everything but the log
	add(line line)    // to the log, with the next show; a line of one's own at once, and it empties the message field
	clear()           // the log and the message field
	turn(w words)     // to another language: what the log says by itself
	keep(k, v string) // for the next visit
	renew()           // brings the new version of the page
}

// line is one entry of the log.
type line struct {
	from origin
	id   uint64 // of one's own message
	text string // what somebody wrote
	word string // what the page says: the key of it
	tags tags   // in that
}

// origin says who a line is from; data-from shows it.
type origin string

// The origins of a line.
const (
	me     origin = "me"
	them   origin = "peer"
	system origin = "system"
)

// app is the state machine of the page. All of it belongs to the goroutine of
// run; whoever has something to say sends it there.
type app struct {
	screen screen
	client client
	inputs chan input
	online chan int // people on the server, before a search: the newest number

	model   model
	search  search // while waiting or connecting
	shared  tags
	retries int
	chat    chat           // while chatting, else zero
	last    partner        // of the chat whose log is on the page; nil: none
	answers chan answer    // to reports
	working sync.WaitGroup // chats that are being closed, reports that are being sent

	meets  <-chan time.Time // when to say that somebody was found
	slow   <-chan time.Time // when connecting becomes slow
	silent <-chan time.Time // when typing has stopped
	second <-chan time.Time // when what is counted down has one less
}

// newApp makes an app that shows m on s.
func newApp(s screen, m model, inputs chan input) *app {
	return &app{
		screen:  s,
		model:   m,
		inputs:  inputs,
		online:  make(chan int, 1),
		answers: make(chan answer),
	}
}

// isOnline tells the app how many are online. It never waits.
func (a *app) isOnline(n int) {
	for {
		select {
		case a.online <- n:
			return
		case <-a.online: // older
		}
	}
}

// run shows the page and keeps it going until ctx ends.
func (a *app) run(ctx context.Context) {
	defer func() {
		a.hangUp()
		a.search.wait()
		a.working.Wait()
	}()
	drawn := time.After(prepareAfter)
	for {
		a.screen.show(a.model.view())
		select {
		case <-ctx.Done():
			return
		case <-drawn:
			a.input(ctx, input{kind: comeNear})
		case in := <-a.inputs:
			a.input(ctx, in)
		case n := <-a.online:
			a.model.online = n
		case p := <-a.search.progress:
			a.progress(p)
		case f := <-a.search.found:
			a.found(ctx, f)
		case ev, ok := <-a.chat.events:
			if !ok { // it ends with EventLeft or EventLost, unless something broke
				ev.Kind = peer.EventLost
			}
			a.event(ev)
		case answer := <-a.answers:
			a.answered(answer)
		case <-a.meets:
			a.model.state = connecting
		case <-a.slow:
			a.model.slow = true
		case <-a.silent:
			a.model.typing = false
		case <-a.second:
			a.count(time.Second)
		}
	}
}

// input does what the visitor asked for, if what the page shows allows it.
func (a *app) input(ctx context.Context, in input) {
	can := a.model.view()
	switch in.kind {
	case pressStart:
		if can.canStart {
			a.understood()
			a.retries = 0
			a.seek(ctx)
		}
	case pressNext:
		if can.canNext {
			a.retries = 0
			a.seek(ctx)
		}
	case pressStop:
		if can.canStop {
			a.hangUp()
			a.model.state = idle
			a.client.Prepare()
		}
	case pressSend:
		if can.canWrite {
			a.send(in.text)
		}
	case sendReport:
		if can.canReport {
			a.report(ctx, in.text)
		}
	case typed:
		if can.canWrite {
			a.typed(in.size, in.on)
		}
	default:
		a.choose(in)
	}
}

// seek leaves whoever is there and looks for somebody else.
func (a *app) seek(ctx context.Context) {
	a.hangUp()
	a.model.state = waiting
	a.search = begin(ctx, a.client, peer.Search{
		Tags:      a.model.tags.list(),
		RelayOnly: a.model.hideIP,
	}, a.search)
}

// hangUp ends the search or the chat, and forgets what was said.
func (a *app) hangUp() {
	a.search = a.search.abandon()
	a.letGo()
	a.screen.clear()
	a.last = nil
	a.shared = tags{}
	a.model.forget()
}

// letGo ends the chat but leaves its log to be read.
func (a *app) letGo() {
	if p := a.chat.partner; p != nil {
		a.working.Go(func() { _ = p.Close() }) // takes up to a second; its result changes nothing
	}
	a.chat = chat{}
	a.meets, a.slow, a.silent, a.second = nil, nil, nil, nil
	a.model.slow, a.model.typing, a.model.interrupted = false, false, false
	a.model.path = peer.Path{}
}

// count brings what is counted down closer to its end.
func (a *app) count(passed time.Duration) {
	a.model.pause = max(0, a.model.pause-passed)
	a.model.relax = max(0, a.model.relax-passed)
	a.second = nil
	if a.model.pause+a.model.relax > 0 {
		a.second = time.After(time.Second)
	}
}

// progress shows how the search goes.
func (a *app) progress(p peer.Progress) {
	switch p.Phase {
	case peer.PhaseWaiting:
		a.model.state, a.meets = waiting, nil // again, if somebody who was found did not come
		a.model.online, a.model.queue = p.Online, p.Waiting
		a.model.heard, a.model.pause, a.model.relax = true, p.Pause, p.Relax
		if a.second == nil {
			a.count(0)
		}
	case peer.PhaseConnecting:
		a.meets = time.After(connectingAfter)
		a.shared = tagsOf(p.Shared)
		a.model.slow, a.slow = false, time.After(slowAfter)
	}
}
