package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/talkers/line"
	"github.com/wasmp2pchat/wasmp2pchat/peer"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// maxOrders wait for somebody who does something else.
	maxOrders = 16
	// againAfter is how long somebody rests who could not be brought together with
	// his friend.
	againAfter = 500 * time.Millisecond
	// Each longEvery-th message is as long as somebody types who tells a story.
	longEvery = 7
	longBytes = 2000
)

// talker is one who talks with one friend.
type talker struct {
	line.Order
	tell   func(line.News)
	orders chan line.Order

	said   int            // messages
	ids    map[uint64]int // of what was said and is not delivered
	hushed bool
}

// conversation is what a talker does with a [peer.Chat].
type conversation interface {
	Path() peer.Path
	Events() <-chan peer.Event
	Send(text string) (id uint64, err error)
	Report(ctx context.Context, reason string) error
	Close() error
}

// lives looks for the friend until he is found, and talks until told to leave.
func (t *talker) lives(ctx context.Context) {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	for {
		chat, err := t.finds(ctx, leave)
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = chat.Close() // he is gone
			}
			t.tell(line.News{ID: t.ID, What: line.Parted})
			return
		case err == nil:
			t.talks(ctx, chat)
			return
		}
		t.tell(line.News{ID: t.ID, What: line.Failed, Why: err.Error()})
		rest := time.NewTimer(againAfter)
		select {
		case <-rest.C:
		case <-ctx.Done():
			rest.Stop()
		}
	}
}

// finds asks once. Who is told to leave meanwhile leaves.
func (t *talker) finds(ctx context.Context, leave func()) (*peer.Chat, error) {
	found := make(chan struct{})
	watched := make(chan struct{})
	go func() { // waited for below
		defer close(watched)
		for {
			select {
			case <-found:
				return
			case o := <-t.orders:
				t.hushed = t.hushed || o.Do == line.Hush
				if o.Do == line.Leave {
					leave()
				}
			}
		}
	}()
	chat, err := peer.Connect(ctx, peer.Config{URL: t.URL, Device: rand.Text()}, peer.Search{
		Tags: []string{t.Tag}, RelayOnly: t.Relay,
		OnProgress: func(p peer.Progress) {
			if p.Phase == peer.PhaseWaiting && p.Online == 0 { // each time that he asks a server
				t.tell(line.News{ID: t.ID, What: line.Asks})
			}
		},
	})
	close(found)
	<-watched
	return chat, err
}

// talks says something now and then, and hears, also while he complains: a server
// may take its time.
func (t *talker) talks(ctx context.Context, chat conversation) {
	defer t.tell(line.News{ID: t.ID, What: line.Parted})
	defer func() { _ = chat.Close() }() // always nil
	var complaints sync.WaitGroup
	defer complaints.Wait()
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	t.tell(line.News{ID: t.ID, What: line.Met, Path: string(chat.Path().Kind)})
	speaks := time.NewTicker(time.Duration(t.Every))
	defer speaks.Stop()
	hearsAgain := time.NewTimer(0)
	defer hearsAgain.Stop()
	var events <-chan peer.Event
	for {
		select {
		case <-ctx.Done():
			return
		case <-hearsAgain.C:
			events = chat.Events()
		case <-speaks.C:
			t.says(chat)
		case event, more := <-events:
			if !more {
				return
			}
			t.hears(event)
		case o := <-t.orders:
			switch o.Do {
			case line.Leave:
				return
			case line.Hush:
				t.hushed = true
				t.tell(line.News{ID: t.ID, What: line.Hushed, N: t.said})
			case line.Deaf:
				events = nil
				hearsAgain.Reset(time.Duration(o.For))
			case line.Report:
				complaints.Go(func() { t.complains(ctx, chat) })
			}
		}
	}
}

// says says the next number. Text is an id, the number, a mark that would be found
// wherever it should not be, and more words now and then.
func (t *talker) says(chat conversation) {
	if t.hushed {
		return
	}
	text := fmt.Sprintf("%s %d %s", t.ID, t.said+1, t.Mark)
	if (t.said+1)%longEvery == 0 {
		text += strings.Repeat(" and so on", longBytes/len(" and so on"))
	}
	id, err := chat.Send(text)
	switch {
	case errors.Is(err, peer.ErrBusy), errors.Is(err, peer.ErrClosed): // he says it next time; an end is told by an event
		return
	case err != nil:
		t.tell(line.News{ID: t.ID, What: line.Failed, Why: err.Error()})
		return
	}
	t.said++
	t.ids[id] = t.said
	t.tell(line.News{ID: t.ID, What: line.Said, N: t.said})
}

func (t *talker) hears(event peer.Event) {
	n := line.News{ID: t.ID}
	switch event.Kind {
	case peer.EventMessage:
		n.What = line.Heard
		from, rest, _ := strings.Cut(event.Text, " ")
		number, _, _ := strings.Cut(rest, " ")
		n.From, n.N = from, -1
		if i, err := strconv.Atoi(number); err == nil {
			n.N = i
		}
	case peer.EventDelivered:
		n.What, n.N = line.Delivered, t.ids[event.ID]
		delete(t.ids, event.ID)
	case peer.EventPath:
		n.What, n.Path = line.Path, string(event.Path.Kind)
	case peer.EventInterrupted:
		n.What = line.Interrupted
	case peer.EventRestored:
		n.What = line.Restored
	case peer.EventLeft:
		n.What = line.Left
	case peer.EventLost:
		n.What = line.Lost
	case peer.EventTyping:
		return
	}
	t.tell(n)
}

// complains reports the friend.
func (t *talker) complains(ctx context.Context, chat conversation) {
	n := line.News{ID: t.ID, What: line.Reported}
	if err := chat.Report(ctx, wire.ReportSpam); err != nil {
		n.Why = err.Error()
	}
	t.tell(n)
}
