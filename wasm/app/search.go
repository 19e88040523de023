package main

import (
	"context"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

// partner is who one talks to: a *peer.Chat.
type partner interface {
	Send(text string) (id uint64, err error)
	Typing()
	Report(ctx context.Context, reason string) error
	Close() error
}

// chat is a conversation with a partner.
type chat struct {
	partner partner
	events  <-chan peer.Event // what he does
	path    peer.Path         // at the beginning
}

// client finds partners: a *peer.Client. Prepare is for when somebody may be
// about to search; it never waits.
type client interface {
	Prepare()
	Connect(ctx context.Context, search peer.Search) (chat, error)
}

// search is a call of Connect on a goroutine of its own. The zero search is
// none: its channels are silent.
type search struct {
	progress chan peer.Progress
	found    chan found
	ended    chan struct{} // closed when the goroutine has ended
	cancel   context.CancelFunc
}

// found is how a search ends.
type found struct {
	chat chat
	err  error
}

// begin starts a search, as soon as the one before has left the server.
func begin(ctx context.Context, c client, wanted peer.Search, before search) search {
	ctx, cancel := context.WithCancel(ctx)
	s := search{
		progress: make(chan peer.Progress),
		found:    make(chan found),
		ended:    make(chan struct{}),
		cancel:   cancel,
	}
	wanted.OnProgress = func(p peer.Progress) {
		select {
		case s.progress <- p:
		case <-ctx.Done():
		}
	}
	go func() { // before.wait waits for it, here or at the end of app.run
		defer close(s.ended)
		before.wait()
		chat, err := c.Connect(ctx, wanted)
		select {
		case s.found <- found{chat, err}:
		case <-ctx.Done():
			if err == nil {
				_ = chat.partner.Close() // found too late
			}
		}
	}()
	return s
}

// abandon ends s without waiting. What is left of it hears and says nothing,
// and can be waited for.
func (s search) abandon() search {
	if s.cancel != nil {
		s.cancel()
	}
	return search{ended: s.ended}
}

// wait returns when s has ended.
func (s search) wait() {
	if s.ended != nil {
		<-s.ended
	}
}
