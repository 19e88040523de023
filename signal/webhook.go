package signal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// The bounds of the webhooks.
const (
	hookTimeout     = 5 * time.Second // one call, from the connection to the last byte of the answer
	maxHookAnswer   = 64 << 10        // bytes
	maxHookHeader   = 16 << 10        // bytes
	maxAsking       = 64              // authn calls at once; whoever comes then is rejected
	maxRejectReason = 1 << 10         // bytes of a reason; the rest is cut off
	maxGone         = 1 << 14         // stays that wait to be reported; more are dropped and counted
	goneWorkers     = 8               // reports under way at once
	flushTimeout    = 5 * time.Second // for the last reports when the server goes
)

// webhooks are the two questions and reports that Ayame's server sends to an
// application: who may enter, and who has gone.
type webhooks struct {
	authnURL, goneURL string
	client            *http.Client
	asking            chan struct{}  // a token for each authn call under way
	questions         sync.WaitGroup // authn calls under way
	stays             chan visit     // to be reported
	log               *slog.Logger

	failed  atomic.Uint64
	dropped atomic.Uint64
}

// newWebhooks knows where to ask and to report; empty: nowhere. The HTTP
// client is its own: no proxy of the environment, no redirects, no cookies.
func newWebhooks(authnURL, goneURL string, log *slog.Logger) *webhooks {
	h := &webhooks{authnURL: authnURL, goneURL: goneURL, log: log, asking: make(chan struct{}, maxAsking)}
	if goneURL != "" {
		h.stays = make(chan visit, maxGone)
	}
	h.client = &http.Client{
		Timeout:       hookTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: hookTimeout}).DialContext,
			TLSHandshakeTimeout:    hookTimeout,
			MaxIdleConnsPerHost:    maxAsking,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxHookHeader,
			DisableCompression:     true, // the bound is one of bytes that travel
			ForceAttemptHTTP2:      true,
		},
	}
	return h
}

// question is what the authn webhook is asked, as Ayame's server writes it.
type question struct {
	visit
	SignalingKey  *string         `json:"signalingKey,omitempty"`
	AuthnMetadata json.RawMessage `json:"authnMetadata,omitempty"`
	AyameClient   *string         `json:"ayameClient,omitempty"`
	Libwebrtc     *string         `json:"libwebrtc,omitempty"`
	Environment   *string         `json:"environment,omitempty"`
}

// answer is what it says.
type answer struct {
	Allowed       *bool            `json:"allowed"`
	Reason        *string          `json:"reason"` // required if not allowed
	ICEServers    []wire.ICEServer `json:"iceServers"`
	AuthzMetadata json.RawMessage  `json:"authzMetadata"` // any JSON, for the client
}

// grant is what the webhook gave a client that it allowed.
type grant struct {
	iceServers []wire.ICEServer // nil: those of Config
	authz      json.RawMessage
}

// errAnswer is an answer that makes no sense.
var errAnswer = errors.New("the webhook's answer neither allows nor gives a reason")

// ask lets the authn webhook decide about a client, while its reader goes on:
// a client that leaves meanwhile takes no seat. It is not done if the room is not
// ours to make any more.
func (m *member) ask(door admission, c claim, reg *registration) (done bool) {
	hooks := m.rooms.hooks
	select {
	case hooks.asking <- struct{}{}:
	default:
		hooks.failed.Add(1)
		m.reject(wire.RejectInternal, wire.RejectInternal)
		return true
	}
	if !m.rooms.reserve(m, c.RoomID) {
		<-hooks.asking
		return false
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.asked, m.hangUp = c.visit, cancel
	if c.early {
		m.ahead = &mailbox{budget: &m.rooms.kept}
	}
	q := question{
		visit: c.visit, SignalingKey: reg.SignalingKey, AuthnMetadata: reg.AuthnMetadata,
		AyameClient: reg.AyameClient, Libwebrtc: reg.Libwebrtc, Environment: reg.Environment,
	}
	hooks.questions.Go(func() { // Serve waits for it
		defer cancel()
		defer m.rooms.unreserve(c.RoomID)
		g, refused, err := hooks.ask(ctx, &q)
		<-hooks.asking
		switch {
		case err != nil && ctx.Err() != nil: // the client has left
		case err != nil:
			hooks.fail(err)
			m.reject(wire.RejectInternal, wire.RejectInternal)
		case g == nil:
			m.reject(refused, wire.ReasonDone)
		default:
			m.join(door, c, g) // done: the room is reserved
		}
		if m.ahead != nil {
			m.passAhead() // to nobody, if it was not let in
		}
	})
	return true
}

// ask returns what the webhook grants, or the reason for which it refuses.
func (h *webhooks) ask(ctx context.Context, q *question) (g *grant, refused string, err error) {
	body, err := h.post(ctx, h.authnURL, q)
	if err != nil {
		return nil, "", err
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, "", fmt.Errorf("read the webhook's answer: %w", err)
	}
	switch {
	case a.Allowed == nil || !*a.Allowed && a.Reason == nil:
		return nil, "", errAnswer
	case !*a.Allowed:
		reason := *a.Reason
		return nil, strings.ToValidUTF8(reason[:min(len(reason), maxRejectReason)], ""), nil
	}
	g = &grant{iceServers: a.ICEServers}
	if string(a.AuthzMetadata) != "null" {
		g.authz = a.AuthzMetadata
	}
	return g, "", nil
}

// post sends JSON and returns the body of a 200.
func (h *webhooks) post(ctx context.Context, url string, message any) ([]byte, error) {
	text, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("write for the webhook: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("ask the webhook: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHookAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the webhook's answer: %w", err)
	case len(body) > maxHookAnswer:
		return nil, fmt.Errorf("the webhook's answer is longer than %d bytes", maxHookAnswer)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the webhook answers %d, want 200", resp.StatusCode)
	}
	return body, nil
}

// fail counts a call that went wrong. Strangers can cause calls, and the error
// may name the URL, which may be a secret: neither belongs into the log.
func (h *webhooks) fail(err error) {
	h.failed.Add(1)
	h.log.Debug("webhook failed", "timeout", errors.Is(err, context.DeadlineExceeded))
}
