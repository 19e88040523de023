package turnsvc

import (
	"strings"
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
	expires = now(i.Now).Add(or(i.TTL, 10*time.Minute)).Truncate(time.Second)
	username = formatUsername(expires.Unix(), claims)
	return username, password(i.Secret, username), time.Unix(expires.Unix(), 0)
}

// RoomCredential is Credentials for one side of a room.
func (i Issuer) RoomCredential(c Claims) (username, proof string, expires time.Time) {
	return i.Credentials(c.format(i.Secret))
}

// RoomServers is ICEServers with a credential for one side of a room.
func (i Issuer) RoomServers(c Claims) ([]wire.ICEServer, time.Time) {
	return i.ICEServers(c.format(i.Secret))
}

// ICEServers is what a browser needs: first an entry with the STUN URLs, which
// need no credential, then one with the TURN URLs and a fresh credential. An
// entry that would have no URL is left out.
func (i Issuer) ICEServers(claims string) ([]wire.ICEServer, time.Time) {
	username, proof, expires := i.Credentials(claims)
	stun := wire.ICEServer{}
	turn := wire.ICEServer{Username: username, Credential: proof}
	for _, url := range i.URLs {
		if strings.HasPrefix(url, "stun") {
			stun.URLs = append(stun.URLs, url)
		} else {
			turn.URLs = append(turn.URLs, url)
		}
	}
	var servers []wire.ICEServer
	for _, s := range []wire.ICEServer{stun, turn} {
		if len(s.URLs) > 0 {
			servers = append(servers, s)
		}
	}
	return servers, expires
}
