package signal

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/daytime"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// A resume token says all that is needed to build its room anew, so that it
// outlives the process that has sealed it:
//
//	base64url( boot 8 | issued 8 | flags 1 | alias | seal 16 )
//
// boot is a random number of the process, issued the time in nanoseconds since
// 1970, alias the name by which TURN knows the room, if an application has named
// it. The seal is a MAC over all that and over what the client says beside the
// token: the room's id and its own. Nothing in it is secret.
const (
	bootBytes   = 8
	issuedBytes = 8
	sealBytes   = 16
	tokenBytes  = bootBytes + issuedBytes + 1 + sealBytes

	// maxAlias is how long an alias may be so that a token is not longer than
	// wire.MaxTokenBytes.
	maxAlias = wire.MaxTokenBytes*6/8 - tokenBytes

	// tokenLife is how long a token is good for.
	tokenLife = 24 * time.Hour
)

// The flags of a token.
const (
	flagSideB byte = 1 << iota
	flagStandalone
	flagRefresh
	flagEarly
	flagHidden
	flagReports
)

// past is what a token of an earlier process says.
type past struct {
	side   wire.Side
	claim  claim
	issued int64  // of two tokens of one seat, the later one counts
	alias  string // empty: the room's id is one of ours
	own    bool   // this very process has sealed it: it kept the room, until another node did

	expires time.Time // until when the id of the room admits, if it is one of ours
}

// notary seals tokens, and reads those of the processes before.
type notary struct {
	seal func(text []byte) [sealBytes]byte
	boot [bootBytes]byte
	born int64        // when this process started
	last atomic.Int64 // when the last token was issued: no two are alike
	// clock is not the wall clock: that may be set back, and what was issued before is
	// to be earlier than what is issued after.
	clock *daytime.Clock

	fleet bool // other processes that live seal tokens for our rooms
}

// newNotary takes the seal of Config. Without one, tokens do not outlive us.
func newNotary(seal func([]byte) [sealBytes]byte, fleet bool) *notary {
	n := &notary{seal: seal, clock: daytime.New(), fleet: fleet && seal != nil}
	n.born = n.clock.Counted().UnixNano()
	rand.Read(n.boot[:]) // never fails
	if seal == nil {
		key := []byte(rand.Text())
		n.seal = func(text []byte) [sealBytes]byte {
			mac := hmac.New(sha256.New, key)
			mac.Write(text)
			return [sealBytes]byte(mac.Sum(nil))
		}
	}
	return n
}

// token is a new one for a seat that was taken.
func (n *notary) token(s *seat) string {
	text := make([]byte, 0, tokenBytes+maxAlias)
	text = append(text, n.boot[:]...)
	text = binary.BigEndian.AppendUint64(text, uint64(n.issue()))
	text = append(text, s.flags())
	if s.room.named {
		text = append(text, s.room.alias...)
	}
	mac := n.seal(sealed(text, s.RoomID, s.said))
	return encoding().EncodeToString(append(text, mac[:]...))
}

// issue is now, or a little later than the last time that it was asked.
func (n *notary) issue() int64 {
	for {
		last := n.last.Load()
		now := max(n.clock.Counted().UnixNano(), last+1)
		if n.last.CompareAndSwap(last, now) {
			return now
		}
	}
}

// read is what the token of a registration says; nil if no process before this
// one has sealed it for that room and that client, or if it was too long ago. What was
// issued since this process started is of a server that is still there. One from the
// future is good as one from the past is: the clock was set back since, or was wrong
// when the process before started.
func (n *notary) read(reg *registration) *past {
	raw, err := encoding().DecodeString(reg.ResumeToken)
	if err != nil || len(raw) < tokenBytes {
		return nil
	}
	text, mac := raw[:len(raw)-sealBytes], raw[len(raw)-sealBytes:]
	if right := n.seal(sealed(text, reg.RoomID, reg.ClientID)); !hmac.Equal(mac, right[:]) {
		return nil
	}
	issued := int64(binary.BigEndian.Uint64(text[bootBytes:]))
	own := [bootBytes]byte(text) == n.boot
	age := n.clock.Counted().Sub(time.Unix(0, issued))
	there := own || issued >= n.born && age >= 0
	if there && !n.fleet || age > tokenLife || age < -tokenLife {
		return nil
	}
	flags, alias := text[bootBytes+issuedBytes], text[bootBytes+issuedBytes+1:]
	p := &past{side: wire.SideA, issued: issued, alias: string(alias), own: own, claim: reg.claim()}
	if flags&flagSideB != 0 {
		p.side = wire.SideB
	}
	p.claim.resume = true
	p.claim.standalone = flags&flagStandalone != 0
	p.claim.refresh = flags&flagRefresh != 0
	p.claim.early = flags&flagEarly != 0
	p.claim.hidden = flags&flagHidden != 0
	p.claim.reports = flags&flagReports != 0
	return p
}

// flags are those of the seat's token.
func (s *seat) flags() (flags byte) {
	for _, f := range []struct {
		flag byte
		set  bool
	}{
		{flagSideB, s.side == wire.SideB},
		{flagStandalone, s.standalone},
		{flagRefresh, s.refresh},
		{flagEarly, s.early},
		{flagHidden, s.hidden},
		{flagReports, s.reports},
	} {
		if f.set {
			flags |= f.flag
		}
	}
	return flags
}

// sealed is what the seal of a token is over: no two tokens, rooms and clients
// share a text, because the lengths of the first two, which are less than 256,
// are part of it.
func sealed(text []byte, roomID, clientID string) []byte {
	all := make([]byte, 0, 2+len(text)+len(roomID)+len(clientID))
	all = append(append(all, byte(len(text))), text...)
	all = append(append(all, byte(len(roomID))), roomID...)
	return append(all, clientID...)
}

// encoding is strict: each token has one spelling.
func encoding() *base64.Encoding { return base64.RawURLEncoding.Strict() }
