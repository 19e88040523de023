package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
)

// adminTimeout bounds one command, which may be many pages.
const adminTimeout = time.Minute

// adminVerb is one thing that the operator can say.
type adminVerb struct {
	name  string
	args  string // what follows it
	count int    // how many those are
	help  string
	flags func(*flag.FlagSet, *adminCall) // nil: only the usual ones
	do    func(context.Context, *adminCall) error
}

// adminCall is one use of a verb.
type adminCall struct {
	world
	client  *admin.Client
	asJSON  bool
	args    []string
	full    bool // addresses are wanted whole
	limit   int
	ban     admin.BanRequest
	request admin.MintRequest
}

// adminVerbs are all there is, as help lists them.
func adminVerbs() []adminVerb {
	return []adminVerb{
		{"rooms", "", 0, "who is in which room", listFlags, adminRooms},
		{"room", "ID", 1, "one of them", addressFlags, adminRoom},
		{"timeline", "ID", 1, "what happened in a room, and why it did not work", nil, adminTimeline},
		{"allocations", "", 0, "who uses the relay", listFlags, adminAllocations},
		{"kick", "room|allocation ID", 2, "end a room, for both, or one allocation", nil, adminKick},
		{"bans", "", 0, "who is kept out", limitFlag, adminBans},
		{"ban", "[ADDRESS]", -1, "keep an address or a member of a room out, and end what he has", banFlags, adminBan},
		{"unban", "NAME", 1, "end a ban", nil, adminUnban},
		{"nodes", "", 0, "which nodes the fleet has, and how they do", nil, adminNodes},
		{"drain", "", 0, "take no new visitors", nil, adminDrain},
		{"undrain", "", 0, "take them again", nil, adminUndrain},
		{"upgrade", "", 0, "start the program anew, and hand the server over to it: nobody is cut off", nil, adminUpgrade},
		{"secrets", "", 0, "which TURN secrets verify, and when each was used last", nil, adminSecrets},
		{"rotate-secret", "", 0, "make a new TURN secret; the old one goes by itself", nil, adminRotate},
		{"mint", "", 0, "a TURN credential, for a test", mintFlags, adminMint},
	}
}

// adminCommand asks the admin API of a server.
func adminCommand(ctx context.Context, w world) error {
	verbs := adminVerbs()
	if len(w.args) == 0 || strings.HasPrefix(w.args[0], "-") || w.args[0] == "help" {
		adminUsage(w, verbs)
		if len(w.args) > 0 {
			return flag.ErrHelp
		}
		return &hinted{err: errors.New("admin wants to be told what to do"), hint: "wasmp2pchat admin rooms"}
	}
	at := slices.IndexFunc(verbs, func(v adminVerb) bool { return v.name == w.args[0] })
	if at < 0 {
		return &hinted{err: fmt.Errorf("admin cannot %q", w.args[0]), hint: "wasmp2pchat admin help lists what it can"}
	}
	call, err := readAdminCall(w, verbs[at])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	return adminHint(call, verbs[at].do(ctx, call))
}

func adminUsage(w world, verbs []adminVerb) {
	fmt.Fprintln(w.stderr, "usage: wasmp2pchat admin VERB [flags] [arguments]")
	for _, v := range verbs {
		fmt.Fprintf(w.stderr, "  %-30s %s\n", v.name+" "+v.args, v.help)
	}
	fmt.Fprintln(w.stderr, "wasmp2pchat admin VERB --help lists its flags")
}

// readAdminCall reads what follows the verb; flags may stand before and after the
// arguments.
func readAdminCall(w world, v adminVerb) (*adminCall, error) {
	call := &adminCall{world: w, client: new(admin.Client)}
	fs := flags(w, "admin "+v.name, v.args+" [flags]\n"+v.help)
	fs.StringVar(&call.client.URL, "url", "", "where the API is; the default is what ADMIN_ADDR says")
	fs.StringVar(&call.client.Token, "token", "", "the token; the default is what ADMIN_TOKEN says, which nobody sees in a list of processes")
	fs.BoolVar(&call.asJSON, "json", false, "print JSON")
	if v.flags != nil {
		v.flags(fs, call)
	}
	for rest := w.args[1:]; ; {
		if err := fs.Parse(rest); err != nil {
			return nil, err
		}
		if fs.NArg() == 0 {
			break
		}
		call.args = append(call.args, fs.Arg(0))
		rest = fs.Args()[1:]
	}
	if v.count >= 0 && len(call.args) != v.count {
		return nil, fmt.Errorf("usage: wasmp2pchat admin %s", strings.TrimSpace(v.name+" "+v.args))
	}
	if call.client.URL != "" && call.client.Token != "" {
		return call, nil
	}
	return call, call.takeSettings()
}

// takeSettings fills in what no flag says.
func (c *adminCall) takeSettings() error {
	cfg, _, err := loadConfig(c.environ)
	if err != nil {
		return err
	}
	if c.client.Token == "" {
		c.client.Token = cfg.AdminToken.reveal()
	}
	if c.client.URL != "" {
		return nil
	}
	if cfg.AdminAddr == "" {
		return &hinted{err: errors.New("nobody to ask: ADMIN_ADDR is off"), hint: "--url http://127.0.0.1:9090"}
	}
	c.client.URL, err = adminURL(cfg.AdminAddr)
	return err
}

// adminHint says what to do about the faults that have an answer.
func adminHint(c *adminCall, err error) error {
	problem, ok := errors.AsType[*admin.ProblemError](err)
	switch {
	case err == nil:
		return nil
	case ok && problem.Status == http.StatusUnauthorized:
		return &hinted{err: errors.New("the server wants another token"), hint: "give this command the " + prefix + "ADMIN_TOKEN of the server, or " + prefix + "ADMIN_TOKEN_FILE"}
	case ok:
		return err
	}
	return &hinted{err: fmt.Errorf("ask %s: %w", c.client.URL, err), hint: "does the server run on this machine? --url says where its ADMIN_ADDR is"}
}

func listFlags(fs *flag.FlagSet, c *adminCall) {
	limitFlag(fs, c)
	addressFlags(fs, c)
}

func limitFlag(fs *flag.FlagSet, c *adminCall) {
	fs.IntVar(&c.limit, "limit", 100, "how many at most")
}

func addressFlags(fs *flag.FlagSet, c *adminCall) {
	fs.BoolVar(&c.full, "addresses", false, "show whole addresses of visitors, not only their networks")
}

func banFlags(fs *flag.FlagSet, c *adminCall) {
	fs.StringVar(&c.ban.Room, "room", "", "ban a member of this room instead of an address")
	fs.StringVar(&c.ban.Side, "side", "", "which of the two: a or b, as rooms lists them")
	fs.StringVar(&c.ban.Kind, "kind", "", "ban his device or his address; without it both")
	fs.StringVar(&c.ban.For, "for", "", "how long, 1m to 720h; 24h")
	fs.StringVar(&c.ban.Reason, "reason", "", "why, for yourself")
}

func mintFlags(fs *flag.FlagSet, c *adminCall) {
	fs.StringVar(&c.request.User, "user", "", "what the username says after its expiry")
	fs.StringVar(&c.request.TTL, "ttl", "", "lifetime, at most TURN_CREDENTIAL_TTL")
}

// printJSON prints an answer for a program.
func (c *adminCall) printJSON(v any) error {
	enc := json.NewEncoder(c.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
