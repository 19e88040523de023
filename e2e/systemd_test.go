//go:build systemd

package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mostExposure is what systemd-analyze security may say of the unit, from 0 to 10.
const mostExposure = 2.0

// TestSystemdFindsTheUnitSafe asks systemd how much the unit may do.
func TestSystemdFindsTheUnitSafe(t *testing.T) {
	t.Parallel()
	needPrograms(t, "systemd", "systemd-analyze")
	unit, err := filepath.Abs("../configs/wasmp2pchat.service")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", unit).CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze: %v\n%s", err, out)
	}
	found := regexp.MustCompile(`Overall exposure level for wasmp2pchat.service: ([0-9.]+)`).FindSubmatch(out)
	if found == nil {
		t.Fatalf("systemd-analyze says nothing of the exposure:\n%s", out)
	}
	if exposure, err := strconv.ParseFloat(string(found[1]), 64); err != nil || exposure > mostExposure {
		t.Errorf("exposure %s, %v; want at most %v\n%s", found[1], err, mostExposure, out)
	} else {
		t.Logf("exposure %v", exposure)
	}
}

// TestSystemdRunsTheServer boots a systemd of its own in a container, and has an
// operator's commands run in it (testdata/systemd.sh): init --install on a machine
// that has nothing, again, a reload, upgrades, a restart under connections that wait, and
// a certificate whose key a group may read.
func TestSystemdRunsTheServer(t *testing.T) {
	t.Parallel()
	needPrograms(t, "systemd-container dbus openssl curl iproute2 nftables", "systemd-nspawn", "dbus-daemon", "openssl", "curl", "ip", "nft")
	if os.Geteuid() != 0 {
		need(t, errors.New("a container needs root"))
	}
	root := bareMachine(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var console bytes.Buffer
	boot := exec.CommandContext(ctx, "systemd-nspawn", "--quiet", "--boot", "--directory="+root, "--bind-ro=/usr", "--tmpfs=/usr/local:mode=0755",
		"--register=no", "--keep-unit", "--private-network", "--capability=CAP_BPF", "--system-call-filter=bpf", "--machine=wasmp2pchat-"+strconv.Itoa(os.Getpid()))
	boot.Env = append(os.Environ(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1") // control groups as all distributions have them
	boot.Stdout, boot.Stderr = &console, &console
	err := boot.Run()
	out, _ := os.ReadFile(filepath.Join(root, "operator.log")) // what is not there did not come so far
	if !bytes.HasSuffix(out, []byte("\nall is well\n")) {
		t.Errorf("the machine ended (%v), its operator saw\n%s\nand on its console was\n%s", err, out, console.Bytes())
	}
}

// bareMachine is the root of a machine on which systemd, when it has booted, runs
// testdata/systemd.sh, and which then halts. It has this machine's /usr.
func bareMachine(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"usr", "etc/systemd/system", "proc", "sys", "dev", "run", "tmp", "var/lib", "var/log", "root"} {
		must(os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	for _, link := range []string{"bin", "sbin", "lib", "lib64"} {
		must(os.Symlink("usr/"+link, filepath.Join(root, link)))
	}
	for _, file := range []string{"passwd", "group", "nsswitch.conf", "os-release", "ssl/openssl.cnf"} {
		text, err := os.ReadFile(filepath.Join("/etc", file))
		must(err)
		must(os.MkdirAll(filepath.Dir(filepath.Join(root, "etc", file)), 0o755))
		must(os.WriteFile(filepath.Join(root, "etc", file), text, 0o644))
	}
	binary, err := os.ReadFile(serverBinary(t))
	must(err)
	must(os.WriteFile(filepath.Join(root, "wasmp2pchat"), binary, 0o755))
	script, err := os.ReadFile("testdata/systemd.sh")
	must(err)
	socket, err := os.ReadFile("../configs/wasmp2pchat.socket")
	must(err)
	for file, text := range map[string]string{
		"operator.sh":                         string(script),
		"etc/hosts":                           "127.0.0.1 localhost\n203.0.113.10 chat.example.org\n",
		"etc/machine-id":                      strings.Repeat("5", 32) + "\n",
		"root/wasmp2pchat.socket":             string(socket),
		"etc/systemd/system/default.target":   "[Unit]\nRequires=dbus.socket systemd-journald.socket operator.service\nWants=systemd-journald.service\n",
		"etc/systemd/system/operator.service": "[Unit]\nDefaultDependencies=no\nAfter=dbus.socket systemd-journald.service systemd-tmpfiles-setup.service systemd-sysusers.service\n[Service]\nType=oneshot\nExecStart=/bin/sh -eux /operator.sh\nExecStopPost=/bin/systemctl poweroff --force --force\nTimeoutStartSec=90\nStandardOutput=file:/operator.log\nStandardError=inherit\n",
	} {
		must(os.WriteFile(filepath.Join(root, file), []byte(text), 0o644))
	}
	return root
}

// needPrograms skips a test that lacks one of them.
func needPrograms(t *testing.T, pkg string, programs ...string) {
	t.Helper()
	for _, program := range programs {
		_, err := exec.LookPath(program)
		need(t, missing(err, program, pkg))
	}
}
