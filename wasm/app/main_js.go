package main

import (
	"context"
	"crypto/rand"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

func main() {
	page := open()
	query := page.query()
	a := &app{
		screen:  page,
		connect: find,
		config: peer.Config{
			URL:    page.origin(),
			UserID: rand.Text(), // the same for all searches of this page: nobody meets twice in a row
			Device: page.device(rand.Text()),
			Tags:   interests(query("tags")),
		},
		inputs: page.inputs,
		model: model{
			words:  page.words(),
			state:  idle,
			hideIP: page.hideIP(query("relay") == "1"),
			hidden: page.hidden(),
		},
	}
	if query("autostart") == "1" {
		page.post(input{kind: pressStart})
	}
	a.run(context.Background()) // as long as the page lives
}

// find is peer.Connect for the app.
func find(ctx context.Context, cfg peer.Config) (chat, error) {
	c, err := peer.Connect(ctx, cfg)
	if err != nil {
		return chat{}, err
	}
	return chat{partner: c, events: c.Events(), path: c.Path()}, nil
}
