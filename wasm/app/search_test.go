package main

import (
	"context"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

// world is a client that does what a test says.
type world func(context.Context, peer.Search) (chat, error)

func (world) Prepare() {}

func (w world) Connect(ctx context.Context, wanted peer.Search) (chat, error) { return w(ctx, wanted) }

func TestSearchLetsGoWhomItFoundTooLate(t *testing.T) {
	t.Parallel()
	p := newStranger()
	late := world(func(ctx context.Context, _ peer.Search) (chat, error) {
		<-ctx.Done()
		return p.chat(), nil
	})
	begin(t.Context(), late, peer.Search{}, search{}).abandon().wait()
	if p.closed != 1 {
		t.Errorf("the chat was closed %d times, want once", p.closed)
	}
}

func TestSearchWaitsForTheOneBefore(t *testing.T) {
	t.Parallel()
	running, most := 0, 0 // no lock: that they never meet is what is tested
	w := world(func(ctx context.Context, _ peer.Search) (chat, error) {
		running++
		most = max(most, running)
		<-ctx.Done()
		running--
		return chat{}, ctx.Err()
	})
	var s search
	for range 10 {
		s = begin(t.Context(), w, peer.Search{}, s.abandon())
	}
	s.abandon().wait()
	if most != 1 {
		t.Errorf("%d searches at once, want 1", most)
	}
}
