//go:build !js

package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	pion "github.com/pion/transport/v4"
)

// relayHeadStart is how long a relay has to answer by UDP before we go to one by TCP,
// and by TCP before we go to one by TLS; as those do who have IPv6 beside IPv4
// (RFC 8305 §5). What is not needed is not asked for: all of our relays would check
// at once, and whoever of them is heard first is what pion's answerer settles for, as
// it does not read which one we like better (PRIORITY, RFC 8445 §7.1.1). One in three
// chats through a relay went by TCP though UDP works, where a lost packet holds up all
// that come after it.
const relayHeadStart = 250 * time.Millisecond

// heardOf is how long before we look a relay may have answered: names are looked up
// meanwhile. It is less than ICE takes to notice that nothing comes any more.
const heardOf = time.Second

const (
	// answerTime is how long a relay that has taken our connection by TCP has to
	// answer before we go to one by TLS: what is lost of the request or the answer is
	// sent again after 200 ms or more.
	answerTime = time.Second

	// dialAgain is how long a connection has to be taken before another one is tried
	// beside it, and dialTries how often: a SYN that is lost is sent again after a
	// second (RFC 6298 §2), and by then we would have gone to a relay by TLS for good.
	// Chromium does the same for whatever it loads.
	dialAgain = 100 * time.Millisecond
	dialTries = 3
)

// errNotNeeded ends an attempt that has a better one before it.
var errNotNeeded = errors.New("a better transport reaches the relay")

// DialTCP opens the connection to a relay, if nothing better leads there. Nothing else
// is dialled: frames go by UDP.
func (u *underlay) DialTCP(network string, _, to *net.TCPAddr) (pion.TCPConn, error) {
	recently := time.Now().Add(-heardOf)
	if !u.pause() {
		return nil, net.ErrClosed
	}
	if u.tls[to.Port] && !u.udp.since(recently) {
		if err := u.awaitTCP(recently); err != nil {
			return nil, err
		}
	}
	if u.udp.since(recently) {
		return nil, errNotNeeded
	}
	conn, err := u.dial(u.family(network), to)
	if err != nil {
		return nil, err
	}
	if u.tls[to.Port] {
		return conn, nil
	}
	u.reached.now()
	return &heardStream{conn, &u.tcp}, nil
}

// awaitTCP lets the relays by TCP have their head start before those by TLS.
func (u *underlay) awaitTCP(recently time.Time) error {
	for waited := relayHeadStart; ; waited += relayHeadStart {
		if !u.pause() {
			return net.ErrClosed
		}
		switch {
		case u.tcp.since(recently):
			return errNotNeeded
		case !u.reached.since(recently) || waited >= answerTime:
			return nil
		}
	}
}

// pause lets a better transport have its head start; false if all is over.
func (u *underlay) pause() bool {
	start := time.NewTimer(relayHeadStart)
	defer start.Stop()
	select {
	case <-start.C:
		return true
	case <-u.done:
		return false
	}
}

// dial opens a connection, until all is over.
func (u *underlay) dial(network string, to *net.TCPAddr) (*net.TCPConn, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ends with the dialling
		select {
		case <-u.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	return hedge(ctx, func(ctx context.Context) (*net.TCPConn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, to.String())
		if err != nil {
			return nil, err
		}
		return conn.(*net.TCPConn), nil
	})
}

// hedge dials, and again beside that each time that there is no answer for a while. The
// first answer counts, also if it is an error: somebody refuses.
func hedge[C io.Closer](ctx context.Context, dial func(context.Context) (C, error)) (C, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends all others
	type answer struct {
		conn C
		err  error
	}
	answers := make(chan answer)
	try := func() {
		conn, err := dial(ctx)
		select {
		case answers <- answer{conn, err}:
		case <-ctx.Done():
			if err == nil {
				_ = conn.Close() // it came too late
			}
		}
	}
	go try()
	again := time.NewTicker(dialAgain)
	defer again.Stop()
	for tries := 1; ; {
		select {
		case first := <-answers:
			return first.conn, first.err
		case <-ctx.Done():
			var none C
			return none, ctx.Err()
		case <-again.C:
			if tries < dialTries {
				tries++
				go try()
			}
		}
	}
}

// heardStream is a connection to a relay.
type heardStream struct {
	pion.TCPConn

	heard *lastHeard
}

// Read takes note.
func (h *heardStream) Read(p []byte) (int, error) {
	n, err := h.TCPConn.Read(p)
	if err == nil {
		h.heard.now()
	}
	return n, err
}
