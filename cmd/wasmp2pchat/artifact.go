package main

import (
	"embed"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// forms are what init fills in. What they make for chat.example.org is in
// configs, for those who write their own.
//
//go:embed init
var forms embed.FS

// portsPerPerson is how many relay ports somebody takes while he connects: one
// for each TURN URL and each of his networks; those that lose go after seconds.
const portsPerPerson = 6

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
		p.build = dockerfileFrom(dir)
		list = append(list, artifact{form: p.composeForm(), path: at("compose.yaml"), mode: 0o644})
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

// composeForm is the form of the compose file.
func (p *plan) composeForm() string {
	if p.how == "bridged" {
		return "compose.yaml"
	}
	return "compose.host.yaml"
}

// files fills in the forms.
func (p *plan) files(list []artifact) ([]artifact, error) {
	for i := range list {
		form, err := forms.ReadFile("init/" + list[i].form)
		if err != nil {
			return nil, fmt.Errorf("read a form: %w", err)
		}
		list[i].text = []byte(fill(string(form), p.values(filepath.Base(list[i].path))))
	}
	return list, nil
}

// fill replaces what is between two @ in a form, such as @FILE@. What is alone on
// its line takes as many lines as it has, indented as it was; none leaves none.
func fill(form string, values map[string][]string) string {
	var text strings.Builder
	for line := range strings.Lines(form) {
		mark := strings.TrimSpace(line)
		lines, alone := values[strings.Trim(mark, "@")]
		if alone && strings.HasPrefix(mark, "@") {
			for _, l := range lines {
				text.WriteString(strings.Replace(line, mark, l, 1))
			}
			continue
		}
		for name, lines := range values {
			line = strings.ReplaceAll(line, "@"+name+"@", strings.Join(lines, " "))
		}
		text.WriteString(line)
	}
	return text.String()
}

// values are what the marks of the forms stand for, in a file of that name.
func (p *plan) values(file string) map[string][]string {
	count := 0 // of a node without a relay
	for _, port := range p.ports {
		if port.What == relayedTraffic {
			count = int(port.Max) - int(port.Min) + 1
		}
	}
	v := map[string][]string{
		"FILE": {file}, "BINARY": {installedBinary}, "ENVFILE": {installedDir + "/.env"},
		"RELAYS": {fmt.Sprint(count)}, "PEOPLE": {fmt.Sprint(count / portsPerPerson / 10 * 10)},
		"GROUP": nil, "BUILD": nil, "MOUNTS": nil, "SETTINGS": nil, "LISTEN": nil, "NFT": nil, "UFW": nil, "PORTS": nil,
	}
	add := func(name, format string, args ...any) { v[name] = append(v[name], fmt.Sprintf(format, args...)) }
	if p.group != "" {
		add("GROUP", "# They may read the key of the certificate.")
		add("GROUP", "SupplementaryGroups=%s", p.group)
	}
	if p.build != "" {
		add("BUILD", "build: %s", p.build)
	}
	for _, folder := range p.mounts {
		add("MOUNTS", "- %s:%s:ro", folder, folder)
	}
	for _, s := range p.settings {
		add("SETTINGS", "\n# %s\n%s=%s", s.help, s.name, s.value)
	}
	for _, port := range p.ports {
		add("NFT", `insert rule inet filter input %s dport %s accept comment "wasmp2pchat: %s"`, port.Network, port.Range("-"), port.What)
		add("UFW", "ufw allow %s/%s comment 'wasmp2pchat: %s'", port.Range(":"), port.Network, port.What)
		add("PORTS", `- "%s:%s/%s" # %s`, port.Range("-"), port.Range("-"), port.Network, port.What)
		if port.Network == "tcp" && port.Max < 1024 {
			add("LISTEN", "ListenStream=%d", port.Min)
		}
	}
	return v
}
