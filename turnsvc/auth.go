package turnsvc

import (
	"errors"
	"time"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/internal/arrivals"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// user is who has signed a request.
type user struct {
	member
	key     []byte // signs the answer (RFC 8489 §9.2.2)
	expired bool   // the credential opens nothing new
}

// refusal is an error answer (RFC 8489 §14.8), or silence.
type refusal struct {
	code      stun.ErrorCode // 0: silence
	challenge bool           // with REALM and NONCE, for the client to try again
	unknown   []stun.AttrType
}

// Codes that package stun has no name for: RFC 8656 §19.
const codeForbidden stun.ErrorCode = 403

func refuse(code stun.ErrorCode) *refusal { return &refusal{code: code} }

func challenge(code stun.ErrorCode) *refusal { return &refusal{code: code, challenge: true} }

func silence() *refusal { return &refusal{} }

// authenticate finds out who has signed a request, in the order of
// RFC 8489 §9.2.4. Whoever has no valid nonce is a stranger, of whom only so
// many are answered; a wrong guess costs more.
func (d *door) authenticate(r *request) (*user, *refusal) {
	if !r.signed {
		return nil, d.stranger(r, challenge(stun.CodeUnauthorized))
	}
	username, ok1 := r.text(stun.AttrUsername)
	realm, ok2 := r.text(stun.AttrRealm)
	nonce, ok3 := r.text(stun.AttrNonce)
	switch {
	case !ok1 || !ok2 || !ok3:
		return nil, d.stranger(r, refuse(stun.CodeBadRequest))
	case !d.srv.nonces.valid(nonce, r.client):
		return nil, d.stranger(r, challenge(stun.CodeStaleNonce))
	}
	u, err := d.identify(r, username, realm)
	if err != nil {
		d.srv.count.auth.Add(1)
		d.srv.log.Debug("turn request refused", "client", r.client.String(), "username", username, "why", err.Error())
		d.rejected(r, username, err)
		return nil, d.guess(r, challenge(stun.CodeUnauthorized))
	}
	return u, nil
}

// Why a request is not authenticated, beside ErrMalformed and ErrExpired.
var (
	errRealm    = errors.New("another realm")
	errPassword = errors.New("wrong password")
	errRevoked  = errors.New("revoked")
	errPlain    = errors.New("not the credential of a room")
	errNode     = errors.New("for another server of the fleet")
)

// identify finds the secret that fits.
func (d *door) identify(r *request, username, realm string) (*user, error) {
	if realm != d.srv.cfg.Realm {
		return nil, errRealm
	}
	secrets, now := d.srv.secrets.now.Load(), d.srv.cfg.now()
	credential, err := Verifier{Secrets: secrets.list, Now: d.srv.cfg.asOf}.Check(username)
	expired := errors.Is(err, ErrExpired)
	if err != nil && !expired {
		return nil, err
	}
	for i, password := range credential.Passwords {
		retired, serves := secrets.retiredAt(i, now)
		key := stun.NewLongTermIntegrity(username, realm, password)
		if !serves || key.Check(r.Message) != nil {
			continue
		}
		d.srv.count.secrets[min(i, CountedSecrets-1)].Add(1)
		secrets.used[i].Store(now.Unix())
		u := &user{member: readMember(credential.Claims, secrets.list[i]), key: key, expired: expired || retired}
		return u, d.entitled(r, u)
	}
	return nil, errPassword
}

// entitled decides whether a right signature is enough: a credential that has
// expired still serves the live allocation of its user, for a time.
func (d *door) entitled(r *request, u *user) error {
	now := d.srv.cfg.now()
	if u.expired {
		held := d.at(r.client)
		if held == nil || held.owner != u.owner || r.Type.Method == stun.MethodAllocate || now.Sub(held.made) >= maxOverstay {
			return ErrExpired
		}
	}
	switch {
	case d.srv.cfg.Peers == PeersRoom && u.room == "":
		return errPlain
	case d.srv.rooms.isRevoked(&u.member, d.srv.cfg.asOf()):
		return errRevoked
	case r.Type.Method == stun.MethodAllocate && !u.goodAt(d.srv.cfg.Node):
		return errNode
	}
	return nil
}

// stranger answers one who has shown nothing yet, if there is budget for his
// address.
func (d *door) stranger(r *request, answer *refusal) *refusal { return d.spend(r, 1, answer) }

// guess answers one whose credential is wrong.
func (d *door) guess(r *request, answer *refusal) *refusal {
	return d.spend(r, gate.GuessCost, answer)
}

func (d *door) spend(r *request, cost int, answer *refusal) *refusal {
	if !d.srv.strangers.AllowN(arrivals.Source(r.client.Addr()), cost, time.Now()) {
		return silence()
	}
	return answer
}
