//go:build proxies

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// Who has a certificate, by its serial number.
const (
	proxySerial   = 101
	programSerial = 102
	otherSerial   = 103
)

const (
	chatName  = "chat.example.org"  // in the files of configs
	otherName = "other.example.org" // of another site behind the same proxy
	proxyIP   = "51.51.51.10"       // of the host with the proxy and the program
	proxyIPv6 = "2a0a:5151::10"
)

// frontage is one of the files of configs and the proxy that it is for.
type frontage struct {
	file    string // in ../configs
	place   string // where its comment says that operators copy it to
	command []string
	through bool // TLS is the program's
}

func frontages() []frontage {
	nginx, haproxy, caddy := []string{"nginx", "-g", "daemon off;"}, []string{"haproxy", "-db", "-f", "/etc/haproxy/haproxy.cfg"},
		[]string{"caddy", "run", "--config", "/etc/caddy/Caddyfile"}
	return []frontage{
		{"nginx.conf", "/etc/nginx/conf.d/wasmp2pchat.conf", nginx, false},
		{"haproxy.cfg", "/etc/haproxy/haproxy.cfg", haproxy, false},
		{"Caddyfile", "/etc/caddy/Caddyfile", caddy, false},
		{"nginx-stream.conf", "/etc/nginx/modules-enabled/90-wasmp2pchat.conf", nginx, true},
		{"haproxy-passthrough.cfg", "/etc/haproxy/haproxy.cfg", haproxy, true},
	}
}

// text is the file, which is used as it is.
func (f frontage) text(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "configs", f.file))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), f.place) {
		t.Errorf("%s does not say that it belongs to %s", f.file, f.place)
	}
	return string(text)
}

// settings are those that the comment of the file names for the program,
// without the prefix.
func (f frontage) settings(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, found := range regexp.MustCompile(`(?m)^# +WASMP2PCHAT_(\S+)$`).FindAllStringSubmatch(f.text(t), -1) {
		list = append(list, found[1])
	}
	if len(list) == 0 {
		t.Fatalf("%s names no settings", f.file)
	}
	return list
}

// street is a host with a proxy on 443 and the program behind it, and two
// clients with public addresses of their own. No file of the machine is touched:
// each process sees an /etc, /run, /var/lib and /var/log of the test.
type street struct {
	t      *testing.T
	front  frontage
	lab    *natlab.Lab
	root   string // the folders that stand in for those of the machine
	certs  *authority
	server *server
}

// openStreet starts the proxy, and the program with the settings that the file
// of the proxy names, and more.
func openStreet(t *testing.T, f frontage, settings ...string) *street {
	t.Helper()
	_, err := exec.LookPath(f.command[0])
	need(t, err)
	if f.through && f.command[0] == "nginx" {
		_, err := os.Stat("/usr/lib/nginx/modules/ngx_stream_module.so") // of libnginx-mod-stream
		need(t, err)
	}
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
	s := &street{t: t, front: f, lab: lab, root: t.TempDir(), certs: newAuthority(t)}
	s.furnish()
	s.startProxy()
	s.startProgram(settings...)
	return s
}

// startProgram starts the program, also again.
func (s *street) startProgram(settings ...string) {
	s.t.Helper()
	all := append(s.front.settings(s.t),
		"PUBLIC_IPS="+proxyIP+","+proxyIPv6, "TURN_SECRETS="+streetSecret, "TURN_PEERS=public", "TURN_RELAY_PORTS=50000-50099",
		"MATCH_TAG_WAIT=1h", "MATCH_MAX_WAIT=1h") // who waits to be counted is not matched
	if s.front.through {
		all = append(all, "TLS_CERT_FILE=/etc/wasmp2pchat/fullchain.pem", "TLS_KEY_FILE=/etc/wasmp2pchat/privkey.pem")
	}
	s.server = startServer(s.t, s.machine(s.lab.Server()), "127.0.0.1:9090", append(all, settings...)...)
}

// streetSecret signs the credentials of the relay.
const streetSecret = "not a secret outside of this street"

// furnish makes the folders: a copy of /etc with the file of the proxy in it,
// and certificates where the files look for them.
func (s *street) furnish() {
	s.t.Helper()
	etc := filepath.Join(s.root, "etc")
	if out, err := exec.CommandContext(s.t.Context(), "cp", "-a", "/etc", etc).CombinedOutput(); err != nil {
		s.t.Fatalf("copy /etc: %v: %s", err, out)
	}
	for _, dir := range []string{"log/nginx", "lib/nginx", "lib/haproxy"} {
		if err := os.MkdirAll(filepath.Join(s.root, dir), 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
	s.write(s.front.place[1:], s.front.text(s.t))
	s.write("etc/hosts", proxyIP+" "+chatName+"\n127.0.0.1 localhost\n::1 localhost\n")
	s.write("etc/ssl/certs/ca-certificates.crt", s.certs.root)
	proxys, programs := s.certs.issue(chatName, proxySerial), s.certs.issue(chatName, programSerial)
	for name, text := range map[string]string{
		"etc/letsencrypt/live/chat.example.org/fullchain.pem": proxys.chain,
		"etc/letsencrypt/live/chat.example.org/privkey.pem":   proxys.key,
		"etc/haproxy/certs/chat.example.org.pem":              proxys.chain + proxys.key,
		caddyStore + ".crt":                                   proxys.chain,
		caddyStore + ".key":                                   proxys.key,
		caddyStore + ".json":                                  `{"sans":["chat.example.org"],"issuer_data":null}`,
		"etc/wasmp2pchat/fullchain.pem":                       programs.chain,
		"etc/wasmp2pchat/privkey.pem":                         programs.key,
	} {
		s.write(name, text)
	}
}

// caddyStore is where Caddy keeps what Let's Encrypt has issued.
const caddyStore = "lib/caddy/.local/share/caddy/certificates/acme-v02.api.letsencrypt.org-directory/chat.example.org/chat.example.org"

func (s *street) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	_ = os.Remove(path) // it may be a link into the machine
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// startProxy starts the proxy and waits until it listens.
func (s *street) startProxy() {
	s.t.Helper()
	path, err := exec.LookPath(s.front.command[0])
	if err != nil {
		s.t.Fatal(err)
	}
	host := s.lab.Server()
	life, stop := context.WithCancel(context.WithoutCancel(s.t.Context()))
	said := &record{}
	cmd := s.machine(host).Command(life, path, s.front.command[1:]...)
	cmd.Env = []string{"HOME=/var/lib/caddy"}
	cmd.Stdout, cmd.Stderr = said, said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // nginx takes its workers along
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // what it said tells why
	}()
	s.t.Cleanup(func() {
		stop()
		<-exited
		if s.t.Failed() {
			errors, _ := os.ReadFile(filepath.Join(s.root, "log/nginx/error.log")) // nginx's only
			s.t.Logf("%s said:\n%s%s", s.front.command[0], said, errors)
		}
	})
	eventually(s.t, "the proxy listens on 443", func() bool {
		select {
		case <-exited:
			s.t.Fatal("the proxy ended")
		default:
		}
		conn, err := host.Dial(s.t.Context(), "tcp", proxyIP+":443")
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// logs waits for a line of the program's log that holds all the texts.
func (s *street) logs(texts ...string) {
	s.t.Helper()
	eventually(s.t, "the log has a line with "+strings.Join(texts, " and "), func() bool { return s.logged(texts...) > 0 })
}

// logged counts the lines of the program's log that hold all the texts.
func (s *street) logged(texts ...string) (n int) {
	for line := range strings.Lines(s.server.log.String()) {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			n++
		}
	}
	return n
}

// furnished is a host of the laboratory whose processes see the folders of a
// street.
type furnished struct {
	*natlab.Host
	root string
}

func (s *street) machine(host *natlab.Host) furnished { return furnished{host, s.root} }

// Command is Host.Command with other folders.
func (f furnished) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	const script = `mount --bind "$1/etc" /etc
mount --bind "$1/lib" /var/lib
mount --bind "$1/log" /var/log
mount -t tmpfs tmpfs /run
shift
exec "$@"`
	return f.Host.Command(ctx, "unshare", append([]string{"--mount", "--propagation", "private", "sh", "-ec", script, "sh", f.root, name}, args...)...)
}
