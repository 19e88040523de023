package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// guarded lets those through who may ask.
func (a *API) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := a.cfg.Token()
		shown := token != "" && shows(r, token)
		switch {
		case fromAPage(r):
			Fail(w, http.StatusForbidden, "pages of other sites may not ask")
		case token != "" && !shown:
			w.Header().Set("WWW-Authenticate", `Bearer realm="wasmp2pchat admin"`)
			Fail(w, http.StatusUnauthorized, "show the token: Authorization: Bearer and what ADMIN_TOKEN says")
		case !shown && !a.isHost(r.Host):
			Fail(w, http.StatusForbidden, "ask by an address or as localhost, or set ADMIN_TOKEN: any page could have a name that leads here")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// fromAPage reports whether a browser says that it asks for a page of another site
// (Fetch Metadata §2, RFC 6454 §7). What is typed into its address bar is of none.
func fromAPage(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host)
}

// isHost reports whether a Host is one that no page can have made lead here: a page
// has a name, and its owner decides what that resolves to (DNS rebinding). An
// address or localhost is not his to say.
func (a *API) isHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(a.cfg.Hosts, host)
}

// shows reports whether a request has the token. How long it takes says nothing of
// the right one.
func shows(r *http.Request, token string) bool {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	want, got := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(given))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// tokenHashBytes of the hash of a token tell it from others in a log, and are no
// help to guess it.
const tokenHashBytes = 4

// note writes down a change: what was done to whom, and by whom.
func (a *API) note(what, subject string) {
	by := "loopback"
	if token := a.cfg.Token(); token != "" {
		sum := sha256.Sum256([]byte(token))
		by = "token " + hex.EncodeToString(sum[:tokenHashBytes])
	}
	a.cfg.Log.Info("operator", "did", what, "to", subject, "by", by)
}
