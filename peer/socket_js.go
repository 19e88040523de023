package peer

import (
	"context"
	"errors"
	"syscall/js"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// maxUnread is how many messages of a server may wait for us. The browser
// cannot slow a server down: one that sends more at once is left.
const maxUnread = 64

// closeAbnormal stands for a connection that ended without a close frame (RFC
// 6455 §7.4.1).
const closeAbnormal = 1006

var (
	errSocket    = errors.New("the WebSocket failed") // browsers do not say why, on purpose
	errTooMuch   = errors.New("the server sends too much")
	errBadSocket = errors.New("the browser refuses to open this WebSocket")
)

// socket is a WebSocket to a server; socket_notjs.go has its twin. Who dialled
// it must close it.
type socket struct {
	// messages are those of the server, in order. It is closed when the socket
	// is lost; fault says why.
	messages chan string

	ws     js.Value
	events listeners
	reason error // why messages was closed
}

// dial opens the WebSocket at url.
func dial(ctx context.Context, url string) (*socket, error) {
	ws, err := newWebSocket(url)
	if err != nil {
		return nil, &unreachableError{err}
	}
	s := &socket{messages: make(chan string, maxUnread), ws: ws}
	opened := make(chan struct{})
	lost := make(chan struct{})
	s.events.on(ws, "open", func(js.Value) { close(opened) })
	s.events.on(ws, "message", s.take)
	s.events.on(ws, "close", func(event js.Value) {
		s.lose(closeFault(event))
		close(lost)
	})
	select {
	case <-opened:
		return s, nil
	case <-lost:
		s.close()
		return nil, s.reason
	case <-ctx.Done():
		s.close()
		return nil, context.Cause(ctx)
	}
}

// newWebSocket calls the constructor, which throws where the address or the
// page's policy forbids it.
func newWebSocket(url string) (ws js.Value, err error) {
	defer func() {
		if _, ok := recover().(js.Error); ok {
			err = errBadSocket
		}
	}()
	return js.Global().Get("WebSocket").New(url), nil
}

// take queues one message for the Go side. It runs in a callback of the
// browser, and so never blocks.
func (s *socket) take(event js.Value) {
	data := event.Get("data")
	if s.reason != nil || data.Type() != js.TypeString {
		return
	}
	text := data.String() // the browser holds it already; a js.Value of a string has no Length
	if len(text) > wire.MaxMessageBytes {
		return
	}
	select {
	case s.messages <- text:
	default:
		s.lose(&unreachableError{errTooMuch})
	}
}

// lose ends messages, once.
func (s *socket) lose(reason error) {
	if s.reason == nil {
		s.reason = reason
		close(s.messages)
	}
}

// closeFault is what a close event means to who called Connect.
func closeFault(event js.Value) error {
	if code := event.Get("code").Int(); code != closeAbnormal {
		return &closedError{wire.CloseCode(code), event.Get("reason").String()}
	}
	return &unreachableError{errSocket}
}

// fault is why messages was closed.
func (s *socket) fault() error { return s.reason }

// send writes one message. A failure shows as the end of messages: an open
// WebSocket takes everything, a closed one ignores it.
func (s *socket) send(_ context.Context, text string) { s.ws.Call("send", text) }

// close leaves the server. The browser goes on until the close handshake is
// done; nothing of ours hears of it any more.
func (s *socket) close() {
	s.events.release()
	s.ws.Call("close", int(wire.CloseNormal))
}

// listeners are the callbacks that we have given to the browser.
type listeners struct{ undo []func() }

// on calls do for every event of that name at target, until release.
func (l *listeners) on(target js.Value, name string, do func(event js.Value)) {
	f := js.FuncOf(func(_ js.Value, args []js.Value) any {
		do(args[0])
		return nil
	})
	target.Call("addEventListener", name, f)
	l.undo = append(l.undo, func() {
		target.Call("removeEventListener", name, f)
		f.Release()
	})
}

// told does nothing: browsers ask nobody how good an address is.
func (*listeners) told(string) {}

// release takes every callback back.
func (l *listeners) release() {
	for _, undo := range l.undo {
		undo()
	}
	l.undo = nil
}
