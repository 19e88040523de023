package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

const (
	// slowAfter is when a connection that is not there yet says what it tries.
	// With a direct path it takes less than 1 s, over a relay seldom 2 s.
	slowAfter = 4 * time.Second

	// typingFor is how long "typing" stays without news; they come once a second.
	typingFor = 3 * time.Second

	// maxRetries is how often a search goes on by itself when those it found
	// leave before the first hello. Then the visitor decides.
	maxRetries = 3
)

// The limits of tags, as wire has them: more would be refused by the server.
const (
	maxTags     = 4
	maxTagBytes = 32
)

// screen is what the visitor sees: the page, or a record of it in tests.
type screen interface {
	show(v view)   // everything but the log
	add(line line) // to the log; a line of one's own also empties the message field
	clear()        // the log and the message field
}

// line is one entry of the log.
type line struct {
	from origin
	id   uint64 // of one's own message
	text string
}

// origin says who a line is from; data-from shows it.
type origin string

// The origins of a line.
const (
	me     origin = "me"
	them   origin = "peer"
	system origin = "system"
)

// input is something that the visitor did.
type input struct {
	kind inputKind
	text string // pressSend
	on   bool   // setHideIP, setHidden
}

// inputKind says what the visitor did.
type inputKind int

// The kinds of input.
const (
	pressStart inputKind = iota + 1
	pressNext
	pressStop // or closed the page
	pressSend
	typed
	setHideIP // moved the switch
	setHidden // put the page into the background, or back
)

// app is the state machine of the page. All of it belongs to the goroutine of
// run; whoever has something to say sends it there.
type app struct {
	screen  screen
	connect connect
	tags    []string // what the visitor likes
	inputs  chan input

	model   model
	search  search // while waiting or connecting
	shared  []string
	retries int
	chat    chat           // while chatting, else zero
	leaving sync.WaitGroup // chats that are being closed

	slow   <-chan time.Time // when connecting becomes slow
	silent <-chan time.Time // when typing has stopped
}

// run shows the page and keeps it going until ctx ends.
func (a *app) run(ctx context.Context) {
	defer func() {
		a.hangUp()
		a.search.wait()
		a.leaving.Wait()
	}()
	for {
		a.screen.show(a.model.view())
		select {
		case <-ctx.Done():
			return
		case in := <-a.inputs:
			a.input(ctx, in)
		case p := <-a.search.progress:
			a.progress(p)
		case f := <-a.search.found:
			a.found(ctx, f)
		case ev, ok := <-a.chat.events:
			if !ok { // it ends with EventLeft or EventLost, unless something broke
				ev.Kind = peer.EventLost
			}
			a.event(ev)
		case <-a.slow:
			a.model.slow = true
		case <-a.silent:
			a.model.typing = false
		}
	}
}

// input does what the visitor asked for, if what the page shows allows it.
func (a *app) input(ctx context.Context, in input) {
	can := a.model.view()
	switch in.kind {
	case pressStart:
		if can.canStart {
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
		}
	case pressSend:
		if can.canWrite {
			a.send(in.text)
		}
	case typed:
		if can.canWrite {
			a.chat.partner.Typing()
		}
	case setHideIP:
		a.model.hideIP = in.on
	case setHidden:
		a.model.hidden = in.on
		a.model.unread = 0
	}
}

// seek leaves whoever is there and looks for somebody else.
func (a *app) seek(ctx context.Context) {
	a.hangUp()
	a.model.state = waiting
	a.search = a.connect.begin(ctx, peer.Search{Tags: a.tags, RelayOnly: a.model.hideIP}, a.search)
}

// hangUp ends the search or the chat, and forgets what was said.
func (a *app) hangUp() {
	a.search = a.search.abandon()
	a.letGo()
	a.screen.clear()
	a.model.pause = 0
	a.model.arrived = 0
	a.model.unread = 0
	a.shared = nil
}

// letGo ends the chat but leaves its log to be read.
func (a *app) letGo() {
	if p := a.chat.partner; p != nil {
		a.leaving.Go(func() { _ = p.Close() }) // takes up to a second; its result changes nothing
	}
	a.chat = chat{}
	a.slow, a.silent = nil, nil
	a.model.slow, a.model.typing = false, false
	a.model.path = peer.Path{}
}

// progress shows how the search goes.
func (a *app) progress(p peer.Progress) {
	switch p.Phase {
	case peer.PhaseWaiting:
		a.model.online, a.model.queue, a.model.pause = p.Online, p.Waiting, p.Pause
	case peer.PhaseConnecting:
		a.model.state = connecting
		a.shared = p.Shared
		a.slow = time.After(slowAfter)
	}
}

// found begins the chat, or says why there is none.
func (a *app) found(ctx context.Context, f found) {
	a.search = a.search.abandon()
	if errors.Is(f.err, peer.ErrPartnerGone) && a.retries < maxRetries {
		a.retries++
		a.seek(ctx)
		return
	}
	a.letGo() // of the clock
	a.model.online = 0
	if f.err != nil {
		a.model.state, a.model.why = failed, fault(f.err)
		return
	}
	a.chat = f.chat
	a.model.state, a.model.path = chatting, f.chat.path
	a.screen.add(line{from: system, text: a.model.words.greeting(a.shared)})
	a.notice()
}

// fault is the word for what ended a search.
func fault(err error) string {
	var refused *peer.ServerError
	switch {
	case errors.Is(err, peer.ErrNobody):
		return "nobody"
	case errors.Is(err, peer.ErrPartnerGone):
		return "gone"
	case errors.Is(err, peer.ErrNoPath):
		return "nopath"
	case errors.As(err, &refused):
		return refusal(refused.Reason)
	default:
		return "unreachable"
	}
}

// refusal is the word for what the server refused with.
func refusal(reason string) string {
	switch reason {
	case peer.RefusedBanned:
		return "banned"
	case peer.RefusedTooFast:
		return "too_fast"
	case peer.RefusedTooMany:
		return "too_many"
	}
	return "refused"
}

// send says something to the partner. What could not be sent stays in the field.
func (a *app) send(text string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return
	}
	id, err := a.chat.partner.Send(text)
	if err != nil {
		a.screen.add(line{from: system, text: a.model.words.of("unsent")})
		return
	}
	a.screen.add(line{from: me, id: id, text: text})
}

// event shows what the partner did.
func (a *app) event(ev peer.Event) {
	switch ev.Kind {
	case peer.EventMessage:
		a.model.typing = false
		a.screen.add(line{from: them, text: ev.Text})
		a.notice()
	case peer.EventDelivered:
		a.model.arrived = max(a.model.arrived, ev.ID)
	case peer.EventTyping:
		a.model.typing = true
		a.silent = time.After(typingFor)
	case peer.EventPath:
		a.model.path = ev.Path
	case peer.EventLeft:
		a.over("left")
	case peer.EventLost:
		a.over("broken")
	}
}

// over ends a chat that the partner, or the network, has ended.
func (a *app) over(why string) {
	a.letGo()
	a.model.state, a.model.why = left, why
}

// notice counts what happens while nobody looks.
func (a *app) notice() {
	if a.model.hidden {
		a.model.unread++
	}
}

// interests reads the tags of an address, "go,music". What the server would
// refuse is left out.
func interests(list string) []string {
	var tags []string
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.TrimSpace(tag)
		if tag != "" && len(tag) <= maxTagBytes && len(tags) < maxTags {
			tags = append(tags, tag)
		}
	}
	return tags
}
