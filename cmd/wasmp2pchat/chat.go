package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

// maxFinds is how many partners may leave before the chat has begun.
const maxFinds = 4

// chatCommand is a peer in the terminal: it reads lines, prints lines and the
// path used.
func chatCommand(ctx context.Context, w world) error {
	fs := flags(w, "chat", "[--relay] [--tag T]… URL")
	relay := fs.Bool("relay", false, "hide the own IP address: talk through the relay only")
	var tags []string
	fs.Func("tag", "an interest; may be repeated", func(tag string) error {
		tags = append(tags, tag)
		return nil
	})
	if err := fs.Parse(w.args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return &hinted{err: errors.New("chat wants the URL of a server"), hint: "wasmp2pchat chat https://chat.example.org"}
	}
	client := peer.NewClient(peer.Config{URL: fs.Arg(0), UserID: rand.Text()})
	defer client.Close()
	chat, err := find(ctx, client, peer.Search{
		Tags: tags, RelayOnly: *relay,
		OnProgress: func(p peer.Progress) { fmt.Fprintf(w.stdout, "* %s\n", progressLine(p)) },
	})
	if err != nil {
		return err
	}
	defer func() { _ = chat.Close() }() // we are leaving anyway
	out := &printer{w: w.stdout}
	out.way(chat.Path())
	return converse(ctx, chat, out, w.stdin)
}

// find is Connect, again if the one who was found does not come: whoever was
// left alone is the first to be matched.
func find(ctx context.Context, client *peer.Client, search peer.Search) (chat *peer.Chat, err error) {
	for range maxFinds {
		if chat, err = client.Connect(ctx, search); !errors.Is(err, peer.ErrPartnerGone) {
			break
		}
	}
	return chat, err
}

// converse carries lines both ways until one side has no more.
func converse(ctx context.Context, chat *peer.Chat, out *printer, in io.Reader) error {
	lines := make(chan string)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go readLines(ctx, in, lines) // ends with its input, or at the next line that nobody wants
	next, waits := lines, ""     // no line is read while one waits for the partner to catch up
	for {
		select {
		case <-ctx.Done():
			return nil
		case line, more := <-next:
			if !more {
				return nil
			}
			waits = line
		case event, more := <-chat.Events():
			if !more {
				return nil
			}
			out.event(event)
		}
		switch _, err := chat.Send(waits); {
		case errors.Is(err, peer.ErrBusy):
			next = nil
		case err != nil && !errors.Is(err, peer.ErrEmpty):
			out.note("not sent: " + err.Error())
			fallthrough
		default:
			next, waits = lines, ""
		}
	}
}

func readLines(ctx context.Context, r io.Reader, lines chan<- string) {
	defer close(lines)
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		select {
		case lines <- scanner.Text():
		case <-ctx.Done():
			return
		}
	}
}

// printer writes what happens, a line each.
type printer struct {
	w    io.Writer
	path peer.PathKind // printed last
	told bool          // that we are connected
}

func (p *printer) note(text string) { fmt.Fprintf(p.w, "* %s\n", text) }

// way says which way the chat goes, if that is known and was not said: it is
// known a moment after the chat has begun.
func (p *printer) way(path peer.Path) {
	if path.Kind == p.path {
		return
	}
	p.path = path.Kind
	if p.told {
		p.note("path: " + pathLine(path))
		return
	}
	p.told = true
	p.note("connected: " + pathLine(path))
}

func (p *printer) event(event peer.Event) {
	if !p.told && event.Kind != peer.EventPath {
		p.told = true
		p.note("connected")
	}
	switch event.Kind {
	case peer.EventMessage:
		fmt.Fprintf(p.w, "stranger: %s\n", printable(event.Text))
	case peer.EventPath:
		p.way(event.Path)
	case peer.EventLeft:
		p.note("the stranger has left")
	case peer.EventLost:
		p.note("the connection is lost")
	case peer.EventInterrupted:
		p.note("the connection is lost, trying to get it back")
	case peer.EventRestored:
		p.note("connected again")
	case peer.EventDelivered, peer.EventTyping:
	}
}

// printable keeps a stranger from steering the terminal: control characters
// become spaces.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, text)
}

func progressLine(p peer.Progress) string {
	switch {
	case p.Phase == peer.PhaseConnecting && len(p.Shared) > 0:
		return "found somebody who likes " + strings.Join(p.Shared, ", ") + ", connecting"
	case p.Phase == peer.PhaseConnecting:
		return "found somebody, connecting"
	case p.Pause > 0:
		return fmt.Sprintf("too fast from one to the next: introduced again in %v", p.Pause)
	case p.Online > 0:
		return fmt.Sprintf("looking for somebody (%d waiting, %d online)", p.Waiting, p.Online)
	default:
		return "looking for somebody"
	}
}

func pathLine(p peer.Path) string {
	if p.RTT > 0 {
		return fmt.Sprintf("%s, %.1f ms", p.Kind, p.RTT.Seconds()*1000)
	}
	return string(p.Kind)
}
