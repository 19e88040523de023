package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/coder/websocket"
)

// transport is what happens below the messages.
func (s *suite) transport() []row {
	return []row{
		{
			does: "a WebSocket with a subprotocol and compression on offer", spec: "a WebSocket at /signaling", reference: "open, without either",
			run: opens,
		},
		{
			does: "a WebSocket from a page of another origin", reference: "open",
			better: []better{{"403", "pages of other sites have to be allowed first (ALLOWED_ORIGINS)"}},
			run: func(v *visit) string {
				c := v.open(&websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"https://elsewhere.example"}}}, false)
				if c.ws == nil {
					return fmt.Sprint(c.status)
				}
				return "open"
			},
		},
		{does: "GET /signaling without an upgrade", reference: "400", run: func(v *visit) string { return v.get(v.url.Path) }},
		{does: "GET /.ok", reference: "200, empty", run: func(v *visit) string { return v.get("/.ok") }},
		{
			does: "a ping frame (RFC 6455 §5.5.2)", reference: "a pong frame",
			run: func(v *visit) string {
				c := v.connect()
				if c.ws == nil || c.ping() != nil {
					return "none"
				}
				return "a pong frame"
			},
		},
		{
			does: "register in a binary frame", spec: "JSON in data frames", reference: "accept first, as text",
			run: binary,
		},
		{
			does: "register in three fragments (RFC 6455 §5.4)", reference: "accept first",
			run: func(v *visit) string {
				c := v.connect()
				c.write(websocket.MessageText, `{"type":"reg`, `ister","roomId":`, `"`+v.room+`"}`)
				return c.next()
			},
		},
		{
			does: "the end of a message that the server made", reference: `"\n"`,
			run: func(v *visit) string {
				c := v.connect()
				c.register(v.room, "")
				f, none := c.receive()
				return none + fmt.Sprintf("%q", f.text[strings.LastIndex(f.text, "}")+1:])
			},
		},
		{
			does: "messages of the largest size, and one byte more", reference: s.limitWords(referenceLimit),
			better: []better{{s.limitWords(s.limit), "less memory for a stranger to fill; WS_MAX_MESSAGE=1MiB is as the reference"}},
			run:    func(v *visit) string { return v.largest() },
		},
	}
}

func opens(v *visit) string {
	c := v.open(&websocket.DialOptions{Subprotocols: []string{"ayame"}, CompressionMode: websocket.CompressionContextTakeover}, false)
	switch {
	case c.ws == nil:
		return c.how
	case c.ws.Subprotocol() != "":
		return "open, with the subprotocol"
	case c.extensions != "":
		return "open, with compression"
	default:
		return "open, without either"
	}
}

// get asks for a path of the server with plain HTTP.
func (s *suite) get(ctx context.Context, path string) string {
	u := url.URL{Scheme: strings.Replace(s.url.Scheme, "ws", "http", 1), Host: s.url.Host, Path: path}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "no request"
	}
	resp, err := s.http().Do(req)
	if err != nil {
		return "no answer"
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReadBytes))
	_ = resp.Body.Close()
	if err == nil && resp.StatusCode == http.StatusOK && len(body) == 0 {
		return "200, empty"
	}
	return fmt.Sprint(resp.StatusCode)
}

func (s *suite) limitWords(n int) string {
	return fmt.Sprintf("%d bytes: accept first; %d: close 1009", n, n+1)
}

// largest registers with a message of the largest size, and then, as somebody
// else, with one that is a byte longer.
func (v *visit) largest() string {
	register := `{"type":"register","roomId":"` + v.room + `","authnMetadata":"`
	words := make([]string, 0, 2)
	for _, size := range []int{v.limit, v.limit + 1} {
		c := v.connect()
		c.send(register + strings.Repeat("x", size-len(register)-2) + `"}`)
		words = append(words, fmt.Sprintf("%d%s: %s", size, map[bool]string{true: " bytes"}[size == v.limit], c.next()))
	}
	return strings.Join(words, "; ")
}

// binary registers in a binary frame.
func binary(v *visit) string {
	c := v.connect()
	c.write(websocket.MessageBinary, `{"type":"register","roomId":"`+v.room+`"}`)
	f, none := c.receive()
	if none != "" {
		return none
	}
	return describe(f.text) + map[bool]string{true: ", as binary", false: ", as text"}[f.binary]
}
