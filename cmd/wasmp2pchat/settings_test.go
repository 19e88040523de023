package main

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func updating() bool { return flag.Lookup("update").Value.String() == "true" }

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, list, err := loadConfig([]string{"PATH=/bin", "HOME=/"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Addr != ":8080" || c.TURN.CredentialTTL != 10*time.Minute || c.WS.MaxMessage != 64<<10 || c.WS.RatePerIP != 10 || c.TURN.RelayPorts.Min != 49152 {
		t.Errorf("defaults = %+v", c)
	}
	for _, s := range list {
		if s.source != "default" || s.help == "" {
			t.Errorf("%s: source %q, help %q", s.name, s.source, s.help)
		}
	}
}

func TestSettingsAreRead(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("a secret from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, list, err := loadConfig([]string{
		"WASMP2PCHAT_PUBLIC_IPS=51.51.51.10,2a0a:5151::10",
		"WASMP2PCHAT_TURN_UDP_ADDR=",
		"WASMP2PCHAT_ADMIN_ADDR=off",
		"WASMP2PCHAT_TURN_SECRETS=the newest secret,the secret before it",
		"WASMP2PCHAT_ROOM_SECRET_FILE=" + file,
		"WASMP2PCHAT_ALLOWED_ORIGINS=https://example.org",
		"WASMP2PCHAT_WS_RATE_PER_IP=0",
		"WASMP2PCHAT_WS_MAX_MESSAGE=128KiB",
		"WASMP2PCHAT_TRUSTED_PROXIES=10.0.0.0/8",
		"WASMP2PCHAT_SIGNAL_OPEN_ROOMS=true",
		"WASMP2PCHAT_SIGNAL_AUTHN_WEBHOOK_URL=https://app:hunter2@app.example.org/authn",
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []netip.Addr{netip.MustParseAddr("51.51.51.10"), netip.MustParseAddr("2a0a:5151::10")}; !slices.Equal(c.PublicIPs, want) {
		t.Errorf("PublicIPs = %v, want %v", c.PublicIPs, want)
	}
	if len(udpAddrs(c)) != 0 || c.TURN.TCPAddr != ":3478" || c.AdminAddr != "" {
		t.Errorf("listeners = %q, %q, %q; want off, :3478, off", c.TURN.UDPAddr, c.TURN.TCPAddr, c.AdminAddr)
	}
	if len(c.TURN.Secrets) != 2 || c.TURN.Secrets[1].reveal() != "the secret before it" || c.RoomSecret.reveal() != "a secret from a file" {
		t.Error("the secrets were not read as given")
	}
	if c.WS.RatePerIP != 0 || c.WS.MaxMessage != 128<<10 || len(c.TrustedProxies) != 1 || c.AllowedOrigins[0] != "https://example.org" {
		t.Errorf("settings = %+v", c)
	}
	if hook := c.Signal.AuthnWebhookURL; !c.Signal.OpenRooms || !strings.Contains(string(hook), "hunter2") || strings.Contains(fmt.Sprint(hook), "hunter2") {
		t.Errorf("open rooms %v, webhook %v; want both as given, and no password when it is printed", c.Signal.OpenRooms, hook)
	}
	for _, s := range list {
		if s.name == "WASMP2PCHAT_ROOM_SECRET" && s.source != file {
			t.Errorf("source of %s = %q, want the file", s.name, s.source)
		}
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v", c, c, c), fmt.Sprint(c.TURN.Secrets)} {
		if strings.Contains(text, "the newest secret") || strings.Contains(text, "secret from a file") {
			t.Error("a secret is printed")
		}
	}
}

// TestFaultsAreListedTogether holds every message to say the name, what was
// read, and what is allowed.
func TestFaultsAreListedTogether(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"ADR=:80":                           "WASMP2PCHAT_ADR: no such setting; did you mean WASMP2PCHAT_ADDR?",
		"TURN_SECRET=x":                     "WASMP2PCHAT_TURN_SECRET: no such setting; did you mean WASMP2PCHAT_TURN_SECRETS?",
		"ADDR=8080":                         `WASMP2PCHAT_ADDR: read "8080", want an address to listen on, such as :8080 or 127.0.0.1:8080, or off`,
		"ADDR=:99999":                       `WASMP2PCHAT_ADDR: read ":99999", want an address to listen on, such as :8080 or 127.0.0.1:8080, or off`,
		"ADDR=off":                          "WASMP2PCHAT_ADDR: want an address to listen on, such as :8080",
		"PUBLIC_IPS=1.2.3":                  `WASMP2PCHAT_PUBLIC_IPS: read "1.2.3", want addresses such as 198.51.100.7 or 2001:db8::7, separated by commas`,
		"PUBLIC_IPS=0.0.0.0":                "WASMP2PCHAT_PUBLIC_IPS: want addresses that clients can reach, not 0.0.0.0",
		"MATCH_MAX_WAIT=abc":                `WASMP2PCHAT_MATCH_MAX_WAIT: read "abc", want a duration such as 90s or 2m`,
		"MATCH_MAX_WAIT=-1s":                "WASMP2PCHAT_MATCH_MAX_WAIT: want more than 0 and at most 1h",
		"MATCH_TAG_WAIT=0s":                 "WASMP2PCHAT_MATCH_TAG_WAIT: want more than 0 and at most 1h",
		"MATCH_AVOID=48h":                   "WASMP2PCHAT_MATCH_AVOID: want 0 to 24h",
		"MATCH_MAX_PER_IP=-1":               "WASMP2PCHAT_MATCH_MAX_PER_IP: want 0 or more",
		"MATCH_OFFERS_PER_IP=120":           `WASMP2PCHAT_MATCH_OFFERS_PER_IP: read "120", want a rate such as 10/s, 30/m or 1000/h, or 0 for no limit`,
		"MATCH_CROWD=-1":                    "WASMP2PCHAT_MATCH_CROWD: want 0 or more",
		"WS_MAX_PER_IP=many":                `WASMP2PCHAT_WS_MAX_PER_IP: read "many", want a whole number`,
		"WS_RATE_PER_IP=10":                 `WASMP2PCHAT_WS_RATE_PER_IP: read "10", want a rate such as 10/s, 30/m or 1000/h, or 0 for no limit`,
		"WS_MAX_MESSAGE=1XB":                `WASMP2PCHAT_WS_MAX_MESSAGE: read "1XB", want a size such as 64KiB, 1MiB or 4096`,
		"LOG_LEVEL=loud":                    `WASMP2PCHAT_LOG_LEVEL: read "loud", want debug, info, warn or error`,
		"LOG_FORMAT=xml":                    `WASMP2PCHAT_LOG_FORMAT: read "xml", want text or json`,
		"TURN_DENY_PEERS=10.0.0.0":          `WASMP2PCHAT_TURN_DENY_PEERS: read "10.0.0.0", want prefixes such as 10.0.0.0/8 or fd00::/8, separated by commas`,
		"TURN_PEERS=all":                    `WASMP2PCHAT_TURN_PEERS: read "all", want room, public or any`,
		"TURN_DATAPLANE=dpdk":               `WASMP2PCHAT_TURN_DATAPLANE: read "dpdk", want auto, ebpf, batch or pion`,
		"TURN_RELAY_PORTS=9-1":              `WASMP2PCHAT_TURN_RELAY_PORTS: read "9-1", want two ports such as 49152-65535`,
		"ROOM_SECRET=hunter2":               `WASMP2PCHAT_ROOM_SECRET: read "[redacted]", want a secret of at least 16 characters, such as openssl rand -hex 16 prints`,
		"TURN_SECRETS_FILE=/does/not/exist": "WASMP2PCHAT_TURN_SECRETS_FILE: open /does/not/exist: no such file or directory",
		"SIGNAL_AUTHN_WEBHOOK_URL=app:80":   `WASMP2PCHAT_SIGNAL_AUTHN_WEBHOOK_URL: read "app:80", want a URL such as https://app.example.org/ayame/authn`,
		"SIGNAL_OPEN_ROOMS=perhaps":         `WASMP2PCHAT_SIGNAL_OPEN_ROOMS: read "perhaps", want true or false`,
		"REDIS_URL=http://:hunter2@r:6379":  `WASMP2PCHAT_REDIS_URL: the address of Redis begins with "http://": want redis://[user:password@]host[:port][/db], rediss://… with TLS,`,
		"REDIS_URL=redis://:hunter2@r:63x":  `WASMP2PCHAT_REDIS_URL: host number 1 in the address of Redis cannot be one: want a name or an IP address and a port from 1 to 65535`,
		"REDIS_URL=redis://:hunter2@r:6379": "WASMP2PCHAT_ROOM_SECRET: want the same secret on every node beside REDIS_URL, such as openssl rand -hex 16 prints; a server that was alone has one: WASMP2PCHAT_ROOM_SECRET_FILE=data/room-secret, and a copy of that file on the others",
		"NODE_ID=n1.paris":                  `WASMP2PCHAT_NODE_ID: read "n1.paris", want 1 to 63 letters, digits, - or _, such as paris-1`,
		"NODE_REGION=l'Europe":              `WASMP2PCHAT_NODE_REGION: read "l'Europe", want 1 to 63 letters, digits, - or _, such as paris-1`,
		"NODE_URL=n1.example.org":           `WASMP2PCHAT_NODE_URL: read "n1.example.org", want this node's own URL, such as https://n1.example.org, without a password or a query`,
		"NODE_URL=wss://n1.example.org":     `WASMP2PCHAT_NODE_URL: read "wss://n1.example.org", want this node's own URL, such as https://n1.example.org, without a password or a query`,
		"ROLES=web,pair":                    `WASMP2PCHAT_ROLES: read "web,pair", want some of web, match, signal and turn, separated by commas`,
		"ROLES=web,match,signal":            "WASMP2PCHAT_ROLES: want turn among them, or REDIS_URL beside it, by which a node knows the relays of others",
		"ROLES=turn":                        "WASMP2PCHAT_ROLES: want web, match or signal among them, or REDIS_URL beside it, by which others know of this relay, or TURN_PEERS=public, for an application that has its TURN_SECRETS",
		"ROLES=web,match,turn":              "WASMP2PCHAT_ROOM_SECRET: want the same secret on every node beside these ROLES, such as",
		"ROLES=signal":                      "WASMP2PCHAT_TURN_SECRETS: want the same secret on every node beside these ROLES, such as",
		"ALLOWED_ORIGINS=https://h?":        `WASMP2PCHAT_ALLOWED_ORIGINS: read "https://h?", want origins such as https://example.org, without a path, or *`,
		"ALLOWED_ORIGINS=https://h#a":       `WASMP2PCHAT_ALLOWED_ORIGINS: read "https://h#a", want origins such as https://example.org, without a path, or *`,
		"ALLOWED_ORIGINS=example.org":       `WASMP2PCHAT_ALLOWED_ORIGINS: read "example.org", want origins such as https://example.org, without a path, or *`,
	} {
		_, _, err := loadConfig([]string{prefix + entry, prefix + "TURN_MAX_ALLOCATIONS=0"})
		if err == nil || !strings.Contains(err.Error(), "\n  "+want) || !strings.Contains(err.Error(), "TURN_MAX_ALLOCATIONS: want 1 or more") {
			t.Errorf("%s:\n got %v\nwant a line %q, and the other fault too", entry, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error prints the secret", entry)
		}
	}
}

func TestUnits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]byteSize{"0": 0, "4096": 4096, "64KiB": 64 << 10, "1MiB": 1 << 20, "500kB": 500_000, "2GB": 2e9, "1TiB": 1 << 40, "7B": 7} {
		var got byteSize
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("byteSize %q = %d, %v; want %d", text, got, err, want)
		}
	}
	for size, want := range map[byteSize]string{0: "0", 7: "7", 4096: "4KiB", 64 << 10: "64KiB", 500_000: "500kB", 1e12: "1TB", 1 << 40: "1TiB", 3e9: "3GB"} {
		if got := size.String(); got != want {
			t.Errorf("byteSize %d is written %s, want %s", int64(size), got, want)
		}
	}
	for text, want := range map[string]rate{"10/s": 10, "30/m": 0.5, "3600/h": 1, "0": 0, "0/s": 0} {
		var got rate
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("rate %q = %v, %v; want %v", text, got, err, want)
		}
	}
}

// FuzzUnits holds that what is written is read as the same.
func FuzzUnits(f *testing.F) {
	for _, text := range []string{"64KiB", "10/s", "1000/h", "99999999999999999999", "-1B", "7/m"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var size, sizeAgain byteSize
		if size.UnmarshalText([]byte(text)) == nil {
			if sizeAgain.UnmarshalText([]byte(size.String())) != nil || sizeAgain != size {
				t.Fatalf("byteSize %q is written %v and read as %v", text, size, sizeAgain)
			}
		}
		var r, rAgain rate
		if r.UnmarshalText([]byte(text)) == nil {
			if rAgain.UnmarshalText([]byte(r.String())) != nil || rAgain != r {
				t.Fatalf("rate %q is written %v and read as %v", text, r, rAgain)
			}
		}
	})
}

// FuzzSettings holds that what a setting was read as is read as the same again, and
// that no setting can bring a second line into a file, a header or a log.
func FuzzSettings(f *testing.F) {
	for _, text := range []string{"off", ":8080", "[::1]:80", "localhost:443", "https://example.org", "*", "https://n1.example.org/a//", "paris-1", "a.b", "https://u:p@h/x?y#z", "text"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		roundTrip[listenAddr](t, text)
		roundTrip[origin](t, text)
		roundTrip[webhookURL](t, text)
		roundTrip[nodeURL](t, text)
		roundTrip[nodeName](t, text)
		roundTrip[acmeURL](t, text)
		roundTrip[logFormat](t, text)
		roundTrip[role](t, text)
	})
}

// roundTrip reads a setting of a kind, and what came of it again.
func roundTrip[T ~string, P interface {
	*T
	UnmarshalText(text []byte) error
}](t *testing.T, text string) {
	t.Helper()
	var got, again T
	if P(&got).UnmarshalText([]byte(text)) != nil {
		return
	}
	if strings.ContainsAny(string(got), "\r\n") {
		t.Fatalf("%T takes %q", got, text)
	}
	written := string(got)
	if shown, is := any(got).(listenAddr); is {
		written = shown.String() // off
	}
	if err := P(&again).UnmarshalText([]byte(written)); err != nil || again != got {
		t.Fatalf("%T of %q is %q, and read again %q, %v", got, text, got, again, err)
	}
}

// inReadme are the settings that most operators want to know of.
const inReadme = "REDIS_URL DOMAIN PUBLIC_IPS ADDR ADMIN_ADDR STATE_DIR ENV_FILE ALLOWED_ORIGINS TRUSTED_PROXIES WS_MAX_PER_IP LOG_LEVEL TURN_RELAY_PORTS TURN_MAX_BITRATE TURN_MONTHLY_BUDGET"

// TestGeneratedDocuments holds what operators copy to the settings as they are.
func TestGeneratedDocuments(t *testing.T) {
	t.Parallel()
	_, list, err := loadConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	var example, table, short bytes.Buffer
	example.WriteString("# Settings of wasmp2pchat, with their defaults. Generated: go test ./cmd/wasmp2pchat -update\n\n")
	if err := writeEnv(&example, list, func(setting) bool { return false }); err != nil {
		t.Fatal(err)
	}
	table.WriteString("| name (after `WASMP2PCHAT_`) | default | SIGHUP | meaning |\n|---|---|---|---|\n")
	short.WriteString("| name | default | meaning |\n|---|---|---|\n")
	for _, s := range list {
		name, help := strings.TrimPrefix(s.name, prefix), strings.ReplaceAll(s.help, "|", `\|`)
		fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", name, defaults(s), map[bool]string{true: "yes"}[s.live], help)
		if slices.Contains(strings.Fields(inReadme), name) {
			fmt.Fprintf(&short, "| `%s` | %s | %s |\n", s.name, defaults(s), help)
		}
	}
	golden(t, "../../configs/env.example", func(string) string { return example.String() })
	golden(t, "../../README.md", func(old string) string {
		if !strings.Contains(old, "<!-- settings: generated -->") { // it has no table
			return old
		}
		return between(old, "settings", short.String())
	})
	golden(t, "../../docs/settings.md", func(old string) string { return between(old, "settings", table.String()) })
}

// defaults is what a setting is when nobody sets it.
func defaults(s setting) string {
	if s.secured == "" {
		return codeOrNothing(s.fallback)
	}
	return codeOrNothing(s.fallback) + ", with TLS " + codeOrNothing(s.secured)
}

func codeOrNothing(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// between replaces what stands between the two marks of a part of a document.
func between(document, part, text string) string {
	from, to := "<!-- "+part+": generated -->\n", "<!-- /"+part+" -->"
	before, rest, ok := strings.Cut(document, from)
	_, after, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		return document + from + text + to + "\n"
	}
	return before + from + text + to + after
}

// golden holds a file to what is generated from its present text.
func golden(t *testing.T, path string, generate func(old string) string) {
	t.Helper()
	old, err := os.ReadFile(path)
	if err != nil && !updating() {
		t.Fatal(err)
	}
	want := generate(string(old))
	if updating() {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(old) != want {
		t.Errorf("%s is not what the program says: go test ./cmd/wasmp2pchat -update", path)
	}
}

// TestEverySettingIsNamed keeps a field without a tag from being forgotten.
func TestEverySettingIsNamed(t *testing.T) {
	t.Parallel()
	var count func(v reflect.Type) int
	count = func(v reflect.Type) (n int) {
		for f := range v.Fields() {
			if f.Tag.Get("envPrefix") != "" {
				n += count(f.Type)
			} else {
				n++
			}
		}
		return n
	}
	if got, want := len(new(config).settings()), count(reflect.TypeFor[config]()); got != want {
		t.Errorf("%d settings for %d fields", got, want)
	}
}
