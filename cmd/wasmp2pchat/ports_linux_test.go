package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestThePortsAreThoseThatListen holds the ports that init has the firewall open
// to the sockets that the server of the same settings has.
func TestThePortsAreThoseThatListen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newPair(t, 1).write(t, dir)
	port := func() string { return ":" + strconv.Itoa(freePort(t)) }
	tls := []string{"TLS_CERT_FILE=" + filepath.Join(dir, "cert.pem"), "TLS_KEY_FILE=" + filepath.Join(dir, "key.pem")}
	for name, settings := range map[string][]string{
		"with TLS":      append(tls, "ADDR="+port(), "REDIRECT_ADDR="+port(), "TURN_UDP_ADDR="+port()+","+port(), "TURN_TCP_ADDR="+port(), "TURN_TLS_ADDR="+port()),
		"without TLS":   {"ADDR=" + port(), "REDIRECT_ADDR=" + port(), "TURN_UDP_ADDR=" + port(), "TURN_TCP_ADDR=" + port(), "TURN_TLS_ADDR=" + port()},
		"page and UDP":  append(tls, "ADDR="+port(), "REDIRECT_ADDR=off", "TURN_UDP_ADDR="+port(), "TURN_TCP_ADDR=off", "TURN_TLS_ADDR="),
		"one port":      append(tls, "ADDR="+port(), "REDIRECT_ADDR=", "TURN_UDP_ADDR=", "TURN_TCP_ADDR=", "TURN_TLS_ADDR="),
		"some loopback": {"ADDR=127.0.0.1" + port(), "TURN_UDP_ADDR=[::1]" + port(), "TURN_TCP_ADDR=" + port()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			environ := []string{prefix + "ADMIN_ADDR=127.0.0.1:0", prefix + "PUBLIC_IPS=127.0.0.1", prefix + "STATE_DIR=" + t.TempDir(), prefix + "TURN_DATAPLANE=pion"}
			for _, s := range settings {
				environ = append(environ, prefix+s)
			}
			cfg, _, err := loadConfig(environ)
			must(t, err)
			var want []string
			for _, p := range cfg.ports() {
				if p.What != "relayed traffic" { // nobody has an allocation
					want = append(want, p.Network+" "+p.Range("-"))
				}
			}
			slices.Sort(want)
			states := notifySocket(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "wasmp2pchat", "serve")
			cmd.Env = append(append(cmd.Environ(), environ...), hasty, "NOTIFY_SOCKET="+states.path)
			must(t, cmd.Start())
			states.want(t, "READY=1")
			if got := listensOn(t, cmd.Process.Pid); !slices.Equal(got, want) {
				t.Errorf("the server listens on %q, init opens %q", got, want)
			}
			must(t, cmd.Process.Signal(os.Interrupt), cmd.Wait())
		})
	}
}

// listensOn are the ports of a process that others than this machine can reach:
// those that have a peer are none.
func listensOn(t *testing.T, pid int) []string {
	t.Helper()
	own := map[string]bool{}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	must(t, err)
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil { // else it is closed by now
			if inode, ok := strings.CutPrefix(to, "socket:["); ok {
				own[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	var list []string
	for table, state := range map[string]string{"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"} { // TCP_LISTEN; TCP_CLOSE: no peer
		f, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		must(t, err)
		defer func() { _ = f.Close() }()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			if len(fields) < 10 || fields[3] != state || !own[fields[9]] {
				continue
			}
			addr, hex, _ := strings.Cut(fields[1], ":")
			port, err := strconv.ParseUint(hex, 16, 16)
			must(t, err)
			if strings.Trim(addr, "0") == "" { // all addresses; those of the loopback are not
				list = append(list, fmt.Sprintf("%s %d", strings.TrimSuffix(table, "6"), port))
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
