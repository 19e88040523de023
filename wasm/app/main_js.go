package main

import (
	"context"
	"crypto/rand"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

func main() {
	page := open()
	query := page.query()
	client := peer.NewClient(peer.Config{
		URL:    page.origin(),
		UserID: rand.Text(), // the same for all searches of this page: nobody meets twice in a row
		Device: page.device(rand.Text()),
	})
	a := &app{
		screen:  page,
		connect: finder(client),
		tags:    interests(query("tags")),
		inputs:  page.inputs,
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

// finder is the Connect of client, for the app.
func finder(client *peer.Client) connect {
	return func(ctx context.Context, wanted peer.Search) (chat, error) {
		c, err := client.Connect(ctx, wanted)
		if err != nil {
			return chat{}, err
		}
		return chat{partner: c, events: c.Events(), path: c.Path()}, nil
	}
}
