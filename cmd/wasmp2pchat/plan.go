package main

import (
	"crypto/tls"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

// forms are what init fills in. What they make for chat.example.org is in
// configs, for those who write their own.
//
//go:embed init
var forms embed.FS

// Where things are on a machine with systemd.
const (
	installedBinary = "/usr/local/bin/wasmp2pchat"
	installedDir    = "/etc/wasmp2pchat"
	unitDir         = "/etc/systemd/system"
	unitName        = "wasmp2pchat.service"
)

// bridgedPorts are the relay ports of a container with a network of its own.
const bridgedPorts = "50000-50199"

// portsPerPerson is how many relay ports somebody takes while he connects: one
// for each TURN URL and each of his networks; those that lose go after seconds.
const portsPerPerson = 6

// plan is what the forms are filled with.
type plan struct {
	how      string
	ebpf     bool
	note     string // what is left to do for the certificate
	Domain   string
	Settings []planned
	Ports    []openPort
	Binary   string // of the unit
	EnvFile  string // of the unit
	Group    string // that may read the key; empty: none is needed
	Build    string // the folder of the Dockerfile; empty: there is an image
	Mounts   []string
	File     string // that is being written
}

// planned is a setting that differs from its default.
type planned struct{ Name, Value, Help string }

// Bridged tells whether the container has a network of its own.
func (p *plan) Bridged() bool { return p.how == "bridged" }

// RelayCount is how many relay ports there are.
func (p *plan) RelayCount() int {
	relay := p.Ports[len(p.Ports)-1]
	return int(relay.Max) - int(relay.Min) + 1
}

// People is how many may connect at the same moment, rounded down to tens.
func (p *plan) People() int { return p.RelayCount() / portsPerPerson / 10 * 10 }

// newPlan puts together what was answered and the settings of the environment,
// and reads them as the server will.
func newPlan(a *answers, environ []string) (*plan, error) {
	if err := absolute(&a.cert, &a.key); err != nil {
		return nil, err
	}
	cfg, list, err := loadConfig(a.environ(environ))
	if err != nil {
		return nil, err
	}
	p := &plan{
		how: a.how, ebpf: a.ebpf, Domain: cfg.Domain, Ports: cfg.ports(),
		Binary: installedBinary, EnvFile: installedDir + "/.env",
	}
	for _, s := range list {
		line, err := s.planned()
		if err != nil {
			return nil, err
		}
		if line != nil {
			p.Settings = append(p.Settings, *line)
		}
	}
	if settingOf(environ, "STATE_DIR") != "" {
		return nil, &hinted{err: errors.New(prefix + "STATE_DIR: the unit and the image have their own"), hint: "unset it; what is in it can be copied to /var/lib/wasmp2pchat, or into the volume"}
	}
	return p, p.useCertificate(cfg)
}

// environ is the environment that the server is to have.
func (a *answers) environ(now []string) []string {
	said := []string{"DOMAIN=" + a.domain}
	if a.cert != "" {
		said = append(said, "TLS_CERT_FILE="+a.cert, "TLS_KEY_FILE="+a.key)
	}
	if a.how == "bridged" && settingOf(now, "TURN_RELAY_PORTS") == "" {
		said = append(said, "TURN_RELAY_PORTS="+bridgedPorts)
	}
	if a.how == "bridged" && settingOf(now, "TURN_TLS_ADDR") == "" {
		said = append(said, "TURN_TLS_ADDR=off") // 443 does that
	}
	list := slices.DeleteFunc(slices.Clone(now), func(entry string) bool { return !strings.HasPrefix(entry, prefix) })
	for _, entry := range said {
		list = append(list, prefix+entry)
	}
	return list
}

// planned is the line of a setting; nil: it has its default.
func (s setting) planned() (*planned, error) {
	p := &planned{Name: s.name, Value: s.raw, Help: s.help}
	switch s.source {
	case "default":
		return nil, nil
	case "environment":
		if s.raw == s.fallback && s.secured == "" {
			return nil, nil
		}
	default:
		abs, err := filepath.Abs(s.source)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", s.source, err)
		}
		p.Name, p.Value = s.name+"_FILE", abs
	}
	quoted, err := everywhere(p.Value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	p.Value = quoted
	return p, nil
}

// everywhere writes a value so that systemd, Docker Compose and a shell read the
// same.
func everywhere(value string) (string, error) {
	if strings.ContainsAny(value, "'\\\n\r") {
		return "", errors.New("want a value without ' and \\, which systemd, Docker and shells read differently")
	}
	return quote(value), nil
}

// useCertificate looks at a certificate of the operator's own: that the two files
// fit, and that whoever runs the server can read them.
func (p *plan) useCertificate(cfg *config) error {
	cert, key := cfg.TLS.CertFile, cfg.TLS.KeyFile
	if cert == "" {
		return nil
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		return fmt.Errorf("--cert and --key: %w", err)
	}
	p.Mounts = slices.Compact([]string{filepath.Dir(cert), filepath.Dir(key)})
	if p.how != "systemd" {
		return nil
	}
	for _, path := range []string{cert, key} {
		for _, hidden := range []string{"/home/", "/root/", "/tmp/", "/var/tmp/", "/run/user/"} {
			if strings.HasPrefix(path, hidden) {
				return &hinted{err: fmt.Errorf("%s: the unit sees nothing below %s", path, hidden), hint: "put the files into " + installedDir}
			}
		}
	}
	info, err := os.Stat(key)
	if err != nil {
		return fmt.Errorf("look at the key: %w", err)
	}
	if p.Group = readingGroup(info); p.Group == "" && info.Mode().Perm()&0o004 == 0 {
		p.note = "Only root can read " + key + ". Let a group read it, and run init again with --force:\n" +
			"  sudo groupadd -f -r ssl-cert && sudo chgrp ssl-cert " + key + " && sudo chmod g+r " + key + "\n"
	}
	return nil
}

// artifact is one file that init writes.
type artifact struct {
	form string // of forms
	path string
	mode fs.FileMode
	text []byte
}

// filesIn are the files of a folder that somebody copies from.
func filesIn(dir string, p *plan) []artifact {
	at := func(name string) string { return filepath.Join(dir, name) }
	list := []artifact{{form: "env", path: at(".env"), mode: 0o600}}
	switch {
	case p.how != "systemd":
		p.Build = dockerfileFrom(dir)
		list = append(list, artifact{form: "compose.yaml", path: at("compose.yaml"), mode: 0o644})
	case p.ebpf:
		list = append(list, artifact{form: "ebpf.conf", path: at("ebpf.conf"), mode: 0o644})
		fallthrough
	default:
		list = append(list, artifact{form: "service", path: at(unitName), mode: 0o644})
	}
	return append(list, artifact{form: "firewall.nft", path: at("firewall.nft"), mode: 0o644}, artifact{form: "firewall-ufw.sh", path: at("firewall-ufw.sh"), mode: 0o644})
}

// dockerfileFrom is where the image can be built, seen from a folder; empty: it
// is not known.
func dockerfileFrom(dir string) string {
	if !isFile("Dockerfile") {
		return ""
	}
	from, err := filepath.Abs(dir)
	here, err2 := filepath.Abs(".")
	if err != nil || err2 != nil {
		return ""
	}
	rel, err := filepath.Rel(from, here)
	if err != nil {
		return here
	}
	return rel
}

// files fills in the forms.
func (p *plan) files(list []artifact) ([]artifact, error) {
	all, err := template.ParseFS(forms, "init/*")
	if err != nil {
		return nil, fmt.Errorf("read the forms: %w", err)
	}
	for i := range list {
		var text strings.Builder
		p.File = filepath.Base(list[i].path)
		if err := all.ExecuteTemplate(&text, list[i].form, p); err != nil {
			return nil, fmt.Errorf("fill in %s: %w", list[i].form, err)
		}
		list[i].text = []byte(text.String())
	}
	return list, nil
}
