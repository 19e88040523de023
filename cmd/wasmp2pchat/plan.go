package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Where things are on a machine with systemd.
const (
	installedBinary = "/usr/local/bin/wasmp2pchat"
	installedDir    = "/etc/wasmp2pchat"
	unitDir         = "/etc/systemd/system"
	unitName        = "wasmp2pchat.service"
)

// bridgedPorts are the relay ports of a container with a network of its own.
const bridgedPorts = "50000-50199"

// plan is what the files that init writes say.
type plan struct {
	how      string // "systemd", "compose" or "bridged"
	ebpf     bool
	domain   string
	settings []planned
	ports    []openPort
	group    string   // of the unit, that may read the key; empty: none is needed
	note     string   // what is left to do for the certificate
	build    string   // the folder of the Dockerfile; empty: there is an image
	mounts   []string // of the container
}

// planned is a setting that differs from its default.
type planned struct{ name, value, help string }

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
	p := &plan{how: a.how, ebpf: a.ebpf, domain: cfg.Domain, ports: cfg.ports()}
	for _, s := range list {
		line, err := s.planned()
		if err != nil {
			return nil, err
		}
		if line != nil {
			p.settings = append(p.settings, *line)
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

// planned is the line of a setting; nil: it has its default, or is the file that
// the others came from.
func (s setting) planned() (*planned, error) {
	p := &planned{s.name, s.raw.reveal(), s.help}
	switch {
	case s.source == "default", s.name == envFile, !s.isPath && s.raw.reveal() == s.fallback:
		return nil, nil
	case s.isPath:
		abs, err := filepath.Abs(s.source)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", s.source, err)
		}
		p.name, p.value = s.name+"_FILE", abs
	}
	quoted, err := everywhere(p.value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	p.value = quoted
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
	p.mounts = slices.Compact([]string{filepath.Dir(cert), filepath.Dir(key)})
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
	if p.group = readingGroup(info); p.group == "" && info.Mode().Perm()&0o004 == 0 {
		p.note = "Only root can read " + key + ". Let a group read it, and run init again with --force:\n" +
			"  sudo groupadd -f -r ssl-cert && sudo chgrp ssl-cert " + key + " && sudo chmod g+r " + key + "\n"
	}
	return nil
}
