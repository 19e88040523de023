//go:build deployments

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// Where the name of a healthy deployment leads.
const (
	hostIP   = "51.51.51.10"
	hostIPv6 = "2a0a:5151::10"
	secondIP = "51.51.51.11" // of the same host
)

// deployment is a server that somebody operates, and somebody else who looks at
// it from the internet, with public addresses of his own. All of it ends with its
// test.
type deployment struct {
	t        *testing.T
	lab      *natlab.Lab
	ca       *authority
	trusts   string       // file of that CA, which everybody trusts
	addrs    []netip.Addr // where the name leads
	settings []string     // of the server, NAME=value without the prefix: of the same the last counts
	host     machine      // what the server runs on; its limits and its clock may be another's
	server   *server      // nil while it does not run
	other    func()       // stops what else runs; nil: nothing does
	proxied  string       // what nginx has been told
}

// newDeployment prepares a healthy deployment, whose server has yet to be started.
func newDeployment(t *testing.T) *deployment {
	t.Helper()
	need(t, natlab.Available())
	lab, err := natlab.New(t.Context(), natlab.NoNAT, natlab.NoNAT)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := lab.SetFamily(t.Context(), natlab.SideA, natlab.DualStack); err != nil {
		t.Fatal(err)
	}
	d := &deployment{t: t, lab: lab, ca: newAuthority(t), host: lab.Server()}
	d.trusts = inFile(t, d.ca.root)
	d.pointsTo(hostIP, hostIPv6)
	d.set("DOMAIN="+domain, "STATE_DIR="+t.TempDir(), "ADDRESS_SOURCES=interfaces,dns", // it is in no cloud
		"TURN_MAX_ALLOCATIONS=1000") // that many may be had wherever the test runs
	d.certify(d.ca.issue(domain, 2))
	return d
}

// pointsTo sets the address records of the name.
func (d *deployment) pointsTo(addrs ...string) {
	d.t.Helper()
	d.addrs = nil
	for _, addr := range addrs {
		d.addrs = append(d.addrs, netip.MustParseAddr(addr))
	}
	if err := d.lab.SetName(domain, d.addrs...); err != nil {
		d.t.Fatal(err)
	}
}

// set adds settings, which count when the server starts.
func (d *deployment) set(settings ...string) { d.settings = append(d.settings, settings...) }

// certify gives the server a certificate, when it starts.
func (d *deployment) certify(c issued) {
	d.set("TLS_CERT_FILE="+inFile(d.t, c.chain), "TLS_KEY_FILE="+inFile(d.t, c.key))
}

// serve starts the server, or starts it again.
func (d *deployment) serve() {
	d.t.Helper()
	if d.server != nil {
		d.server.stop()
	}
	d.server = startServer(d.t, d.host, "127.0.0.1:9090", d.settings...)
}

// secondNode is another server on the same host, with settings of its own.
func (d *deployment) secondNode(settings ...string) *server {
	d.t.Helper()
	return startServer(d.t, d.lab.Server(), "127.0.0.1:9091", settings...)
}

// firewall replaces the firewall of the host. It is laid out as Debian's
// /etc/nftables.conf is, with policies that drop: what is let in, and what is not
// let out, is up to the rules.
func (d *deployment) firewall(letIn, keepIn string) {
	d.t.Helper()
	d.feed("nft -f -", fmt.Sprintf(`flush ruleset
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		iif lo accept
		ct state established,related accept
		meta l4proto { icmp, ipv6-icmp } accept
		%s
	}
	chain output {
		type filter hook output priority filter; policy accept;
		%s
	}
}
`, letIn, keepIn))
}

// shell runs a command on the server's host, as an operator does who is root.
func (d *deployment) shell(command string) {
	d.t.Helper()
	d.feed(command, "")
}

func (d *deployment) feed(command, input string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	cmd := d.lab.Server().Command(ctx, "sh", "-ec", command)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("%s: %v: %s", command, err, out)
	}
}

// nginx starts Debian's nginx on a host, with the servers of an http block, and
// returns what stops it.
func (d *deployment) nginx(on machine, servers string) (stop func()) {
	d.t.Helper()
	path, err := exec.LookPath("nginx")
	need(d.t, missing(err, "nginx", "nginx"))
	dir := d.t.TempDir()
	config := fmt.Sprintf(`daemon off; user root; pid %[1]s/pid; error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	%[2]s
}
`, dir, servers)
	return d.starts(on, "443", path, "-e", "stderr", "-p", dir, "-c", inFile(d.t, config))
}

// starts runs a program of others until the test ends, and waits until somebody
// listens on a port of its host.
func (d *deployment) starts(on machine, port, program string, args ...string) (stop func()) {
	d.t.Helper()
	life, end := context.WithCancel(context.WithoutCancel(d.t.Context()))
	said := &record{}
	cmd := on.Command(life, program, args...)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // nginx takes its workers along
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // what it said tells why
	}()
	stop = func() {
		end()
		<-exited
	}
	d.t.Cleanup(func() {
		stop()
		if d.t.Failed() {
			d.t.Logf("%s said:\n%s", filepath.Base(program), said)
		}
	})
	eventually(d.t, filepath.Base(program)+" listens on "+port, func() bool {
		select {
		case <-exited:
			d.t.Fatalf("%s ended", program)
		default:
		}
		conn, err := on.Dial(d.t.Context(), "tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return stop
}

// altered is a machine on which programs start in another way.
type altered struct {
	machine
	program string   // in the place of the one that is asked for; empty: that one
	before  []string // a program that starts it, and its arguments
}

// Command is that of the machine, altered.
func (a altered) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	if a.program != "" {
		name = a.program
	}
	line := append(append(append([]string{}, a.before...), name), args...)
	return a.machine.Command(ctx, line[0], line[1:]...)
}
