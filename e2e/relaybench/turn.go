//go:build linux

package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
	"golang.org/x/sys/unix"
)

// The credential that every server gives a relay for (TURN REST API,
// draft-uberti-behave-turn-rest).
const (
	turnSecret   = "a secret for benchmarks"
	turnRealm    = "relaybench"
	turnUser     = "2000000000:bench"     // until 2033: coturn knows no time that does not fit 31 bits
	answerWait   = 300 * time.Millisecond // then a datagram is sent again
	maxTries     = 5
	maxAnswer    = 2048
	stunHead     = 20
	requestUDP   = 17 // REQUESTED-TRANSPORT, RFC 8656 §18.8
	staleNonce   = stun.CodeStaleNonce
	unauthorized = stun.CodeUnauthorized
)

var errNoAnswer = errors.New("no answer")

// turnClient is what a client of a TURN server does besides sending data, over a
// socket that somebody else owns.
type turnClient struct {
	fd     int
	stream bool
	nonce  stun.Nonce
	realm  stun.Realm
}

func turnPassword() string {
	mac := hmac.New(sha1.New, []byte(turnSecret))
	_, _ = io.WriteString(mac, turnUser) // never fails
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// allocate asks for a relay (RFC 8656 §7) and returns its address.
func (c *turnClient) allocate() (netip.AddrPort, error) {
	answer, err := c.ask(stun.MethodAllocate, stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{requestUDP, 0, 0, 0}})
	if err != nil {
		return netip.AddrPort{}, err
	}
	var x stun.XORMappedAddress
	if err := x.GetFromAs(answer, stun.AttrXORRelayedAddress); err != nil {
		return netip.AddrPort{}, fmt.Errorf("answer to Allocate: %w", err)
	}
	ip, _ := netip.AddrFromSlice(x.IP)
	return netip.AddrPortFrom(ip.Unmap(), uint16(x.Port)), nil
}

// bind binds the channel to a peer (RFC 8656 §12).
func (c *turnClient) bind(peer netip.AddrPort) error {
	_, err := c.ask(stun.MethodChannelBind,
		stun.RawAttribute{Type: stun.AttrChannelNumber, Value: []byte{channelNumber >> 8, channelNumber & 0xff, 0, 0}}, peerAddress(peer))
	return err
}

// release ends the allocation: Refresh with a lifetime of 0 (RFC 8656 §8).
func (c *turnClient) release() error {
	_, err := c.ask(stun.MethodRefresh, stun.RawAttribute{Type: stun.AttrLifetime, Value: make([]byte, 4)})
	return err
}

// ask sends a request with the credential, of which the server first tells the
// realm and the nonce.
func (c *turnClient) ask(method stun.Method, attributes ...stun.Setter) (*stun.Message, error) {
	for range 3 {
		setters := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attributes...)
		if c.nonce != nil {
			setters = append(setters, stun.NewUsername(turnUser), c.realm, c.nonce, stun.NewLongTermIntegrity(turnUser, c.realm.String(), turnPassword()))
		}
		answer, err := c.roundTrip(setters)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", method, err)
		}
		if answer.Type.Class == stun.ClassSuccessResponse {
			return answer, nil
		}
		var fault stun.ErrorCodeAttribute
		if err := fault.GetFrom(answer); err != nil {
			return nil, fmt.Errorf("%v: %w", method, err)
		}
		if fault.Code != unauthorized && fault.Code != staleNonce {
			return nil, fmt.Errorf("%v: %d %s", method, fault.Code, fault.Reason)
		}
		if err := answer.Parse(&c.realm, &c.nonce); err != nil {
			return nil, fmt.Errorf("%v: %w", method, err)
		}
	}
	return nil, fmt.Errorf("%v: the credential is refused", method)
}

// roundTrip sends a message, over UDP until it is answered.
func (c *turnClient) roundTrip(setters []stun.Setter) (*stun.Message, error) {
	request, err := stun.Build(setters...)
	if err != nil {
		return nil, err
	}
	for try := range maxTries {
		if try == 0 || !c.stream {
			if _, err := unix.Write(c.fd, request.Raw); err != nil && !errors.Is(err, unix.ECONNREFUSED) { // the server is about to start
				return nil, err
			}
		}
		for until := monotonic() + answerWait; ; {
			raw, err := c.read(until)
			if errors.Is(err, errNoAnswer) || errors.Is(err, unix.ECONNREFUSED) {
				waitUntil(until)
				break
			}
			if err != nil {
				return nil, err
			}
			answer := &stun.Message{Raw: raw}
			if answer.Decode() == nil && answer.TransactionID == request.TransactionID {
				return answer, nil
			}
		}
	}
	return nil, errNoAnswer
}

// read reads one message.
func (c *turnClient) read(until time.Duration) ([]byte, error) {
	if !c.stream {
		message := make([]byte, maxAnswer)
		n, err := c.readSome(message, until)
		return message[:n], err
	}
	message := make([]byte, stunHead+maxAnswer)
	if err := c.readFull(message[:stunHead], until); err != nil {
		return nil, err
	}
	body := int(binary.BigEndian.Uint16(message[2:]))
	if body > maxAnswer {
		return nil, fmt.Errorf("an answer of %d bytes", body)
	}
	message = message[:stunHead+body]
	return message, c.readFull(message[stunHead:], until)
}

func (c *turnClient) readFull(p []byte, until time.Duration) error {
	for got := 0; got < len(p); {
		n, err := c.readSome(p[got:], until)
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		got += n
	}
	return nil
}

// readSome waits for something to read.
func (c *turnClient) readSome(p []byte, until time.Duration) (int, error) {
	for {
		left := until - monotonic()
		if left <= 0 {
			return 0, errNoAnswer
		}
		ready := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(ready, int(left.Milliseconds())+1); err != nil && !errors.Is(err, unix.EINTR) {
			return 0, err
		}
		n, err := unix.Read(c.fd, p)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			continue
		}
		return max(n, 0), err
	}
}

// peerAddress is an XOR-PEER-ADDRESS (RFC 8656 §18.3).
type peerAddress netip.AddrPort

// AddTo implements stun.Setter.
func (p peerAddress) AddTo(m *stun.Message) error {
	ap := netip.AddrPort(p)
	x := stun.XORMappedAddress{IP: ap.Addr().AsSlice(), Port: int(ap.Port())}
	return x.AddToAs(m, stun.AttrXORPeerAddress)
}
