package wasmp2pchat_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mod is this module's path.
const mod = "github.com/wasmp2pchat/wasmp2pchat"

// TestLayers holds the map of doc.go: which package of this module may import
// which others. A package that is missing from the table fails too.
func TestLayers(t *testing.T) {
	t.Parallel()
	const everything = "*"
	table := map[string][]string{
		"":                       {},
		"wire":                   {},
		"internal/daytime":       {},
		"internal/freeport":      {},
		"internal/roomkey":       {"internal/daytime"},
		"internal/arrivals":      {},
		"internal/wsconn":        {"wire", "internal/arrivals"},
		"internal/pipenet":       {},
		"internal/natlab":        {},
		"internal/durable":       {},
		"internal/admin":         {},
		"internal/mmsg":          {},
		"internal/rand":          {},
		"internal/edge":          {"internal/arrivals"},
		"internal/release":       {},
		"internal/fuzz":          {},
		"internal/edge/acmetest": {},
		"internal/edge/address":  {},
		"internal/edge/certs":    {"internal/durable"},
		"internal/swarm":         {},
		"internal/thrift":        {},
		"internal/turnclient":    {},
		"internal/kept":          {},
		"internal/witness":       {},
		"internal/doctor":        {"wire", "internal/turnclient", "internal/witness"},
		"internal/lab":           {"internal/natlab", "peer"}, // the peers that meet there; the server is the program itself
		"internal/timeline":      {"wire", "internal/daytime"},
		"internal/redisdb":       {},
		"internal/succession":    {},
		"internal/fleet":         {"internal/redisdb"},
		"match":                  {"wire", "internal/wsconn", "internal/arrivals", "internal/durable"},
		"match/pooltest":         {"match", "wire"},
		"match/redisbans":        {"internal/redisdb"},
		"match/redispool":        {"match", "wire", "internal/redisdb", "internal/arrivals"},
		"signal":                 {"wire", "internal/daytime", "internal/wsconn", "internal/arrivals"},
		"signal/redisrooms":      {"internal/redisdb"}, // it knows rooms by what they can do
		"signal/kinrooms":        {},                   // the same; and the line by what it can do
		"turnsvc":                {"wire", "internal/daytime", "turnsvc/gate", "turnsvc/dataplane", "turnsvc/dataplane/ebpf", "internal/arrivals", "internal/mmsg", "internal/durable", "internal/kept"},
		"turnsvc/gate":           {"internal/arrivals", "internal/mmsg"},
		"turnsvc/dataplane":      {},
		"turnsvc/dataplane/ebpf": {"turnsvc/dataplane"},
		"turnsvc/conformance":    {"turnsvc", "turnsvc/gate", "wire"},
		"turnsvc/relays":         {"turnsvc", "internal/kept"}, // in a fleet: it is given a bus, and knows none
		"turnsvc/redisbudget":    {"internal/redisdb"},         // beside turnsvc, which knows no Redis
		"peer":                   {"wire", "internal/rand"},
		"wasm":                   {},
		"wasm/app":               {"peer", "internal/rand"},
		"wasm/build":             {},
		"cmd/wasmp2pchat":        {everything},
		"docs/plan":              {},
		"e2e":                    {everything},
		"e2e/bench":              {everything},
		"e2e/bench/process":      {},
		"e2e/bench/seedlike":     {},
		"e2e/bench/seedpage":     {},
		"e2e/relaybench":         {"internal/natlab", "e2e/bench/process"},
		"e2e/talkers":            {"peer", "wire", "e2e/talkers/line"},
		"e2e/talkers/line":       {},
		"e2e/ayame":              {}, // it shares nothing with what it tests

		// Servers that tests start.
		"internal/redisdb/redistest": {"internal/freeport"},

		// What the browser client is linked with instead of what it never runs.
		"wasm/standin/datachannel": {},
		"wasm/standin/fmt":         {},
		"wasm/standin/godebug":     {},
		"wasm/standin/hex":         {},
		"wasm/standin/ice":         {},
		"wasm/standin/json":        {},
		"wasm/standin/sdp":         {},
	}
	for _, pkg := range packages(t) {
		allowed, known := table[pkg]
		if !known {
			t.Errorf("package %q is not in the table: decide what it may import", pkg)
			continue
		}
		for _, imp := range golist(t, pkg, "-f", `{{join .Imports "\n"}}`) {
			dep, ours := strings.CutPrefix(imp, mod+"/")
			if ours && !slices.Contains(allowed, dep) && !slices.Contains(allowed, everything) {
				t.Errorf("%s imports %s: not in the table", pkg, dep)
			}
		}
	}
}

// TestLibrariesHaveOneHome keeps each third-party library in its own folder,
// so that an upgrade is one folder's business.
func TestLibrariesHaveOneHome(t *testing.T) {
	t.Parallel()
	homes := map[string][]string{
		"github.com/pion/turn/":          {"turnsvc"},
		"github.com/pion/dtls/":          {"turnsvc/gate"},
		"github.com/pires/go-proxyproto": {"turnsvc/gate", "internal/edge"},
		"github.com/pion/stun/":          {"turnsvc", "internal/edge/address", "internal/turnclient", "internal/doctor", "e2e/relaybench"}, // address: an agent of its own, one binding request, no TURN; turnclient: a client for what diagnoses, doctor: names its requests; relaybench: a client that owns its sockets, for any server
		"github.com/pion/webrtc/":        {"peer", "e2e/bench/seedpage"},
		"github.com/pion/transport/":     {"peer", "turnsvc/gate"}, // peer: the network as ICE sees it; gate: a buffer of datagrams
		"github.com/gorilla/websocket":   {"internal/wsconn"},
		"github.com/oklog/ulid/":         {"signal"},
		"github.com/coder/websocket":     {"peer", "internal/doctor", "e2e", "e2e/ayame", "e2e/bench/seedlike", "e2e/bench/seedpage"}, // clients, and a server beside ours: not the library that ours is made with
		"github.com/caarlos0/env/":       {"cmd/wasmp2pchat"},
		"github.com/coreos/go-systemd/":  {"cmd/wasmp2pchat"},
		"github.com/prometheus/":         {"cmd/wasmp2pchat"},
		"golang.org/x/crypto/":           {"internal/edge/certs"},
		"github.com/andybalholm/brotli":  {"wasm/build", "e2e"}, // e2e: a page beside ours, for a measurement
		"github.com/chromedp/":           {"e2e"},
		"golang.org/x/text/":             {"match"},
		"github.com/cilium/ebpf":         {"turnsvc/dataplane/ebpf"},
		"github.com/vishvananda/netlink": {"turnsvc/dataplane/ebpf"}, // routes and interfaces
		"pgregory.net/rapid":             {"match/pooltest", "peer"},
		"github.com/redis/rueidis":       {"internal/redisdb", "internal/fleet", "match/redispool", "match/redisbans", "signal/redisrooms"}, // all but the first: their commands and scripts; everybody else meets their words
		"github.com/getkin/kin-openapi/": {"cmd/wasmp2pchat"},                                                                               // its tests: docs/openapi.yaml beside the server
	}
	for _, pkg := range packages(t) {
		for _, imp := range golist(t, pkg, "-f", `{{join .Imports "\n"}}`) {
			for lib, allowed := range homes {
				if strings.HasPrefix(imp, lib) && !slices.Contains(allowed, pkg) {
					t.Errorf("%s imports %s, whose home is %v", pkg, imp, allowed)
				}
			}
		}
	}
}

// TestWireIsLight holds wire to the little of the standard library that the
// browser links anyway.
func TestWireIsLight(t *testing.T) {
	t.Parallel()
	for _, imp := range golist(t, "wire", "-f", `{{join .Imports "\n"}}`) {
		switch imp {
		case "errors", "slices", "time", "unicode/utf8":
		default:
			t.Errorf("wire imports %s: every visitor would download it", imp)
		}
	}
}

// TestBrowserStaysSmall fails when server code is linked into the browser, or
// what costs each visitor more than it is worth. What libraries bring along,
// wasm/build looks at.
func TestBrowserStaysSmall(t *testing.T) {
	t.Parallel()
	for _, pkg := range []string{"peer", "wasm/app"} {
		for _, imp := range run(t, "js", "list", "-f", `{{join .Imports "\n"}}`, "./"+pkg) {
			switch imp {
			case "crypto/rand", "encoding/json", "fmt", "math/rand", "math/rand/v2", "net", "net/url":
				t.Errorf("%s imports %s in the browser, where it is large", pkg, imp)
			}
		}
	}
	for _, dep := range golist(t, "wasm/app", "-deps") {
		switch {
		case dep == "net/http", dep == "testing",
			strings.HasPrefix(dep, "github.com/gorilla/"), strings.HasPrefix(dep, "github.com/coder/"):
			t.Errorf("wasm/app links %s", dep)
		}
	}
}

// packages lists the folders that hold a package, relative to the module.
func packages(t *testing.T) []string {
	t.Helper()
	seen := map[string]bool{}
	for _, goos := range []string{"linux", "js"} {
		for _, path := range run(t, goos, "list", "./...") {
			seen[strings.TrimPrefix(strings.TrimPrefix(path, mod), "/")] = true
		}
	}
	list := make([]string, 0, len(seen))
	for pkg := range seen {
		list = append(list, pkg)
	}
	slices.Sort(list)
	return list
}

// golist runs go list on one package, for the browser where it only builds there.
func golist(t *testing.T, pkg string, args ...string) []string {
	t.Helper()
	goos := "linux"
	if pkg == "wasm/app" {
		goos = "js"
	}
	return run(t, goos, append(append([]string{"list"}, args...), "./"+pkg)...)
}

func run(t *testing.T, goos string, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Env = append(cmd.Environ(), "GOOS="+goos)
	if goos == "js" {
		cmd.Env = append(cmd.Env, "GOARCH=wasm")
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	return strings.Fields(string(out))
}
