package turnsvc

import (
	"hash"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// Issuer mints the ephemeral credentials that a Verifier with the same secret
// accepts. The server itself is not asked, so both may run on different hosts.
type Issuer struct {
	Secret string           // the newest of Config.Secrets
	TTL    time.Duration    // until a credential expires, cut to seconds; zero: 10 min
	URLs   []string         // Server.URLs, or those of another server
	Now    func() time.Time // nil: time.Now
}

// Credentials mints a username that carries claims, the password that proves
// it, and the time at which new allocations with it end. The claims must be
// printable and short enough for MaxUsernameBytes.
func (i Issuer) Credentials(claims string) (username, proof string, expires time.Time) {
	expires = i.expiry()
	username = formatUsername(expires.Unix(), claims)
	return username, password(i.Secret, username), expires
}

// expiry is when a credential that is minted now expires.
func (i Issuer) expiry() time.Time {
	return time.Unix(now(i.Now).Add(or(i.TTL, 10*time.Minute)).Unix(), 0)
}

// RoomCredential is Credentials for one side of a room.
func (i Issuer) RoomCredential(c Claims) (username, proof string, expires time.Time) {
	return i.Credentials(string(c.appendTo(nil, tagMAC(i.Secret))))
}

// ICEServers is what a browser needs: first an entry with the STUN URLs, which
// need no credential, then one with the TURN URLs and a fresh credential. An
// entry that would have no URL is left out.
func (i Issuer) ICEServers(claims string) ([]wire.ICEServer, time.Time) {
	username, proof, expires := i.Credentials(claims)
	return i.split().with(username, proof), expires
}

// urlLists are the URLs of an issuer, apart.
type urlLists struct{ stun, turn []string }

func (i Issuer) split() (l urlLists) {
	for _, url := range i.URLs {
		if strings.HasPrefix(url, "stun") {
			l.stun = append(l.stun, url)
		} else {
			l.turn = append(l.turn, url)
		}
	}
	return l
}

func (l urlLists) with(username, proof string) []wire.ICEServer {
	servers := make([]wire.ICEServer, 0, 2)
	if len(l.stun) > 0 {
		servers = append(servers, wire.ICEServer{URLs: l.stun})
	}
	if len(l.turn) > 0 {
		servers = append(servers, wire.ICEServer{URLs: l.turn, Username: username, Credential: proof})
	}
	return servers
}

// Minter mints for the rooms of one Issuer, many times a second: what does not
// change from one credential to the next is prepared once. It is safe for
// concurrent use.
type Minter struct {
	issuer Issuer
	urls   urlLists
	macs   sync.Pool // of *macs
}

// macs are the two MACs of a secret, which keep a state.
type macs struct{ password, tag hash.Hash }

// Minter prepares to mint as i says now.
func (i Issuer) Minter() *Minter {
	m := &Minter{issuer: i, urls: i.split()}
	m.macs.New = func() any { return &macs{passwordMAC(i.Secret), tagMAC(i.Secret)} }
	return m
}

// RoomServers is Issuer.ICEServers with a credential for one side of a room.
// The lists of URLs are shared by all that it returns.
func (m *Minter) RoomServers(c Claims) ([]wire.ICEServer, time.Time) {
	prepared, _ := m.macs.Get().(*macs)
	defer m.macs.Put(prepared)
	expires := m.issuer.expiry()
	var space [160]byte // for a username with one tag and two servers
	b := append(strconv.AppendInt(space[:0], expires.Unix(), 10), ':')
	username := string(c.appendTo(b, prepared.tag))
	return m.urls.with(username, passwordOf(prepared.password, username)), expires
}
