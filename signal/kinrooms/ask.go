package kinrooms

import (
	"context"
	"encoding/json"
	"slices"
)

// question is what is told with toldAsk.
type question struct {
	Number uint64 `json:"n"`
	Room   string `json:"room"`
	From   string `json:"from,omitempty"` // the process that keeps it does not answer

	asker string
}

// answer is what is told with toldAnswer: one of the two names a process.
type answer struct {
	Number uint64 `json:"n"`
	Node   string `json:"node,omitempty"` // which keeps the room
	Ask    string `json:"ask,omitempty"`  // which decides
}

// text cannot fail: these are strings and numbers.
func text(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}

// Claim says which process keeps a room; this one, unless another does. While an heir
// takes over it waits for the end of that, longer than ctx says.
func (k *Kin) Claim(ctx context.Context, room string) (node string, err error) {
	return k.ask(ctx, room, "")
}

// TakeOver is Claim of a room whose process does not answer.
func (k *Kin) TakeOver(ctx context.Context, room, from string) (node string, err error) {
	return k.ask(ctx, room, from)
}

// ask decides, or asks who does.
func (k *Kin) ask(ctx context.Context, room, from string) (node string, err error) {
	ctx = context.WithoutCancel(ctx)
	if err := k.pauseIsOver(ctx); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	for range maxHops {
		node, judge, err := k.askOnce(ctx, room, from)
		if node != "" || err != nil {
			return node, err
		}
		if err := k.meet(ctx, judge); err != nil {
			return "", err
		}
	}
	return "", errNobody
}

// pauseIsOver returns when somebody decides about rooms.
func (k *Kin) pauseIsOver(ctx context.Context) error {
	k.mu.Lock()
	paused, news := k.paused, k.news
	k.mu.Unlock()
	if !paused {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, pausedFor)
	defer cancel()
	for paused {
		select {
		case <-news:
		case <-ctx.Done():
			return errNobody
		}
		k.mu.Lock()
		paused, news = k.paused, k.news
		k.mu.Unlock()
	}
	return nil
}

// askOnce returns who keeps the room, or who is to be asked instead; neither if who
// was asked has ended.
func (k *Kin) askOnce(ctx context.Context, room, from string) (node, judge string, err error) {
	k.mu.Lock()
	if judge = k.judge(); judge == k.self {
		defer k.mu.Unlock()
		return k.decide(k.self, room, from), "", nil
	}
	if judge == from || len(k.asked) == maxAsked {
		k.mu.Unlock()
		return "", "", errNobody
	}
	k.last++
	q := question{Number: k.last, Room: room, From: from}
	asked := inquiry{judge, make(chan answer, 1)}
	k.asked[q.Number] = asked
	k.mu.Unlock()
	defer k.forget(q.Number)

	k.line.Tell(judge, toldAsk, text(&q))
	select {
	case a := <-asked.answered:
		return a.Node, a.Ask, nil
	case <-ctx.Done():
		return "", "", errNobody
	}
}

func (k *Kin) forget(number uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.asked, number)
}

// meet takes over who decides by now, when this process has heard of it, too.
func (k *Kin) meet(ctx context.Context, judge string) error {
	for {
		k.mu.Lock()
		known, news := judge == "" || slices.Contains(k.kin, judge), k.news
		if known && younger(judge, k.heir) {
			k.heir = judge
		}
		k.mu.Unlock()
		if known {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return errNobody
		}
	}
}

// answer gives an answer to who waits. It does not wait itself.
func (q inquiry) answer(a answer) {
	select {
	case q.answered <- a: // nil if nobody waits any more
	default:
	}
}

// hearAsk answers a question, or keeps it until the end of a pause.
func (k *Kin) hearAsk(from string, body []byte) {
	q := question{}
	if json.Unmarshal(body, &q) != nil || q.Room == "" || len(q.Room) > maxName {
		return
	}
	q.asker = from
	k.mu.Lock()
	paused := k.paused
	if paused && len(k.early) < maxEarly {
		k.early = append(k.early, q)
	}
	k.mu.Unlock()
	if !paused {
		k.reply(&q)
	}
}

func (k *Kin) reply(q *question) {
	k.mu.Lock()
	a := answer{Number: q.Number}
	if judge := k.judge(); judge != k.self {
		a.Ask = judge
	} else {
		a.Node = k.decide(q.asker, q.Room, q.From)
	}
	k.mu.Unlock()
	k.line.Tell(q.asker, toldAnswer, text(&a))
}

// hearAnswer gives an answer to who waits for it.
func (k *Kin) hearAnswer(_ string, body []byte) {
	var a answer
	if json.Unmarshal(body, &a) != nil || a.Node == "" && a.Ask == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked[a.Number].answer(a)
}
