//go:build deployments

package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/miekg/dns"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// site is a server block of nginx for HTTPS.
func (d *deployment) site(c issued, what string) string {
	return fmt.Sprintf(`server {
		listen 443 ssl; listen [::]:443 ssl;
		ssl_certificate %s; ssl_certificate_key %s;
		%s
	}`, inFile(d.t, c.chain), inFile(d.t, c.key), what)
}

// What nginx has to be told so that it passes on WebSockets, who comes, and where
// to.
const (
	upgrading = `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";`
	whoComes  = `proxy_set_header X-Forwarded-For $remote_addr;`
	whereTo   = `proxy_set_header Host $host;`
)

// plain are the settings of a server behind a proxy that speaks HTTP to it: it
// has no certificate, and no name.
func plain(port string) []string {
	return []string{
		"DOMAIN=", "TLS_CERT_FILE=", "TLS_KEY_FILE=", "ADDR=127.0.0.1:" + port,
		"TRUSTED_PROXIES=127.0.0.1/32", "PUBLIC_IPS=" + hostIP + "," + hostIPv6,
	}
}

// behindNginx lets nginx speak HTTP to the server, with more directives.
func (d *deployment) behindNginx(directives string) {
	d.t.Helper()
	d.set(plain("8080")...)
	d.proxied = directives
	d.other = d.nginx(d.lab.Server(), d.site(d.ca.issue(domain, 3), "location / { proxy_pass http://127.0.0.1:8080; "+directives+" }"))
}

// directive is one of nginx for a proxy, in a text.
var directive = regexp.MustCompile(`proxy_[a-z_]+ [^;]+;`)

// tellNginx writes the directives of a text where they belong.
func (d *deployment) tellNginx(fix string) {
	d.t.Helper()
	d.other()
	d.behindNginx(d.proxied + " " + strings.Join(directive.FindAllString(fix, -1), " "))
}

// What the first of two nodes has.
const (
	roomSecret  = "ROOM_SECRET=a secret of this laboratory"
	turnSecrets = "TURN_SECRETS=a secret of this laboratory"
)

// roomsElsewhere lets nginx send those who have found each other to a second
// node, which has a secret of its own.
func (d *deployment) roomsElsewhere(secret string) {
	d.t.Helper()
	if d.other != nil {
		d.other()
	} else {
		d.set(append(plain("8080"), roomSecret)...)
		d.serve()
		d.nginx(d.lab.Server(), d.site(d.ca.issue(domain, 3), fmt.Sprintf(`%s
		location / { proxy_pass http://127.0.0.1:8080; }
		location /signaling { proxy_pass http://127.0.0.1:8081; }`, upgrading+whoComes+whereTo)))
	}
	second := d.secondNode(append(plain("8081"), secret, "TURN_UDP_ADDR=off", "TURN_TCP_ADDR=off")...)
	d.other = second.stop
}

// relayElsewhere puts a balancer before the port of the relay, which leads all
// who come from outside to a second node, which has a secret of its own.
func (d *deployment) relayElsewhere(secret string) {
	d.t.Helper()
	if d.other != nil {
		d.other()
	} else {
		d.set(turnSecrets)
		d.serve()
		d.feed("nft -f -", `table inet balancer {
	chain prerouting {
		type nat hook prerouting priority dstnat;
		iif != lo udp dport 3478 redirect to :3479
	}
}`)
	}
	second := d.secondNode(secret, "PUBLIC_IPS="+hostIP+","+hostIPv6, "ADDR=127.0.0.1:8081", "TURN_REALM="+domain,
		"TURN_UDP_ADDR=:3479", "TURN_TCP_ADDR=off", "TURN_PEERS=public") // of rooms it knows nothing
	d.other = second.stop
}

// inTheCloud puts the host behind a 1:1 NAT, and tells the server its outer
// address.
func inTheCloud(d *deployment) {
	d.t.Helper()
	if err := d.lab.HideServer(d.t.Context(), netip.MustParseAddr(hostIP), natlab.HairpinLost); err != nil {
		d.t.Fatal(err)
	}
	withoutIPv6(d)
}

// withoutIPv6 tells nobody of the IPv6 address of the host.
func withoutIPv6(d *deployment) {
	d.pointsTo(hostIP)
	d.set("PUBLIC_IPS=" + hostIP)
}

// renew has a good certificate made.
func (d *deployment) renew(string) {
	d.certify(d.ca.issue(domain, 4))
	d.serve()
}

// setRecords does what a fix says of address records: those that it tells to
// remove go, others are set.
func (d *deployment) setRecords(fix string) {
	d.t.Helper()
	addrs := slices.Clone(d.addrs)
	for _, sentence := range strings.FieldsFunc(fix, func(r rune) bool { return r == ';' || r == '\n' }) {
		sentence, _, _ = strings.Cut(sentence, "instead of")
		gone := strings.Contains(strings.ToLower(sentence), "remove")
		if gone && strings.Contains(sentence, "AAAA") { // it need not repeat which
			addrs = slices.DeleteFunc(addrs, netip.Addr.Is6)
		}
		for word := range strings.FieldsFuncSeq(sentence, func(r rune) bool { return strings.ContainsRune(" ,()", r) }) {
			addr, err := netip.ParseAddr(word)
			if err != nil {
				continue
			}
			addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool { return gone && a == addr || !gone && a.Is4() == addr.Is4() })
			if !gone {
				addrs = append(addrs, addr)
			}
		}
	}
	var texts []string
	for _, addr := range addrs {
		texts = append(texts, addr.String())
	}
	d.pointsTo(texts...)
}

// lateServer builds the server with another package time, whose clock is an
// hour late. No namespace has a wall clock of its own, and a static program does
// not ask the C library for the time, so that nothing else comes between.
func lateServer(t *testing.T) (path string) {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const ask = "sec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(text), ask) != 1 {
		t.Fatalf("%s asks for the time in another way", file)
	}
	dir := t.TempDir()
	late := inFile(t, strings.Replace(string(text), ask, ask+"sec -= 3600\n", 1))
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {file: late}})
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "wasmp2pchat")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", inFile(t, string(overlay)), "-o", path, "../cmd/wasmp2pchat")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// setClock gives the host the right time.
func (d *deployment) setClock(string) {
	d.host = d.lab.Server()
	d.serve()
}

// mayOpen lets the server open so many files.
func (d *deployment) mayOpen(files string) {
	d.host = altered{machine: d.lab.Server(), before: []string{"prlimit", "--nofile=" + files + ":" + files}}
}

// many is a number of files that is one.
var many = regexp.MustCompile(`\b[0-9]{4,7}\b`)

// raiseLimit lets the server open as many files as a text says, or as many as
// this machine lets anybody open.
func (d *deployment) raiseLimit(fix string) {
	d.t.Helper()
	files, err := strconv.ParseUint(many.FindString(fix), 10, 64)
	if err != nil {
		d.t.Fatalf("doctor names no number of files: %s", fix)
	}
	var ours syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &ours); err != nil {
		d.t.Fatal(err)
	}
	d.mayOpen(strconv.FormatUint(min(files, ours.Max), 10))
	d.serve()
}

// takeRelayPort takes the port of the relay before the server starts, which
// it then cannot.
func (d *deployment) takeRelayPort() {
	d.t.Helper()
	conn, err := d.lab.Server().ListenPacket(d.t.Context(), "udp", ":3478")
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = conn.Close() }) // it may be closed
	d.other = func() { _ = conn.Close() }
}

// stopOther stops what has the port, and starts the server.
func (d *deployment) stopOther(string) {
	d.t.Helper()
	d.other()
	d.serve()
}

// nameServer knows no name at all, for the host.
func (d *deployment) nameServer() {
	d.t.Helper()
	conn, err := d.lab.Server().ListenPacket(d.t.Context(), "udp", "127.0.0.1:53")
	if err != nil {
		d.t.Fatal(err)
	}
	ready := make(chan struct{})
	srv := &dns.Server{PacketConn: conn, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeNameError)) // who asks asks again
	})}
	ended := make(chan error, 1)
	go func() { ended <- srv.ActivateAndServe() }()
	<-ready
	d.t.Cleanup(func() {
		_ = srv.Shutdown() // it is told below
		if err := <-ended; err != nil {
			d.t.Errorf("name server: %v", err)
		}
	})
}
