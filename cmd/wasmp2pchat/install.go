package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/wasmp2pchat/wasmp2pchat/internal/durable"
)

// writeFiles writes all of them or, if one is there that says something else,
// none. Those that are there as they should be are left; changed tells whether
// others were not.
func writeFiles(out io.Writer, files []artifact, force bool) (changed bool, err error) {
	var others []string
	same := map[string]bool{}
	for _, f := range files {
		now, err := os.ReadFile(f.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return false, fmt.Errorf("look at %s: %w", f.path, err)
		case bytes.Equal(now, f.text):
			same[f.path] = true
		default:
			others = append(others, f.path)
		}
	}
	if len(others) > 0 && !force {
		return false, &hinted{err: errors.New("there already, and something else is in it: " + strings.Join(others, ", ")), hint: "nothing was written; --force overwrites"}
	}
	for _, f := range files {
		if err := writeFile(f, same[f.path]); err != nil {
			return changed, err
		}
		did := "wrote    "
		if same[f.path] {
			did = "unchanged"
		}
		fmt.Fprintln(out, did, f.path)
		changed = changed || !same[f.path]
	}
	return changed, nil
}

// writeFile writes one, whole; it has its mode even if it was there.
func writeFile(f artifact, there bool) error {
	if !there {
		if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
			return fmt.Errorf("make the folder of %s: %w", f.path, err)
		}
		if err := durable.Write(f.path, f.text); err != nil {
			return fmt.Errorf("write %s: %w", f.path, err)
		}
	}
	if err := os.Chmod(f.path, f.mode); err != nil {
		return fmt.Errorf("set the mode of %s: %w", f.path, err)
	}
	return nil
}

// next says what is left to do with the files of a folder.
func (p *plan) next(dir string) string {
	var b strings.Builder
	at := func(name string) string { return filepath.Join(dir, name) }
	fmt.Fprint(&b, "\n", p.note, "Next:\n")
	if p.how == "systemd" {
		fmt.Fprintf(&b, "  sudo install -m 0755 %s %s\n", program(), installedBinary)
		fmt.Fprintf(&b, "  sudo install -D -m 0600 %s %s/.env\n", at(".env"), installedDir)
		fmt.Fprintf(&b, "  sudo install -m 0644 %s %s\n", at(unitName), unitDir)
		if p.ebpf {
			fmt.Fprintf(&b, "  sudo install -D -m 0644 %s %s/%s.d/ebpf.conf\n", at("ebpf.conf"), unitDir, unitName)
		}
		fmt.Fprintf(&b, "  sudo systemctl daemon-reload && sudo systemctl enable --now %s\n", unitName)
	} else {
		if p.build == "" {
			fmt.Fprintln(&b, "  docker build -t wasmp2pchat .   # in the folder of the source")
		}
		fmt.Fprintf(&b, "  docker compose -f %s up -d\n", at("compose.yaml"))
	}
	fmt.Fprint(&b, p.aboutFirewall(dir))
	return b.String()
}

func (p *plan) aboutFirewall(dir string) string {
	return fmt.Sprintf("If a firewall is on, also one of:\n  sudo sh %s\n  sudo nft -f %s\nThen https://%s is a chat.\n",
		filepath.Join(dir, "firewall-ufw.sh"), filepath.Join(dir, "firewall.nft"), p.domain)
}

// install puts everything into its place below root and, on this machine, starts
// the server.
func install(ctx context.Context, w world, a *answers, p *plan) error {
	here := filepath.Clean(a.root) == "/"
	if here {
		if err := canInstall(); err != nil {
			return err
		}
	}
	at := func(path string) string { return filepath.Join(a.root, path) }
	list := []artifact{
		{form: "env", path: at(installedDir + "/.env"), mode: 0o600},
		{form: "service", path: at(unitDir + "/" + unitName), mode: 0o644},
		{form: "firewall.nft", path: at(installedDir + "/firewall.nft"), mode: 0o644},
		{form: "firewall-ufw.sh", path: at(installedDir + "/firewall-ufw.sh"), mode: 0o644},
	}
	if p.ebpf {
		list = append(list, artifact{form: "ebpf.conf", path: at(unitDir + "/" + unitName + ".d/ebpf.conf"), mode: 0o644})
	}
	files, err := p.files(list)
	if err != nil {
		return err
	}
	binary, err := os.ReadFile(program())
	if err != nil {
		return fmt.Errorf("read this program: %w", err)
	}
	files = append(files, artifact{path: at(installedBinary), mode: 0o755, text: binary})
	changed, err := writeFiles(w.stdout, files, a.force)
	if err != nil {
		return err
	}
	if !here {
		fmt.Fprintf(w.stdout, "\n%sNext:\n  systemctl --root=%s enable %s\n", p.note, a.root, unitName)
		return nil
	}
	if err := start(ctx, w, changed); err != nil {
		return err
	}
	fmt.Fprint(w.stdout, "\n", p.note, "The server runs: systemctl status wasmp2pchat, journalctl -u wasmp2pchat, wasmp2pchat health\n", p.aboutFirewall(installedDir))
	return nil
}

// canInstall tells what is missing on this machine.
func canInstall() error {
	if os.Geteuid() != 0 {
		return &hinted{err: errors.New("--install is for root"), hint: "sudo " + program() + " init --install …, or --dir for files to look at first"}
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return &hinted{err: errors.New("systemd does not run here"), hint: "wasmp2pchat init --compose, or --dir for files to look at"}
	}
	return nil
}

// start has systemd run what was written, from now on and after each boot. A
// server that runs already is started again if there is something new for it.
func start(ctx context.Context, w world, changed bool) error {
	do := "start"
	if changed {
		do = "restart"
	}
	for _, args := range [][]string{{"daemon-reload"}, {"enable", unitName}, {do, unitName}} {
		cmd := exec.CommandContext(ctx, "systemctl", args...)
		cmd.Stdout, cmd.Stderr = w.stdout, w.stderr
		if err := cmd.Run(); err != nil {
			return &hinted{err: fmt.Errorf("systemctl %s: %w", strings.Join(args, " "), err), hint: "journalctl -u wasmp2pchat -n 20 says why"}
		}
	}
	return nil
}
