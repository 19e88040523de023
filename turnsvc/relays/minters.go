package relays

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// maxMinters bounds how many pairs of a relay and a spare are prepared for.
const maxMinters = 1024

// Minters mint for the relays of a fleet, as they are announced. They are safe for
// concurrent use.
type Minters struct {
	mu     sync.RWMutex // guards the fields below
	issuer turnsvc.Issuer
	made   map[[2]string]*minter // by the names of the relay and the spare
}

// minter is what was prepared for some URLs.
type minter struct {
	relay, spare []string // as they were announced
	mints        *turnsvc.Minter
}

// NewMinters mints as issuer says; of its URLs nothing counts.
func NewMinters(issuer turnsvc.Issuer) *Minters {
	return &Minters{issuer: issuer, made: map[[2]string]*minter{}}
}

// SetSecret makes it the one that signs.
func (m *Minters) SetSecret(secret string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.issuer.Secret = secret
	clear(m.made)
}

// For is the minter for the URLs of a relay, and those of a spare one if it has an
// ID.
func (m *Minters) For(relay, spare Node) *turnsvc.Minter {
	key := [2]string{relay.ID, spare.ID}
	m.mu.RLock()
	known := m.made[key]
	m.mu.RUnlock()
	if known.is(relay, spare) {
		return known.mints
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if known = m.made[key]; known.is(relay, spare) {
		return known.mints
	}
	if len(m.made) >= maxMinters {
		maps.DeleteFunc(m.made, func(k [2]string, _ *minter) bool { return k[1] != "" }) // there are more pairs than relays
	}
	issuer := m.issuer
	issuer.URLs = slices.Concat(relay.URLs, fewOf(spare.URLs))
	known = &minter{relay: relay.URLs, spare: spare.URLs, mints: issuer.Minter()}
	m.made[key] = known
	return known.mints
}

// is reports whether what was prepared is still what is announced.
func (m *minter) is(relay, spare Node) bool {
	return m != nil && slices.Equal(m.relay, relay.URLs) && slices.Equal(m.spare, spare.URLs)
}

// fewOf are the URLs of a spare relay that clients are given: one by UDP, and one that
// looks like the web or, without TLS, one by TCP. A browser allocates by every URL it
// is given, at once, on each interface, and a spare is hardly ever used.
func fewOf(urls []string) (few []string) {
	first := func(is func(url string) bool) bool {
		i := slices.IndexFunc(urls, is)
		if i >= 0 {
			few = append(few, urls[i])
		}
		return i >= 0
	}
	first(func(url string) bool {
		return strings.HasPrefix(url, "turn:") && strings.HasSuffix(url, "transport=udp")
	})
	if !first(func(url string) bool { return strings.HasPrefix(url, "turns:") }) {
		first(func(url string) bool {
			return strings.HasPrefix(url, "turn:") && strings.HasSuffix(url, "transport=tcp")
		})
	}
	return few
}
