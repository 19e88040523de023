package turnsvc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// Why a request is not authenticated, beside ErrMalformed and ErrExpired.
var (
	errRealm    = errors.New("another realm")
	errPassword = errors.New("wrong password")
	errOwner    = errors.New("the allocation is another user's")
	errEnding   = errors.New("the allocation is about to end")
)

// authenticate is pion's AuthHandler: it returns the key (RFC 8489 §9.2.2) with
// which the request at hand is signed, or false.
func (d *door) authenticate(username, realm string, client net.Addr) ([]byte, bool) {
	key, err := d.key(username, realm, gate.AddrPort(client))
	if err != nil {
		d.srv.count.auth.Add(1)
		d.srv.log.Debug("turn request refused", "client", client.String(), "username", username, "why", err.Error())
		return nil, false
	}
	return key, true
}

func (d *door) key(username, realm string, client netip.AddrPort) ([]byte, error) {
	if realm != d.srv.cfg.Realm {
		return nil, errRealm
	}
	credential, err := d.srv.verifier.Check(username)
	expired := errors.Is(err, ErrExpired)
	if err != nil && !expired {
		return nil, err
	}
	request, err := d.request()
	if err != nil {
		return nil, err
	}
	held := d.at(client)
	if err := d.entitled(request, username, expired, held); err != nil {
		return nil, err
	}
	for _, password := range credential.Passwords {
		key := stun.NewLongTermIntegrity(username, realm, password)
		if key.Check(request) != nil {
			continue
		}
		if held != nil && request.Type.Method == stun.MethodRefresh {
			held.ends = time.Now().Add(lifetime(request))
		}
		return key, nil
	}
	return nil, errPassword
}

// entitled decides who may do what: a new allocation needs a credential that has
// not expired; what is done with an allocation must come from the user who made
// it (RFC 8656 §5), who may go on with the credential it was made with.
func (d *door) entitled(request *stun.Message, username string, expired bool, held *grant) error {
	method := request.Type.Method
	switch {
	case held == nil || method == stun.MethodAllocate:
		if expired {
			return ErrExpired
		}
		return nil
	case held.username != username:
		return errOwner
	case expired && d.srv.cfg.now().Sub(held.made) >= maxOverstay:
		return ErrExpired
	case method == stun.MethodRefresh && lifetime(request) == 0:
		return nil
	case time.Until(held.ends) < lastMoments:
		return errEnding
	}
	return nil
}

// request is the message at hand, in memory of its own.
func (d *door) request() (*stun.Message, error) {
	m := &stun.Message{Raw: slices.Clone(d.message)}
	if err := m.Decode(); err != nil {
		return nil, fmt.Errorf("decode request: %w", err)
	}
	return m, nil
}

// requestedEnd is when the allocation of the request at hand will end.
func (d *door) requestedEnd() time.Time {
	request, err := d.request()
	if err != nil {
		return time.Now() // not possible: pion has decoded it
	}
	return time.Now().Add(lifetime(request))
}

// lifetime is what pion v4.1.4 makes of the LIFETIME attribute (RFC 8656 §18.2):
// what was asked for if that is less than an hour, else the default of 10 minutes.
func lifetime(m *stun.Message) time.Duration {
	v, err := m.Get(stun.AttrLifetime)
	if err == nil && len(v) == 4 {
		if d := time.Duration(binary.BigEndian.Uint32(v)) * time.Second; d < time.Hour {
			return d
		}
	}
	return 10 * time.Minute
}
