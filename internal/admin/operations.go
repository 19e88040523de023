package admin

import (
	"net/http"
	"time"
)

// DrainAnswer says whether new visitors are refused.
type DrainAnswer struct {
	Draining bool `json:"draining"`
}

// Secret is one of the TURN secrets, which it does not say.
type Secret struct {
	Index    int       `json:"index"`              // 0 is the newest, which signs
	Until    time.Time `json:"until,omitzero"`     // when it opens nothing any more; zero: it stays
	LastUsed time.Time `json:"last_used,omitzero"` // when it has signed a request of a client last; zero: never
}

// MintRequest is the body of POST /api/credentials; all may be left out.
type MintRequest struct {
	User string `json:"user,omitempty"`
	TTL  string `json:"ttl,omitempty"` // as time.ParseDuration has it: 5m
}

// Credential is one for the relay, in the form of the TURN REST API
// (draft-uberti-behave-turn-rest §2.2).
type Credential struct {
	Username string   `json:"username"`
	Password string   `json:"password"`
	TTL      int      `json:"ttl"` // seconds
	URIs     []string `json:"uris"`
}

// Process is one process of a server.
type Process struct {
	Number  string         `json:"number"` // the how-manieth it is
	PID     int            `json:"pid"`
	Version string         `json:"version"`
	Left    map[string]int `json:"left,omitempty"` // what a retired one still keeps, by part
}

// Upgraded is what has come of an upgrade.
type Upgraded struct {
	Serves  Process   `json:"serves"`
	Retired []Process `json:"retired"` // those that keep chats, the oldest first
}

func (a *API) upgrade(w http.ResponseWriter, r *http.Request) {
	a.note("upgrade", "server")
	answer, err := a.cfg.Upgrade(r.Context())
	if err != nil {
		failWith(w, err)
		return
	}
	Reply(w, http.StatusOK, answer)
}

func (a *API) showDrain(w http.ResponseWriter, _ *http.Request) {
	Reply(w, http.StatusOK, DrainAnswer{a.cfg.Draining()})
}

func (a *API) drain(w http.ResponseWriter, r *http.Request) {
	a.cfg.Drain(true)
	a.note("drain", "server")
	a.showDrain(w, r)
}

func (a *API) reopen(w http.ResponseWriter, r *http.Request) {
	a.cfg.Drain(false)
	a.note("end drain", "server")
	a.showDrain(w, r)
}

func (a *API) listSecrets(w http.ResponseWriter, _ *http.Request) {
	Reply(w, http.StatusOK, a.cfg.Secrets())
}

func (a *API) rotate(w http.ResponseWriter, _ *http.Request) {
	list, err := a.cfg.Rotate()
	if err != nil {
		failWith(w, err)
		return
	}
	a.note("rotate secret", "turn")
	Reply(w, http.StatusCreated, list)
}

func (a *API) mint(w http.ResponseWriter, r *http.Request) {
	var request MintRequest
	if !readBody(w, r, &request) {
		return
	}
	var ttl time.Duration
	if request.TTL != "" {
		var err error
		if ttl, err = time.ParseDuration(request.TTL); err != nil || ttl <= 0 {
			Fail(w, http.StatusBadRequest, "ttl: want a duration such as 5m")
			return
		}
	}
	credential, err := a.cfg.Mint(request.User, ttl)
	if err != nil {
		failWith(w, err)
		return
	}
	a.note("mint credential", credential.Username)
	Reply(w, http.StatusOK, credential)
}
