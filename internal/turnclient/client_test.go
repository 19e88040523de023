package turnclient

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"
)

// datagrams is a pipe that counts as a UDP socket: each write is read by itself.
type datagrams struct{ net.Conn }

func (d datagrams) ReadFrom(p []byte) (int, net.Addr, error) {
	n, err := d.Read(p)
	return n, d.RemoteAddr(), err
}

func (d datagrams) WriteTo(p []byte, _ net.Addr) (int, error) { return d.Write(p) }

// kind makes a pipe a socket, or leaves it a stream.
func kind(pipe net.Conn, udp bool) net.Conn {
	if udp {
		return datagrams{pipe}
	}
	return pipe
}

// asks returns a client, whose requests answer is given; what it returns is sent
// back, one after the other.
func asks(t *testing.T, udp bool, answer func(m *stun.Message) []*stun.Message) *Client {
	t.Helper()
	near, far := net.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p := make([]byte, maxMessageBytes)
		for {
			n, err := far.Read(p)
			if err != nil {
				return
			}
			m := &stun.Message{Raw: append([]byte{}, p[:n]...)}
			if err := m.Decode(); err != nil {
				t.Errorf("the client sends %x: %v", p[:n], err)
				return
			}
			for _, a := range answer(m) {
				if _, err := far.Write(a.Raw); err != nil {
					return
				}
			}
		}
	}()
	c := New(kind(near, udp), Config{Username: "user", Password: "password"})
	t.Cleanup(func() {
		_ = c.Close()
		_ = far.Close()
		<-ended
	})
	return c
}

func build(t *testing.T, setters ...stun.Setter) *stun.Message {
	t.Helper()
	m, err := stun.Build(setters...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// says is an answer to a request.
func says(t *testing.T, to *stun.Message, class stun.MessageClass, attrs ...stun.Setter) *stun.Message {
	t.Helper()
	return build(t, append([]stun.Setter{stun.NewTransactionIDSetter(to.TransactionID), stun.NewType(to.Type.Method, class)}, attrs...)...)
}

// relay is a TURN server that knows one user; its first nonce grows old at once.
func relay(t *testing.T, done func(m *stun.Message) []*stun.Message) func(m *stun.Message) []*stun.Message {
	t.Helper()
	key := stun.NewLongTermIntegrity("user", "realm", "password")
	return func(m *stun.Message) []*stun.Message {
		nonce, err := m.Get(stun.AttrNonce)
		switch {
		case err != nil:
			return []*stun.Message{says(t, m, stun.ClassErrorResponse, stun.CodeUnauthorized, stun.NewRealm("realm"), stun.NewNonce("old"))}
		case string(nonce) == "old":
			return []*stun.Message{says(t, m, stun.ClassErrorResponse, stun.CodeStaleNonce, stun.NewRealm("realm"), stun.NewNonce("new"))}
		case key.Check(m) != nil:
			return []*stun.Message{says(t, m, stun.ClassErrorResponse, stun.CodeUnauthorized, stun.NewRealm("realm"), stun.NewNonce("new"))}
		}
		return done(m)
	}
}

// address is an attribute with an address.
type address struct {
	at stun.AttrType
	to netip.AddrPort
}

func (a address) AddTo(m *stun.Message) error {
	x := stun.XORMappedAddress{IP: a.to.Addr().AsSlice(), Port: int(a.to.Port())}
	return x.AddToAs(m, a.at)
}

func here() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.1:50000") }

func TestAllocateOverEachKindOfConnection(t *testing.T) {
	t.Parallel()
	for name, udp := range map[string]bool{"datagrams": true, "a stream": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := asks(t, udp, relay(t, func(m *stun.Message) []*stun.Message {
				if m.Type.Method == stun.MethodAllocate {
					return []*stun.Message{says(t, m, stun.ClassSuccessResponse, address{stun.AttrXORRelayedAddress, here()})}
				}
				return []*stun.Message{ // data comes before the answer, and something that nobody asked for
					build(t, stun.TransactionID, stun.NewType(stun.MethodData, stun.ClassIndication), address{stun.AttrXORPeerAddress, here()}, stun.RawAttribute{Type: stun.AttrData, Value: []byte("hello")}),
					build(t, stun.TransactionID, stun.BindingSuccess),
					says(t, m, stun.ClassSuccessResponse),
				}
			}))
			if got, err := c.Allocate(t.Context(), IPv4); err != nil || got != here() {
				t.Fatalf("Allocate = %v, %v; want %v", got, err, here())
			}
			if err := c.Permit(t.Context(), here()); err != nil {
				t.Fatalf("Permit = %v", err)
			}
			if got, err := c.Receive(t.Context()); err != nil || string(got.Data) != "hello" || got.From != here() {
				t.Errorf("Receive = %+v, %v; want hello", got, err)
			}
			if err := c.Release(t.Context()); err != nil {
				t.Errorf("Release = %v", err)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	c := asks(t, true, relay(t, func(m *stun.Message) []*stun.Message {
		return []*stun.Message{says(t, m, stun.ClassErrorResponse, stun.ErrorCodeAttribute{Code: QuotaReached})}
	}))
	_, err := c.Allocate(t.Context(), 0)
	if refused, ok := errors.AsType[*RefusedError](err); !ok || refused.Code != QuotaReached {
		t.Errorf("Allocate = %v, want a refusal with 486", err)
	}
	stranger := asks(t, true, relay(t, nil))
	stranger.cfg.Password = "guessed"
	_, err = stranger.Allocate(t.Context(), 0)
	if refused, ok := errors.AsType[*RefusedError](err); !ok || refused.Code != Unauthorized {
		t.Errorf("Allocate with a wrong password = %v, want a refusal with 401", err)
	}
}

// TestSilence holds how often a request is sent, and that it ends by itself over
// datagrams, with its context over a stream.
func TestSilence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		udp   bool
		sends int64
		takes time.Duration
	}{
		{"over datagrams", true, maxSends, 15 * firstWait},
		{"over a stream", false, 1, time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var sends atomic.Int64
				began := time.Now()
				client := asks(t, c.udp, func(*stun.Message) []*stun.Message { sends.Add(1); return nil })
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if _, err := client.Bind(ctx); !errors.Is(err, ErrNoAnswer) {
					t.Errorf("Bind = %v, want ErrNoAnswer", err)
				}
				if took := time.Since(began); sends.Load() != c.sends || took != c.takes {
					t.Errorf("it was sent %d times in %v, want %d in %v", sends.Load(), took, c.sends, c.takes)
				}
			})
		})
	}
}

// TestTheContextEndsIt holds that nothing waits longer than who asks, and that the
// next question is not hurt by that.
func TestTheContextEndsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var speaks atomic.Bool
		c := asks(t, true, func(m *stun.Message) []*stun.Message {
			if !speaks.Load() {
				return nil
			}
			return []*stun.Message{says(t, m, stun.ClassSuccessResponse, address{stun.AttrXORMappedAddress, here()})}
		})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		if _, err := c.Bind(ctx); !errors.Is(err, context.Canceled) || time.Since(began) != time.Second {
			t.Errorf("Bind = %v after %v, want context.Canceled after 1s", err, time.Since(began))
		}
		speaks.Store(true)
		if got, err := c.Bind(t.Context()); err != nil || got != here() {
			t.Errorf("the next Bind = %v, %v; want %v", got, err, here())
		}
	})
}

// FuzzAnswers: whatever a server sends, a question ends, and an address that comes
// of it is one.
func FuzzAnswers(f *testing.F) {
	good, err := stun.Build(stun.TransactionID, stun.BindingSuccess, &stun.XORMappedAddress{IP: net.IPv4(192, 0, 2, 1), Port: 7})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.Raw, true)
	f.Add(good.Raw, false)
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), false)
	f.Add(append([]byte{1, 1, 0xff, 0xff, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...), false)
	f.Fuzz(func(t *testing.T, raw []byte, udp bool) {
		near, far := net.Pipe()
		defer func() { _ = far.Close() }()
		go func() { // ends with the pipe
			request := make([]byte, maxMessageBytes)
			if _, err := far.Read(request); err != nil {
				return
			}
			if len(raw) >= headerBytes {
				copy(raw[8:headerBytes], request[8:headerBytes]) // as if it were the answer
			}
			_, _ = far.Write(raw)
			_ = far.Close()
		}()
		c := New(kind(near, udp), Config{})
		defer func() { _ = c.Close() }()
		if got, err := c.Bind(t.Context()); err == nil && !got.IsValid() {
			t.Errorf("Bind = %v", got)
		}
	})
}
