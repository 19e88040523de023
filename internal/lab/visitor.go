package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

// The bounds of a round.
const (
	MaxMessages = 60               // each way: fewer than a chat has under way at once, and than come before they are paced
	meetTimeout = 40 * time.Second // from START to the chat; peer gives up after 30 s
	talkTimeout = 30 * time.Second // until all has been heard
	linger      = 200 * time.Millisecond
)

// Order is what a visitor is told to do, a line of JSON each.
type Order struct {
	Do        string `json:"do"` // meet or part
	RelayOnly bool   `json:"relay_only,omitempty"`
	Messages  int    `json:"messages,omitempty"`
}

// The orders. Each is answered by an Account.
const (
	meet = "meet" // find the other one, write, hear him
	part = "part" // leave him
)

// Visit is somebody who does what he is told on in, and says on out what came of it,
// until in ends. He is a process of his own, because whatever a process does in its
// namespace it does with all of its threads.
func Visit(ctx context.Context, url string, in io.Reader, out io.Writer) error {
	client := peer.NewClient(peer.Config{URL: url})
	defer client.Close()
	v := &visit{client: client}
	defer v.part()
	orders, answers := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var order Order
		if err := orders.Decode(&order); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read an order: %w", err)
		}
		var answer Account
		switch {
		case order.Do == part:
			v.part()
		case order.Do == meet && order.Messages <= MaxMessages:
			answer = v.meet(ctx, order)
		default:
			return fmt.Errorf("no order: %+v", order)
		}
		if err := answers.Encode(answer); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
}

// visit is what somebody is at.
type visit struct {
	client *peer.Client
	chat   *peer.Chat // nil: none
}

// part leaves the chat, if there is one.
func (v *visit) part() {
	if v.chat != nil {
		_ = v.chat.Close() // never fails
		v.chat = nil
	}
}

// meet finds the other one, and hears all that he writes.
func (v *visit) meet(ctx context.Context, order Order) (a Account) {
	began := time.Now()
	soon, cancel := context.WithTimeout(ctx, meetTimeout)
	defer cancel()
	chat, err := v.client.Connect(soon, peer.Search{RelayOnly: order.RelayOnly})
	if err != nil {
		a.Err = err.Error()
		return a
	}
	a.Opened = float64(time.Since(began).Microseconds()) / 1000
	v.chat = chat
	for i := range order.Messages {
		if _, err := chat.Send(strconv.Itoa(i)); err != nil {
			a.Err = fmt.Sprintf("message %d: %v", i, err)
			return a
		}
	}
	a.listen(ctx, chat, order.Messages)
	a.describe(chat)
	return a
}

// listen counts what comes until all has come, and all of ours has arrived, and for a
// moment longer: what comes twice comes late.
func (a *Account) listen(ctx context.Context, chat *peer.Chat, messages int) {
	end := time.NewTimer(talkTimeout)
	defer end.Stop()
	heard, missing, delivered := make([]int, messages), messages, 0
	for {
		select {
		case <-ctx.Done():
			a.Err = ctx.Err().Error()
			return
		case <-end.C:
			a.count(heard, messages-delivered)
			return
		case event, more := <-chat.Events():
			switch {
			case !more, event.Kind == peer.EventLost, event.Kind == peer.EventLeft:
				a.count(heard, 0)
				a.Err = "the chat ended"
				return
			case event.Kind == peer.EventDelivered:
				delivered++
			case event.Kind == peer.EventMessage:
				i, err := strconv.Atoi(event.Text)
				if err != nil || i < 0 || i >= messages {
					a.Err = "a message that nobody wrote"
					return
				}
				if heard[i]++; heard[i] == 1 {
					missing--
				}
			default:
				continue
			}
			if delivered == messages && missing == 0 {
				end.Reset(linger)
			}
		}
	}
}

// count sums up what was heard how often. What was written and not acknowledged was
// lost too, if the other one has not heard it: he says so himself.
func (a *Account) count(heard []int, undelivered int) {
	for _, times := range heard {
		switch times {
		case 0:
			a.Lost++
		case 1:
		default:
			a.Doubled += times - 1
		}
	}
	if undelivered > 0 && a.Err == "" {
		a.Err = fmt.Sprintf("%d messages were not acknowledged", undelivered)
	}
}

// describe says how the chat goes.
func (a *Account) describe(chat *peer.Chat) {
	ends, ok := chat.Ends()
	if !ok {
		a.Err = "ICE has no pair"
		return
	}
	a.Type, a.Remote, a.Relay = ends.Local.Type, ends.Remote.Type, ends.Local.Relay
	leg := ends.Local.Addr
	if a.Type == "relay" {
		leg = ends.Local.Base
	}
	switch leg = leg.Unmap(); {
	case !leg.IsValid() || leg.IsUnspecified():
	case leg.Is4():
		a.Family = 4
	default:
		a.Family = 6
	}
}
