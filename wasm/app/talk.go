package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

// found begins the chat, or says why there is none.
func (a *app) found(ctx context.Context, f found) {
	a.search = a.search.abandon()
	if errors.Is(f.err, peer.ErrPartnerGone) && a.retries < maxRetries {
		a.retries++
		a.seek(ctx)
		return
	}
	a.letGo() // of the clocks
	a.model.online = 0
	if f.err != nil {
		a.model.state, a.model.why, a.model.refusal = failed, fault(f.err), refusalOf(f.err)
		return
	}
	a.chat, a.last = f.chat, f.chat.partner
	a.model.state, a.model.path = chatting, f.chat.path
	if a.shared == (tags{}) {
		a.say("hello")
	} else {
		a.screen.add(line{from: system, word: "shared", tags: a.shared})
	}
	a.notice()
}

// say puts something into the log that nobody wrote.
func (a *app) say(word string) { a.screen.add(line{from: system, word: word}) }

// send says something to the partner. What could not be sent stays in the field.
func (a *app) send(text string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return
	}
	id, err := a.chat.partner.Send(text)
	if err != nil {
		a.say("unsent")
		return
	}
	a.screen.add(line{from: me, id: id, text: text})
	a.model.size = size{}
}

// typed passes on that the visitor types, and notes how much; full says that
// there was more than a message may have.
func (a *app) typed(now size, full bool) {
	if now.bytes > 0 {
		a.chat.partner.Typing()
	}
	a.model.written(now, full)
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
	case peer.EventInterrupted:
		a.model.interrupted, a.model.typing = true, false
		a.say("lost")
	case peer.EventRestored:
		a.model.interrupted = false
		a.say("back")
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
