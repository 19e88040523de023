package signal

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"unicode/utf8"
)

// says is an HTTP server that answers everything in one way.
type says []byte

// RoundTrip implements http.RoundTripper.
func (s says) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body) // it is in memory
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(s)), Request: r}, nil
}

// FuzzWebhook holds that an application that answers nonsense lets nobody in, and
// that what a client is told of an answer is text and JSON, and not too much.
func FuzzWebhook(f *testing.F) {
	for _, text := range []string{
		`{"allowed":true}`, `{"allowed":true,"authzMetadata":{"a":1},"iceServers":[{"urls":["stun:a"]}]}`,
		`{"allowed":false,"reason":"no"}`, `{"allowed":false}`, `{"allowed":"true"}`, `{"reason":"\ud800"}`, `null`, `{"allowed":true}x`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		h := newWebhooks("http://app.example.org", "", slog.New(slog.DiscardHandler))
		h.client = &http.Client{Transport: says(body)}
		g, refused, err := h.ask(t.Context(), &question{})
		var plain struct{ Allowed any }
		allowed := json.Unmarshal(body, &plain) == nil && plain.Allowed == true
		switch {
		case g != nil && (!allowed || err != nil):
			t.Fatalf("%q lets somebody in: %v", body, err)
		case g != nil && g.authz != nil && !json.Valid(g.authz):
			t.Fatalf("%q: authzMetadata %q", body, g.authz)
		case len(refused) > maxRejectReason || !utf8.ValidString(refused):
			t.Fatalf("%q is refused with %q", body, refused)
		}
	})
}
