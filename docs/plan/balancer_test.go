package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestBalancersTakeIt has HAProxy and Caddy read what docs/scaling.md says to write.
// With nodes behind them, make fleet has HAProxy do the same.
func TestBalancersTakeIt(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?ms)^```(haproxy|caddy)\n(.*?)^```$").FindAllStringSubmatch(read(t, "../scaling.md"), -1)
	frontend := "frontend https\n\tbind 127.0.0.1:8443\n\toption forwardfor\n\tdefault_backend wasmp2pchat\n"
	var backends, sites string
	for _, b := range blocks {
		if b[1] == "caddy" {
			sites += "http://127.0.0.1:8443 {\n" + b[2] + "}\n"
			continue
		}
		for line := range strings.Lines(b[2]) {
			if strings.HasPrefix(line, "use_backend") {
				frontend += "\t" + line
			} else {
				backends += line
			}
		}
	}
	if len(blocks) != 3 {
		t.Fatalf("docs/scaling.md has %d blocks for balancers, want 3", len(blocks))
	}
	defaults := "defaults\n\tmode http\n\ttimeout connect 5s\n\ttimeout client 20s\n\ttimeout server 1m\n\ttimeout tunnel 1m\n"
	accepts(t, defaults+frontend+backends, "haproxy", "-c", "-f")
	accepts(t, sites, "caddy", "adapt", "--adapter", "caddyfile", "--config")
}

// accepts has a program look at a configuration, if it is here.
func accepts(t *testing.T, config, program string, arguments ...string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Logf("there is no %s here to look at it", program)
		return
	}
	file := filepath.Join(t.TempDir(), program)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, append(arguments, file)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s does not take it: %v\n%s", program, err, out)
	}
}
