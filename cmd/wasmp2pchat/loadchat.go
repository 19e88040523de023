package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/swarm"
	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

// chatScenario is what swarm does not have: real peers.
const chatScenario swarm.Scenario = "chat"

// A real peer costs some milliseconds of DTLS, so they are fewer.
const (
	defaultChatters = 20
	maxChatters     = 500
)

// greeting is the first message of everybody.
const greeting = "hello from the load test"

// chatting is a load test with real peers.
type chatting struct {
	cfg        swarm.Config
	first      swarm.Histogram // START to the first message of the other one
	met, relay atomic.Int64

	mu     sync.Mutex // guards the field below
	faults map[string]int
}

// chatters lets every peer find somebody, say hello and hear it.
func chatters(ctx context.Context, cfg swarm.Config) (*outcome, error) {
	switch {
	case cfg.Peers < 2 || cfg.Peers > maxChatters || cfg.Peers%2 != 0:
		return nil, fmt.Errorf("want an even number of 2 to %d real peers, not %d", maxChatters, cfg.Peers)
	case cfg.For <= 0 || cfg.For > swarm.MaxFor:
		return nil, fmt.Errorf("want a duration of at most %v, not %v", swarm.MaxFor, cfg.For)
	}
	limited, cancel := context.WithTimeout(ctx, cfg.For)
	defer cancel()
	c := &chatting{cfg: cfg, faults: map[string]int{}}
	began := time.Now()
	done := make(chan struct{})
	go func() { // waited for below
		defer close(done)
		var all sync.WaitGroup
		for range cfg.Peers {
			all.Go(func() { c.chat(limited) })
		}
		all.Wait()
	}()
	c.watch(done, began)
	return c.outcome(ctx, limited, time.Since(began)), nil
}

// watch tells of the progress until done.
func (c *chatting) watch(done <-chan struct{}, began time.Time) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-done:
			return
		case <-second.C:
			c.cfg.OnProgress(swarm.Progress{Phase: "chatting", Open: c.cfg.Peers, Done: int(c.met.Load()), Took: time.Since(began)})
		}
	}
}

// chat is one peer.
func (c *chatting) chat(ctx context.Context) {
	began := time.Now()
	chat, err := peer.Connect(ctx, peer.Config{URL: c.cfg.URL}, peer.Search{})
	if err != nil {
		c.fault(ctx, err)
		return
	}
	defer func() { _ = chat.Close() }() // it was heard
	if _, err := chat.Send(greeting); err != nil {
		c.fault(ctx, err)
		return
	}
	heard, delivered := false, false
	for !heard || !delivered {
		select {
		case <-ctx.Done():
			return
		case event, more := <-chat.Events():
			switch {
			case !more:
				c.fault(ctx, errors.New("the chat ended before the first message"))
				return
			case event.Kind == peer.EventDelivered:
				delivered = true
			case event.Kind == peer.EventMessage && !heard:
				heard = true
				c.hear(ctx, event.Text, chat.Path(), time.Since(began))
			}
		}
	}
}

// hear counts the first message.
func (c *chatting) hear(ctx context.Context, text string, path peer.Path, took time.Duration) {
	if text != greeting {
		c.fault(ctx, errors.New("a message that nobody here sent"))
	}
	c.first.Observe(took)
	c.met.Add(1)
	if strings.HasPrefix(string(path.Kind), "relay") {
		c.relay.Add(1)
	}
}

// fault counts what went wrong, unless the time was up.
func (c *chatting) fault(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults[err.Error()]++
}

func (c *chatting) outcome(ctx, limited context.Context, took time.Duration) *outcome {
	r := &swarm.Report{
		Scenario: chatScenario, Peers: c.cfg.Peers, Took: took, Unit: "peers", Count: int(c.met.Load()), Measured: took,
		Latency: c.first.Quantiles(),
	}
	r.Rate = float64(r.Count) / took.Seconds()
	switch {
	case ctx.Err() != nil:
		r.Ended = "interrupted"
	case limited.Err() != nil:
		r.Ended = "time is up"
	}
	for what, count := range c.faults {
		r.Faults = append(r.Faults, swarm.Fault{What: what, Count: count})
	}
	return &outcome{Report: r, Relayed: int(c.relay.Load())}
}
