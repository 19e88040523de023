package main

import (
	"cmp"
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	limit "golang.org/x/time/rate"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// How many credentials one key is given: those of as many users of its application.
const (
	turnAPIRate  = 50  // a second
	turnAPIBurst = 500 // at once
)

// turnAPI mints credentials for other applications: the TURN REST API
// (draft-uberti-behave-turn-rest). The answer of GET /turn is what coturn's users
// know, and credentials are those of the relay.
type turnAPI struct {
	credentials *mint
	state       *readiness
	ttl         time.Duration
	origins     []string // whose pages may ask

	keys atomic.Pointer[map[[sha256.Size]byte]*limit.Limiter] // by the hash of each
}

func newTurnAPI(cfg *config, credentials *mint, state *readiness) *turnAPI {
	if len(cfg.TURN.APIKeys) == 0 {
		return nil
	}
	return &turnAPI{credentials: credentials, state: state, ttl: cfg.TURN.CredentialTTL, origins: texts(cfg.AllowedOrigins)}
}

// setKeys changes who may ask; those that stay keep what they have used.
func (a *turnAPI) setKeys(keys []secret) {
	if a == nil {
		return
	}
	next, before := map[[sha256.Size]byte]*limit.Limiter{}, a.keys.Load()
	for _, key := range keys {
		sum := sha256.Sum256([]byte(key.reveal()))
		next[sum] = limit.NewLimiter(turnAPIRate, turnAPIBurst)
		if before != nil && (*before)[sum] != nil {
			next[sum] = (*before)[sum]
		}
	}
	a.keys.Store(&next)
}

// limiter is that of the key of a request, nil if it shows none that counts. Keys
// are looked up by their hash, of which the time that it takes says nothing.
func (a *turnAPI) limiter(r *http.Request) *limit.Limiter {
	key := r.URL.Query().Get("key")
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		key = token
	}
	return (*a.keys.Load())[sha256.Sum256([]byte(key))]
}

// ServeHTTP implements http.Handler.
func (a *turnAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	a.share(w, r)
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	limiter, query := a.limiter(r), r.URL.Query()
	user := cmp.Or(query.Get("username"), "app")
	switch {
	case limiter == nil:
		w.Header().Set("WWW-Authenticate", `Bearer realm="wasmp2pchat turn"`)
		admin.Fail(w, http.StatusUnauthorized, "show a key of TURN_API_KEY: Authorization: Bearer, or ?key=")
	case !limiter.Allow():
		w.Header().Set("Retry-After", "1")
		admin.Fail(w, http.StatusTooManyRequests, "too many requests with this key")
	case query.Get("service") != "turn":
		admin.Fail(w, http.StatusBadRequest, "service: want turn")
	case isSide(user):
		admin.Fail(w, http.StatusBadRequest, "username: that is how a side of a room is called")
	case a.state.drains():
		w.Header().Set("Retry-After", "10")
		admin.Fail(w, http.StatusServiceUnavailable, "this server takes nobody just now")
	default:
		a.answer(w, user)
	}
}

func (a *turnAPI) answer(w http.ResponseWriter, user string) {
	credential, err := a.credentials.plain(user, a.ttl)
	if err != nil {
		admin.Fail(w, http.StatusBadRequest, "username: "+err.Error())
		return
	}
	admin.Reply(w, http.StatusOK, credential)
}

// share lets the pages of ALLOWED_ORIGINS read the answer (CORS).
func (a *turnAPI) share(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !slices.ContainsFunc(a.origins, func(allowed string) bool { return allowed == "*" || strings.EqualFold(allowed, origin) }) {
		return
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	if r.Method == http.MethodOptions {
		w.Header().Set("Access-Control-Allow-Headers", "Authorization")
		w.Header().Set("Access-Control-Allow-Methods", "GET")
		w.Header().Set("Access-Control-Max-Age", "600")
	}
}

// isSide reports whether a user is called like a side of one of our rooms: an
// application must not speak for a member of one.
func isSide(user string) bool {
	room, side, ok := strings.Cut(user, ".")
	return ok && side != "" && roomkey.IsName(room)
}

// plain mints for a user who is no side of a room that we know of; or for a test,
// one who is.
func (m *mint) plain(user string, ttl time.Duration) (admin.Credential, error) {
	m.mu.Lock()
	issuer := m.issuer
	m.mu.Unlock()
	issuer.TTL = ttl
	if m.fleet != nil {
		issuer.URLs = m.fleet.Any(user).URLs
	}
	username, password, _ := issuer.Credentials(user)
	if _, err := (turnsvc.Verifier{}).Check(username); err != nil {
		return admin.Credential{}, admin.Refuse(http.StatusBadRequest, err.Error())
	}
	c := admin.Credential{Username: username, Password: password, TTL: int(ttl / time.Second), URIs: []string{}}
	for _, uri := range issuer.URLs {
		if strings.HasPrefix(uri, "turn") {
			c.URIs = append(c.URIs, uri)
		}
	}
	return c, nil
}
