// Package turnclient is a small client of STUN and TURN servers (RFC 8489,
// RFC 8656) over a connection that somebody else has dialled: it asks where it
// comes from, allocates, and sends to peers and hears them by indications.
//
// It promises that nothing a server sends costs more than a bounded buffer, that
// every call ends with its context, and that over datagrams a request is sent at
// most maxSends times. Who chooses the transaction ids may recognise the requests
// elsewhere.
//
// It leaves out what a program needs that talks for long: channels, refreshing,
// and the use by several goroutines at once.
package turnclient

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/pion/stun/v3"
)

const (
	// maxMessageBytes bounds a message of the server: more than any Ethernet
	// carries.
	maxMessageBytes = 4 << 10
	// maxInbox bounds the data that came while an answer was awaited.
	maxInbox = 16
	// firstWait is how long an answer is awaited over datagrams until the request is
	// sent again; each time twice as long (RFC 8489 §6.2.1).
	firstWait = 500 * time.Millisecond
	// maxSends is how often a request is sent.
	maxSends = 4
	// maxChallenges is how often a server may ask for another nonce.
	maxChallenges = 2

	headerBytes = 20 // RFC 8489 §5
	protoUDP    = 17 // of REQUESTED-TRANSPORT: RFC 8656 §18.7
)

// ErrNoAnswer says that nothing came for a request in time. What is wrapped with
// it says why, if that is known.
var ErrNoAnswer = errors.New("no answer")

// RefusedError is an error answer.
type RefusedError struct {
	Method stun.Method
	Code   int // RFC 8489 §14.8, RFC 8656 §19
}

func (e *RefusedError) Error() string { return fmt.Sprintf("%v is refused: %d", e.Method, e.Code) }

// The codes that callers decide by.
const (
	Unauthorized = 401
	Forbidden    = 403
	NoSuchFamily = 440
	QuotaReached = 486
	NoCapacity   = 508
	staleNonce   = 438
)

// Config says who asks.
type Config struct {
	Username, Password string // of TURN; a Binding request needs none
	// Transaction names the next request; nil: at random.
	Transaction func() [stun.TransactionIDSize]byte
}

// Client speaks over one connection. It is used by one goroutine.
type Client struct {
	conn   net.Conn
	stream *bufio.Reader // nil: datagrams
	cfg    Config
	realm  stun.Realm
	nonce  stun.Nonce
	inbox  []Datum
}

// Datum is what a peer has sent.
type Datum struct {
	From netip.AddrPort
	Data []byte
}

// New is a client over conn, which it owns from now on: datagrams if its network
// is one of UDP, else a stream.
func New(conn net.Conn, cfg Config) *Client {
	if cfg.Transaction == nil {
		cfg.Transaction = stun.NewTransactionID
	}
	c := &Client{conn: conn, cfg: cfg}
	if _, datagrams := conn.(net.PacketConn); !datagrams {
		c.stream = bufio.NewReaderSize(conn, maxMessageBytes)
	}
	return c
}

// Close closes the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Bind asks where the client comes from.
func (c *Client) Bind(ctx context.Context) (netip.AddrPort, error) {
	answer, err := c.roundTrip(ctx, stun.MethodBinding)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if err := refusal(answer); err != nil {
		return netip.AddrPort{}, err
	}
	return addressOf(answer, stun.AttrXORMappedAddress)
}

// Family of a relayed transport address.
type Family byte

// The families (RFC 8489 §14.1).
const (
	IPv4 Family = 1
	IPv6 Family = 2
)

// FamilyOf is the family of an address.
func FamilyOf(ip netip.Addr) Family {
	if ip.Unmap().Is4() {
		return IPv4
	}
	return IPv6
}

// Allocate asks for a relayed transport address (RFC 8656 §7). Family 0 leaves
// the choice to the server.
func (c *Client) Allocate(ctx context.Context, family Family) (relayed netip.AddrPort, err error) {
	attrs := []stun.Setter{stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{protoUDP, 0, 0, 0}}}
	if family != 0 {
		attrs = append(attrs, stun.RawAttribute{Type: stun.AttrRequestedAddressFamily, Value: []byte{byte(family), 0, 0, 0}})
	}
	answer, err := c.ask(ctx, stun.MethodAllocate, attrs...)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return addressOf(answer, stun.AttrXORRelayedAddress)
}

// Permit lets a peer send to the relayed address (RFC 8656 §10).
func (c *Client) Permit(ctx context.Context, peer netip.AddrPort) error {
	_, err := c.ask(ctx, stun.MethodCreatePermission, peerAddress(peer))
	return err
}

// Release ends the allocation (RFC 8656 §8).
func (c *Client) Release(ctx context.Context) error {
	_, err := c.ask(ctx, stun.MethodRefresh, stun.RawAttribute{Type: stun.AttrLifetime, Value: make([]byte, 4)})
	return err
}

// Send sends data to a peer, once (RFC 8656 §11.1).
func (c *Client) Send(peer netip.AddrPort, data []byte) error {
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication),
		peerAddress(peer), stun.RawAttribute{Type: stun.AttrData, Value: data})
	if err != nil {
		return err
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(firstWait)); err != nil {
		return err
	}
	_, err = c.conn.Write(m.Raw)
	return err
}

// Receive waits until there is data of a peer.
func (c *Client) Receive(ctx context.Context) (Datum, error) {
	stop := c.endWith(ctx)
	defer stop()
	for len(c.inbox) == 0 {
		m, err := c.next(ctx, time.Time{})
		if err != nil {
			return Datum{}, fmt.Errorf("%w: %w", ErrNoAnswer, err)
		}
		c.note(m)
	}
	d := c.inbox[0]
	c.inbox = c.inbox[1:]
	return d, nil
}

// ask sends a request with the credential, once the server has said its realm and
// a nonce.
func (c *Client) ask(ctx context.Context, method stun.Method, attrs ...stun.Setter) (*stun.Message, error) {
	for challenges := 0; ; challenges++ {
		signed := attrs
		if c.nonce != nil {
			signed = append(slices.Clip(attrs), stun.NewUsername(c.cfg.Username), c.realm, c.nonce,
				stun.NewLongTermIntegrity(c.cfg.Username, c.realm.String(), c.cfg.Password))
		}
		answer, err := c.roundTrip(ctx, method, signed...)
		if err != nil {
			return nil, err
		}
		var refused *RefusedError
		if err = refusal(answer); !errors.As(err, &refused) {
			return answer, err
		}
		fresh := refused.Code == Unauthorized && c.nonce == nil || refused.Code == staleNonce
		if !fresh || challenges == maxChallenges || answer.Parse(&c.realm, &c.nonce) != nil {
			return nil, refused
		}
	}
}

// refusal is what is wrong with an answer.
func refusal(answer *stun.Message) error {
	if answer.Type.Class == stun.ClassSuccessResponse {
		return nil
	}
	var code stun.ErrorCodeAttribute
	if err := code.GetFrom(answer); err != nil {
		return fmt.Errorf("an error answer without a code: %w", err)
	}
	return &RefusedError{Method: answer.Type.Method, Code: int(code.Code)}
}

// roundTrip sends a request until it is answered.
func (c *Client) roundTrip(ctx context.Context, method stun.Method, attrs ...stun.Setter) (*stun.Message, error) {
	request, err := stun.Build(append([]stun.Setter{
		stun.NewTransactionIDSetter(c.cfg.Transaction()), stun.NewType(method, stun.ClassRequest),
	}, attrs...)...)
	if err != nil {
		return nil, err
	}
	stop := c.endWith(ctx)
	defer stop()
	var last error
	for send, wait := 0, firstWait; send < maxSends && ctx.Err() == nil; send, wait = send+1, 2*wait {
		if err := c.conn.SetWriteDeadline(time.Now().Add(wait)); err != nil {
			return nil, err
		}
		if _, err := c.conn.Write(request.Raw); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoAnswer, err)
		}
		until := time.Time{}
		if c.stream == nil {
			until = time.Now().Add(wait)
		}
		answer, err := c.await(ctx, request, until)
		if err == nil {
			return answer, nil
		}
		if last = err; c.stream != nil || !isTimeout(err) {
			break
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrNoAnswer, errors.Join(ctx.Err(), last))
}

// await reads until there is the answer to a request.
func (c *Client) await(ctx context.Context, request *stun.Message, until time.Time) (*stun.Message, error) {
	for {
		m, err := c.next(ctx, until)
		if err != nil {
			return nil, err
		}
		if m.TransactionID == request.TransactionID && m.Type.Method == request.Type.Method &&
			(m.Type.Class == stun.ClassSuccessResponse || m.Type.Class == stun.ClassErrorResponse) {
			return m, nil
		}
		c.note(m)
	}
}

// note keeps data that has come.
func (c *Client) note(m *stun.Message) {
	if m.Type != stun.NewType(stun.MethodData, stun.ClassIndication) || len(c.inbox) == maxInbox {
		return
	}
	from, err := addressOf(m, stun.AttrXORPeerAddress)
	data, lacks := m.Get(stun.AttrData)
	if err == nil && lacks == nil {
		c.inbox = append(c.inbox, Datum{From: from, Data: data})
	}
}

// next reads one message, until then; the zero time: until ctx ends.
func (c *Client) next(ctx context.Context, until time.Time) (*stun.Message, error) {
	if due, ok := ctx.Deadline(); until.IsZero() || ok && due.Before(until) {
		until = due
	}
	if err := c.conn.SetReadDeadline(until); err != nil {
		return nil, err
	}
	if ctx.Err() != nil { // endWith may have come before the deadline was set
		return nil, ctx.Err()
	}
	for {
		raw, err := c.read()
		if err != nil {
			return nil, err
		}
		m := &stun.Message{Raw: raw}
		if err := m.Decode(); err == nil {
			return m, nil
		} else if c.stream != nil {
			return nil, fmt.Errorf("not STUN: %w", err)
		}
	}
}

// read reads what may be a message.
func (c *Client) read() ([]byte, error) {
	if c.stream == nil {
		p := make([]byte, maxMessageBytes)
		n, err := c.conn.Read(p)
		return p[:n], err
	}
	header, err := c.stream.Peek(headerBytes)
	if err != nil {
		return nil, err
	}
	size := headerBytes + int(binary.BigEndian.Uint16(header[2:]))
	if !stun.IsMessage(header) || size > maxMessageBytes {
		return nil, errors.New("not STUN")
	}
	p := make([]byte, size)
	_, err = io.ReadFull(c.stream, p)
	return p, err
}

// endWith makes what is read now fail when ctx ends. After stop nothing more comes
// of it.
func (c *Client) endWith(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	forgo := context.AfterFunc(ctx, func() {
		_ = c.conn.SetDeadline(time.Unix(1, 0)) // fails only if it has ended
		close(done)
	})
	return func() {
		if !forgo() {
			<-done
		}
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// addressOf is the address in an attribute.
func addressOf(m *stun.Message, at stun.AttrType) (netip.AddrPort, error) {
	var x stun.XORMappedAddress
	if err := x.GetFromAs(m, at); err != nil {
		return netip.AddrPort{}, fmt.Errorf("answer to %v: %w", m.Type.Method, err)
	}
	ip, ok := netip.AddrFromSlice(x.IP)
	if !ok || x.Port < 0 || x.Port > 1<<16-1 {
		return netip.AddrPort{}, fmt.Errorf("answer to %v: no address", m.Type.Method)
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(x.Port)), nil
}

// peerAddress is an XOR-PEER-ADDRESS (RFC 8656 §18.3).
type peerAddress netip.AddrPort

// AddTo implements stun.Setter.
func (p peerAddress) AddTo(m *stun.Message) error {
	ap := netip.AddrPort(p)
	x := stun.XORMappedAddress{IP: ap.Addr().Unmap().AsSlice(), Port: int(ap.Port())}
	return x.AddToAs(m, stun.AttrXORPeerAddress)
}
