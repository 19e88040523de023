package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// answers is what init is told by flags, or by those whom it asks.
type answers struct {
	domain    string
	cert, key string // empty: a certificate by ACME
	how       string // "systemd", "compose" or "bridged"
	ebpf      bool
	dir       string
	root      string // where / of the machine is that is set up
	install   bool
	force     bool
}

// initCommand writes what a server needs to run for good, and with --install
// starts it.
func initCommand(ctx context.Context, w world) error {
	a, err := parseInit(w)
	if err != nil {
		return err
	}
	if err := a.complete(w); err != nil {
		return err
	}
	p, err := newPlan(a, w.environ)
	if err != nil {
		return err
	}
	if a.install {
		return install(ctx, w, a, p)
	}
	files, err := p.files(filesIn(a.dir, p))
	if err != nil {
		return err
	}
	if _, err := writeFiles(w.stdout, files, a.force); err != nil {
		return err
	}
	fmt.Fprint(w.stdout, p.next(a.dir))
	return nil
}

func parseInit(w world) (*answers, error) {
	a := new(answers)
	fs := flags(w, "init", "[--domain NAME] [--install | --systemd | --compose | --bridged] [...]")
	fs.StringVar(&a.domain, "domain", "", "public name of this server; without it, init asks")
	fs.StringVar(&a.cert, "cert", "", "a certificate of your own instead of Let's Encrypt, PEM")
	fs.StringVar(&a.key, "key", "", "its private key, PEM")
	fs.BoolVar(&a.install, "install", false, "as root: put everything into its place, and start the server by systemd")
	for _, how := range []struct{ name, help string }{
		{"systemd", "write a unit of systemd (the default)"},
		{"compose", "write a file of Docker Compose, on the network of this machine"},
		{"bridged", "write a file of Docker Compose, with 200 published relay ports"},
	} {
		fs.BoolFunc(how.name, how.help, func(string) error {
			if a.how != "" && a.how != how.name {
				return errors.New("--systemd, --compose and --bridged exclude one another")
			}
			a.how = how.name
			return nil
		})
	}
	fs.BoolVar(&a.ebpf, "ebpf", false, "with systemd: let the kernel carry what is relayed (two more capabilities)")
	fs.StringVar(&a.dir, "dir", ".", "folder to write to, without --install")
	fs.StringVar(&a.root, "root", "/", "with --install: the file system to set up, if it is not that of this machine; starts nothing")
	fs.BoolVar(&a.force, "force", false, "overwrite files that say something else")
	if err := fs.Parse(w.args); err != nil {
		return nil, err
	}
	switch {
	case fs.NArg() > 0:
		return nil, &hinted{err: fmt.Errorf("init wants flags, not %q", fs.Arg(0)), hint: "wasmp2pchat init --domain " + fs.Arg(0)}
	case (a.cert == "") != (a.key == ""):
		return nil, errors.New("--cert and --key go together")
	case a.install && a.how != "" && a.how != "systemd":
		return nil, errors.New("--install is for systemd: docker compose installs itself")
	case a.ebpf && a.how != "" && a.how != "systemd":
		return nil, &hinted{err: errors.New("--ebpf is for systemd"), hint: "docs/dataplane.md has the lines for a compose file"}
	}
	return a, nil
}

// complete asks the three questions if nothing was said, and takes the usual
// answers to those that were left out. The name has none.
func (a *answers) complete(w world) error {
	if a.domain == "" {
		a.domain = settingOf(w.environ, "DOMAIN")
	}
	if a.domain == "" {
		if err := a.ask(w); err != nil {
			return err
		}
	}
	if a.how == "" {
		a.how = "systemd"
	}
	a.domain = strings.ToLower(strings.TrimSuffix(a.domain, "."))
	if !isDomain(a.domain) {
		return &hinted{err: fmt.Errorf("--domain: read %q, want a name of the DNS such as chat.example.org", a.domain), hint: "other alphabets are written xn--…; an IP address has no certificate"}
	}
	return nil
}

// settingOf is what an environment says for a setting.
func settingOf(environ []string, name string) string {
	for _, entry := range slices.Backward(environ) {
		if value, ok := strings.CutPrefix(entry, prefix+name+"="); ok {
			return value
		}
	}
	return ""
}

// isDomain tells whether this is a name that a certificate can be had for: two
// labels at least (RFC 1035 §2.3.1), the last one with a letter.
func isDomain(name string) bool {
	const label = `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`
	return len(name) <= 253 && regexp.MustCompile(`^(`+label+`\.)+`+label+`$`).MatchString(name) &&
		strings.ContainsAny(name[strings.LastIndexByte(name, '.'):], "abcdefghijklmnopqrstuvwxyz")
}

// ask asks what the flags have not said.
func (a *answers) ask(w world) error {
	if !isTerminal(w.stdin) {
		return &hinted{err: errors.New("--domain is missing, and there is no terminal to ask on"), hint: "wasmp2pchat init --domain chat.example.org"}
	}
	q := questions{in: w.stdin, out: w.stdout}
	a.domain = q.ask("Public name of this server, whose DNS leads here, such as chat.example.org: ", "--domain", func(text string) bool {
		return isDomain(strings.ToLower(text))
	})
	if a.cert == "" && q.choose("Its certificate: 1 from Let's Encrypt (you agree to its terms), 2 files of your own", "--cert and --key", 2) == 2 {
		a.cert = q.ask("  the certificate, with its intermediates (PEM): ", "--cert", isFile)
		a.key = q.ask("  its private key (PEM): ", "--key", isFile)
	}
	if a.how == "" && !a.install && !a.ebpf {
		kinds := []string{"systemd", "compose", "bridged"}
		a.how = kinds[q.choose("Started by: 1 systemd, 2 Docker Compose on the network of this machine, 3 Docker Compose with published ports", "--systemd, --compose or --bridged", len(kinds))-1]
	}
	return q.err
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// absolute are the paths of a certificate as a unit or a container sees them.
func absolute(paths ...*string) error {
	for _, path := range paths {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("find %s: %w", *path, err)
		}
		*path = abs
	}
	return nil
}
