//go:build redis

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

// crowdOfWaiters is how many wait at a node that is restarted.
const crowdOfWaiters = 40

// balancer is a load balancer that asks /readyz, as those of the documents do: the
// first node that is ready is everybody's.
type balancer struct {
	url string

	mu    sync.Mutex // guards nodes
	nodes []*process // in the order in which they are preferred
}

func startBalancer(t *testing.T, nodes ...*process) *balancer {
	t.Helper()
	b := &balancer{nodes: nodes}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			to := b.ready(r.Out.Context())
			r.SetURL(&url.URL{Scheme: "http", Host: to})
			r.SetXForwarded()
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

// ready is the host of the first node that is; of none if none is.
func (b *balancer) ready(ctx context.Context) string {
	b.mu.Lock()
	nodes := slices.Clone(b.nodes)
	b.mu.Unlock()
	for _, node := range nodes {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, node.admin+"/readyz", nil)
		if err != nil {
			continue
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		_ = resp.Body.Close() // it says nothing that counts
		if at, err := url.Parse(node.url); err == nil && resp.StatusCode == http.StatusOK {
			return at.Host
		}
	}
	return "127.0.0.1:1"
}

// replace puts a node into the place of one that has ended, behind the others.
func (b *balancer) replace(old, now *process) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nodes = append(slices.DeleteFunc(slices.Clone(b.nodes), func(p *process) bool { return p == old }), now)
}

// rollingNode starts a node at a place of its own, to which it comes back.
func rollingNode(t *testing.T, redis *redistest.Server, id, addr string) *process {
	t.Helper()
	return startProcess(t, fleetOf(redis, id, "ADDR="+addr, "WS_MAX_PER_IP=0", "WS_RATE_PER_IP=0", "TURN_MAX_ALLOCATIONS_PER_IP=1000", "MATCH_TAG_WAIT=1h", "DRAIN_TIMEOUT=8s", "TRUSTED_PROXIES=127.0.0.0/8")...)
}

// seekers are peers of which each looks for a partner with a tag of its own.
type seekers struct {
	waiting atomic.Int64 // have been told that they wait, once or more
	all     sync.WaitGroup

	mu     sync.Mutex // guards the field below
	faults []error
}

// seek starts a peer for each tag, which ends when it has heard its partner.
func (s *seekers) seek(ctx context.Context, server string) {
	for i := range crowdOfWaiters {
		s.all.Go(func() {
			if err := s.one(ctx, server, "tag "+strconv.Itoa(i)); err != nil {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.faults = append(s.faults, fmt.Errorf("seeker %d: %w", i, err))
			}
		})
	}
}

func (s *seekers) one(ctx context.Context, server, tag string) error {
	var told sync.Once
	chat, err := peer.Connect(ctx, peer.Config{URL: server}, peer.Search{Tags: []string{tag}, OnProgress: func(p peer.Progress) {
		if p.Phase == peer.PhaseWaiting && p.Online > 0 {
			told.Do(func() { s.waiting.Add(1) })
		}
	}})
	if err != nil {
		return err
	}
	defer func() { _ = chat.Close() }() // its partner may be faster
	if _, err := chat.Send(greeting); err != nil {
		return err
	}
	for delivered, heard := false, false; !delivered || !heard; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case event, more := <-chat.Events():
			delivered, heard = delivered || event.Kind == peer.EventDelivered, heard || event.Kind == peer.EventMessage
			if !more && !heard {
				return errors.New("the chat ended before a word")
			}
			if !more {
				return nil
			}
		}
	}
	return nil
}

// TestARollingRestartSendsNobodyAway restarts both nodes of a fleet, one after the
// other: the first is drained before, as the documents have it, the second told to
// end at once. Those who wait all the while are matched in the end, and two who chat
// notice nothing.
func TestARollingRestartSendsNobodyAway(t *testing.T) {
	needsClient(t)
	redis := redistest.Start(t)
	at := [2]string{"127.0.0.1:" + strconv.Itoa(freePort(t)), "127.0.0.1:" + strconv.Itoa(freePort(t))}
	one, two := rollingNode(t, redis, "n1", at[0]), rollingNode(t, redis, "n2", at[1])
	until(t, "each lists both", func() bool { return len(nodesAt(t, one.server)) == 2 && len(nodesAt(t, two.server)) == 2 })
	front := startBalancer(t, one, two)

	a, b := openTerminal(t, "--tag", "old friends", front.url), openTerminal(t, "--tag", "old friends", front.url)
	a.expect("* connected: direct")
	b.expect("* connected: direct")
	var wait seekers
	wait.seek(t.Context(), front.url)
	waitAt := func(s *process, id string) {
		t.Helper()
		until(t, fmt.Sprintf("all wait at %s", id), func() bool { return nodesAt(t, s.server)[id].Waiting == crowdOfWaiters })
	}
	waitAt(two, "n1")

	client := &admin.Client{URL: one.admin, HTTP: http.DefaultClient}
	must(t, client.Do(t.Context(), http.MethodPost, "/api/drain", nil, nil))
	waitAt(one, "n2")
	a.say("did you notice?")
	b.expect("stranger: did you notice?")
	must(t, one.terminate())
	b.say("not at all")
	a.expect("stranger: not at all")
	again := rollingNode(t, redis, "n1", at[0])
	front.replace(one, again)
	until(t, "the first is back", func() bool { return len(nodesAt(t, two.server)) == 2 })

	must(t, two.terminate())
	waitAt(again, "n1")
	front.replace(two, rollingNode(t, redis, "n2", at[1]))

	var come seekers
	come.seek(t.Context(), front.url)
	come.all.Wait()
	wait.all.Wait()
	for _, err := range slices.Concat(wait.faults, come.faults) {
		t.Error(err)
	}
	if n := wait.waiting.Load(); n != crowdOfWaiters {
		t.Errorf("%d were told that they wait, want %d", n, crowdOfWaiters)
	}
	a.say("and now?")
	b.expect("stranger: and now?")
}
