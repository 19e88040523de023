package admin

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"
)

// Config is what the API shows and does. All functions are required, and may be
// called by many goroutines at once.
type Config struct {
	// Token is what must be shown, as "Authorization: Bearer …"; empty: nothing.
	Token func() string
	// Hosts are names, beside localhost and addresses, by which who shows no token
	// may call this server.
	Hosts []string

	// Rooms lists rooms by id, of those after one, at most so many; more says that
	// there are others. Room is one of them.
	Rooms func(after string, limit int) (list []Room, more bool)
	Room  func(id string) (Room, bool)
	// EndRoom ends a room, and tells whether it was there.
	EndRoom func(id string) bool

	// Allocations is the same for allocations, by number.
	Allocations   func(after uint64, limit int) (list []Allocation, more bool)
	EndAllocation func(number uint64) bool

	// Bans is all that hold. Ban makes some, and ends what the banned have: an error
	// that comes with bans says that they hold, but are not kept. Lift ends one, and
	// tells whether it was there.
	Bans func() []Ban
	Ban  func(Sentence) (Banned, error)
	Lift func(name string) (bool, error)

	// Nodes is who serves: this process, and those of its fleet that live, by id.
	Nodes func() []Node

	// Draining tells whether new visitors are refused; Drain begins or ends it.
	Draining func() bool
	Drain    func(on bool)

	// Secrets is the TURN secrets, without saying them, newest first; Rotate makes a
	// new one.
	Secrets func() []Secret
	Rotate  func() ([]Secret, error)

	// Mint makes a TURN credential.
	Mint func(user string, ttl time.Duration) (Credential, error)

	// Upgrade starts the program anew and hands the server over to it. It takes 45 s
	// at most; with an error nothing has changed.
	Upgrade func(context.Context) (Upgraded, error)

	Log *slog.Logger // the audit; nil: silent
}

// Room is two who were introduced, or one who waits for the other.
type Room struct {
	ID          string // its name, which admits to nothing
	Since       time.Time
	Members     []Member // one or two
	Allocations int
}

// Member is one of a room.
type Member struct {
	Side   string     // a came first, b second
	Client string     // what he calls himself
	Addr   netip.Addr // may be not valid
	Hides  bool       // from the other one, where he is
	Away   bool       // his connection is lost, and his seat held
}

// Allocation is one of the relay.
type Allocation struct {
	Number    uint64
	Room      string // empty: of a plain user
	User      string // as the credential has it
	Client    netip.AddrPort
	Transport string // udp, tcp, tls or dtls
	Relayed   netip.AddrPort
	Since     time.Time
}

// API answers on ADMIN_ADDR. Make one with New and register all there is before it
// is asked.
type API struct {
	cfg      Config
	mux      *http.ServeMux
	patterns []string
}

// New returns the API with its own operations.
func New(cfg Config) *API {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	a := &API{cfg: cfg, mux: http.NewServeMux()}
	for pattern, answer := range map[string]http.HandlerFunc{
		"GET /api/rooms":               a.listRooms,
		"GET /api/rooms/{id}":          a.showRoom,
		"DELETE /api/rooms/{id}":       a.endRoom,
		"GET /api/allocations":         a.listAllocations,
		"DELETE /api/allocations/{id}": a.endAllocation,
		"GET /api/bans":                a.listBans,
		"POST /api/bans":               a.ban,
		"DELETE /api/bans/{name}":      a.lift,
		"GET /api/nodes":               a.listNodes,
		"GET /api/drain":               a.showDrain,
		"POST /api/drain":              a.drain,
		"DELETE /api/drain":            a.reopen,
		"GET /api/turn/secrets":        a.listSecrets,
		"POST /api/turn/secrets":       a.rotate,
		"POST /api/credentials":        a.mint,
		"POST /api/upgrade":            a.upgrade,
	} {
		a.Handle(pattern, answer)
	}
	return a
}

// Handle answers a pattern of net/http with a method, for those who may ask.
func (a *API) Handle(pattern string, handler http.Handler) {
	a.HandleOpen(pattern, a.guarded(handler))
}

// HandleOpen answers a pattern for everybody who can come to the address.
func (a *API) HandleOpen(pattern string, handler http.Handler) {
	a.patterns = append(a.patterns, pattern)
	a.mux.Handle(pattern, handler)
}

// Patterns lists all that was registered, in alphabetical order.
func (a *API) Patterns() []string { return slices.Sorted(slices.Values(a.patterns)) }

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	a.mux.ServeHTTP(w, r)
}
