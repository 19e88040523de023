package main

import (
	"context"

	"github.com/wasmp2pchat/wasmp2pchat/internal/rand"
	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

func main() {
	inputs := make(chan input, maxInputs)
	page := open(inputs)
	query := page.query()
	wishes, preset := query("tags")
	if !preset {
		wishes = page.kept("tags")
	}
	relay, _ := query("relay")
	a := newApp(page, model{
		words:  page.words,
		state:  idle,
		tags:   interests(wishes),
		hideIP: page.hideIP(relay == "1"),
		met:    page.kept("met") != "",
		hidden: page.hidden(),
	}, inputs)
	a.client = finder{peer.NewClient(peer.Config{
		URL:      page.origin(),
		UserID:   rand.Text(), // the same for all searches of this page: nobody meets twice in a row
		Device:   page.device(rand.Text()),
		OnOnline: func(n int) { a.isOnline(n) },
	})}
	if start, _ := query("autostart"); start == "1" {
		page.post(input{kind: pressStart})
	}
	a.run(context.Background()) // as long as the page lives
}

// finder is a peer.Client for the app.
type finder struct{ *peer.Client }

func (f finder) Connect(ctx context.Context, wanted peer.Search) (chat, error) {
	c, err := f.Client.Connect(ctx, wanted)
	if err != nil {
		return chat{}, err
	}
	return chat{partner: c, events: c.Events(), path: c.Path()}, nil
}
