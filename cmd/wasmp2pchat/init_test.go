package main

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// TestConfigsAreWhatInitWrites holds the files that operators copy to those that
// init writes for chat.example.org.
func TestConfigsAreWhatInitWrites(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ how, form, file string }{
		{"systemd", "service", "wasmp2pchat.service"},
		{"systemd", "socket", "wasmp2pchat.socket"},
		{"systemd", "ebpf.conf", "ebpf.conf"},
		{"systemd", "firewall.nft", "firewall.nft"},
		{"systemd", "firewall-ufw.sh", "firewall-ufw.sh"},
		{"bridged", "compose.yaml", "compose.yaml"},
		{"compose", "compose.host.yaml", "compose.host.yaml"},
	} {
		p := planFor(t, &answers{domain: "chat.example.org", how: c.how})
		p.build = ".."
		files, err := p.files([]artifact{{form: c.form, path: c.file}})
		if err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("../../configs", c.file), func(string) string { return string(files[0].text) })
	}
}

func planFor(t *testing.T, a *answers, environ ...string) *plan {
	t.Helper()
	p, err := newPlan(a, environ)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestWhatInitWritesIsReadBack holds that a server with that .env has the
// settings that init was given.
func TestWhatInitWritesIsReadBack(t *testing.T) {
	t.Parallel()
	given := []string{
		"PATH=/bin",
		"WASMP2PCHAT_TURN_RELAY_PORTS=50000-50099",
		"WASMP2PCHAT_TURN_SECRETS=the first secret,the one before it",
		"WASMP2PCHAT_ALLOWED_ORIGINS=https://example.org,*",
		"WASMP2PCHAT_MATCH_MAX_WAIT=2m", // the default
		"WASMP2PCHAT_TURN_TLS_ADDR=",
		"WASMP2PCHAT_TURN_UDP_ADDR=:3478", // the default without TLS, but not with it
	}
	p := planFor(t, &answers{domain: "chat.example.org", how: "systemd"}, given...)
	var environ []string
	for _, s := range p.settings {
		value := s.value
		if quoted, ok := strings.CutPrefix(value, "'"); ok {
			value = strings.TrimSuffix(quoted, "'")
		}
		environ = append(environ, s.name+"="+value)
	}
	if len(environ) != 6 {
		t.Errorf("init writes %q, want DOMAIN and the five settings that differ from their defaults", environ)
	}
	got, _, err := loadConfig(environ)
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := loadConfig(append(given, "WASMP2PCHAT_DOMAIN=chat.example.org"))
	if err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	for _, c := range []struct {
		to  *bytes.Buffer
		cfg *config
	}{{&a, got}, {&b, want}} {
		for _, s := range c.cfg.settings() {
			c.to.WriteString(s.name + "=" + s.text() + "\n")
		}
	}
	if a.String() != b.String() {
		t.Errorf("the server reads\n%s\nwant\n%s", a.String(), b.String())
	}
	if got.TURN.Secrets[1].reveal() != "the one before it" {
		t.Error("a secret was not written as it was given")
	}
}

// TestAFileOfSettingsGoesAlong holds that what init reads from a file of settings
// is written as what it is: another file has it then.
func TestAFileOfSettingsGoesAlong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, key := filepath.Join(dir, "settings"), filepath.Join(dir, "key")
	must(t, os.WriteFile(from, []byte("WASMP2PCHAT_TURN_MAX_ALLOCATIONS=99\nWASMP2PCHAT_ROOM_SECRET_FILE="+key+"\n"), 0o600), os.WriteFile(key, []byte("0123456789abcdef"), 0o600))
	p := planFor(t, &answers{domain: "chat.example.org", how: "systemd"}, "WASMP2PCHAT_ENV_FILE="+from)
	var got []string
	for _, s := range p.settings {
		got = append(got, s.name+"="+s.value)
	}
	want := []string{"WASMP2PCHAT_DOMAIN=chat.example.org", "WASMP2PCHAT_ROOM_SECRET_FILE=" + key, "WASMP2PCHAT_TURN_MAX_ALLOCATIONS=99"}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("init writes %q, want %q", got, want)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"chat.example.org": true, "xn--caf-dma.example": true, "a.b": true, strings.Repeat("a.", 126) + "b": true,
		"": false, "localhost": false, "192.0.2.7": false, "-a.example": false, "a-.example": false, "a..example": false,
		"chat.example.org/": false, "https://chat.example.org": false, "chat_.example": false, strings.Repeat("a", 64) + ".example": false,
		strings.Repeat("a.", 127) + "b": false, "chat.example.org\n": false,
	} {
		if got := isDomain(name); got != want {
			t.Errorf("isDomain(%q) = %v, want %v", name, got, want)
		}
	}
}

// TestPortsFollowTheSettings has what a firewall must let through; that it is what
// the server listens on is TestThePortsAreThoseThatListen.
func TestPortsFollowTheSettings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings []string
		want     string
	}{
		"with a domain":       {[]string{"DOMAIN=chat.example.org"}, "tcp/80 tcp/443 tcp/3478 tcp/5349 udp/443 udp/3478 udp/5349 udp/49152-65535"},
		"without one":         {nil, "tcp/3478 tcp/8080 udp/3478 udp/49152-65535"},
		"behind a proxy here": {[]string{"ADDR=127.0.0.1:8080", "TURN_TCP_ADDR=localhost:3478", "TURN_UDP_ADDR=[::1]:3478"}, "udp/49152-65535"},
		"fewer":               {[]string{"DOMAIN=chat.example.org", "REDIRECT_ADDR=off", "TURN_TLS_ADDR=off", "TURN_TCP_ADDR=", "TURN_UDP_ADDR=192.0.2.1:443", "TURN_RELAY_PORTS=50000-50000"}, "tcp/443 udp/443 udp/50000"},
	} {
		for i := range c.settings {
			c.settings[i] = prefix + c.settings[i]
		}
		cfg, _, err := loadConfig(c.settings)
		if err != nil {
			t.Fatal(err)
		}
		list := cfg.ports()
		slices.SortFunc(list, func(a, b openPort) int { return cmp.Or(cmp.Compare(a.Network, b.Network), cmp.Compare(a.Min, b.Min)) })
		var got []string
		for _, p := range list {
			got = append(got, p.Network+"/"+p.Range("-"))
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: ports are\n%s, want\n%s", name, text, c.want)
		}
	}
}

// TestComposeFilesAreOnesOfCompose reads what init writes as Docker Compose does:
// every key has the type that the Compose specification gives it.
func TestComposeFilesAreOnesOfCompose(t *testing.T) {
	t.Parallel()
	type service struct {
		Image       string
		Build       string
		Restart     string
		EnvFile     string         `yaml:"env_file"`
		ReadOnly    bool           `yaml:"read_only"`
		CapDrop     []string       `yaml:"cap_drop"`
		CapAdd      []string       `yaml:"cap_add"`
		SecurityOpt []string       `yaml:"security_opt"`
		StopGrace   time.Duration  `yaml:"stop_grace_period"`
		Sysctls     map[string]int `yaml:"sysctls"`
		NetworkMode string         `yaml:"network_mode"`
		User        string
		Ports       []string
		Volumes     []string
	}
	dir := t.TempDir()
	newPair(t, 1).write(t, dir)
	defaults, _, err := loadConfig(nil)
	must(t, err)
	drain := defaults.DrainTimeout
	for _, how := range []string{"compose", "bridged"} {
		p := planFor(t, &answers{domain: "chat.example.org", how: how, cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")})
		files, err := p.files([]artifact{{form: p.composeForm(), path: "compose.yaml"}})
		must(t, err)
		var file struct {
			Services map[string]service
			Volumes  map[string]struct{}
		}
		decoder := yaml.NewDecoder(bytes.NewReader(files[0].text))
		decoder.KnownFields(true)
		if err := decoder.Decode(&file); err != nil {
			t.Errorf("%s: %v\n%s", how, err, files[0].text)
			continue
		}
		s := file.Services["wasmp2pchat"]
		var ports []string
		for _, port := range p.ports {
			ports = append(ports, port.Range("-")+":"+port.Range("-")+"/"+port.Network)
		}
		if how == "compose" {
			ports = nil
		}
		if (s.NetworkMode == "host") != (how == "compose") || !slices.Equal(s.Ports, ports) {
			t.Errorf("%s: network %q with ports %q, want %q", how, s.NetworkMode, s.Ports, ports)
		}
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || s.EnvFile != ".env" || s.StopGrace <= drain {
			t.Errorf("%s: read-only %v, without %q, settings from %q, stopped after %v; want it safe, and more than %v", how, s.ReadOnly, s.CapDrop, s.EnvFile, s.StopGrace, drain)
		}
		if _, ok := file.Volumes["state"]; !ok || !slices.Equal(s.Volumes, []string{"state:/data", dir + ":" + dir + ":ro"}) {
			t.Errorf("%s: volumes %q, want the state's and the certificate's", how, s.Volumes)
		}
	}
}
