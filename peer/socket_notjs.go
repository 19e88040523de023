//go:build !js

package peer

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

const (
	// writeTimeout is how long one message to a server may take; a server that
	// reads more slowly than that is lost.
	writeTimeout = 5 * time.Second

	// closeTimeout is how long a server may take to agree to a close.
	closeTimeout = time.Second
)

// socket is a WebSocket to a server; socket_js.go has its twin. One goroutine
// reads it. Who dialled it must close it.
type socket struct {
	// messages are those of the server, in order. It is closed when the socket
	// is lost; fault says why.
	messages <-chan string

	conn    *websocket.Conn
	cut     context.CancelFunc // ends the connection at once
	leaving chan struct{}      // closed when nobody takes messages any more
	done    chan struct{}      // closed when the reader has ended
	reason  error              // why it ended; settled before messages is closed
}

// dial opens the WebSocket at url.
func dial(ctx context.Context, url string) (*socket, error) {
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	conn, response, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		if response != nil {
			_ = response.Body.Close()
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &unreachableError{err}
	}
	return newSocket(ctx, conn), nil
}

// newSocket begins to read conn.
func newSocket(ctx context.Context, conn *websocket.Conn) *socket {
	conn.SetReadLimit(wire.MaxMessageBytes)
	reading, cut := context.WithCancel(context.WithoutCancel(ctx))
	messages := make(chan string)
	s := &socket{messages: messages, conn: conn, cut: cut, leaving: make(chan struct{}), done: make(chan struct{})}
	go s.read(reading, messages) // close waits for it
	return s
}

// read hands on what the server says until the connection ends. Who takes it
// slowly slows the server down.
func (s *socket) read(ctx context.Context, messages chan<- string) {
	defer close(s.done)
	defer close(messages)
	for {
		_, data, err := s.conn.Read(ctx)
		if err != nil {
			s.reason = closeFault(err)
			return
		}
		select {
		case messages <- string(data):
		case <-s.leaving:
		}
	}
}

// closeFault is what the end of a connection means to who called Connect.
func closeFault(err error) error {
	if closed, ok := errors.AsType[websocket.CloseError](err); ok {
		return &closedError{wire.CloseCode(closed.Code), closed.Reason}
	}
	return &unreachableError{err}
}

// fault is why messages was closed.
func (s *socket) fault() error { return s.reason }

// send writes one message. A failure shows as the end of messages. It ignores
// the end of ctx, which would cut the connection in the middle.
func (s *socket) send(ctx context.Context, text string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	_ = s.conn.Write(ctx, websocket.MessageText, []byte(text))
}

// close leaves the server, and returns when the reader has ended. A server
// that does not agree in time is cut off.
func (s *socket) close() {
	close(s.leaving)
	timer := time.AfterFunc(closeTimeout, s.cut)
	_ = s.conn.Close(websocket.StatusCode(wire.CloseNormal), wire.ReasonDone)
	timer.Stop()
	s.cut()
	<-s.done
}
