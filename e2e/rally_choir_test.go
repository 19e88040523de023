//go:build browser

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/talkers/line"
	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// outlet is what a host of talkers lets out to the server.
type outlet string

// The outlets.
const (
	onlyPeers    outlet = "ip daddr 51.51.51.10 meta l4proto udp drop\n ip daddr 51.51.51.10 tcp dport != 443 drop" // and the page
	onlyUDP      outlet = "tcp dport != 443 drop"
	onlyTCP      outlet = "meta l4proto udp drop"
	only443      outlet = "meta l4proto { tcp, udp } th dport != 443 drop\n meta l4proto udp drop"
	nothingAtAll outlet = "meta l4proto udp drop\n meta l4proto tcp reject with tcp reset"
	rulesOfChoir        = "table inet choir {}\nflush table inet choir\ntable inet choir {\n chain output {\n type filter hook output priority filter; policy accept;\n oifname \"lo\" accept\n %s\n }\n}\n"
)

// choir is a host with many talkers.
type choir struct {
	t      *testing.T
	name   string
	host   *natlab.Host
	orders *json.Encoder
	leave  func() // lets all end their chats, and waits for it; may be called again
}

// choirAddresses are how many addresses a host has towards the server that has many:
// as many as people behind networks of their own have, so that fair use counts none
// of them as many.
const choirAddresses = 250

// newChoir adds a host to the rally and starts its talkers. Its number is that of
// its address, and of its network if it has many addresses.
func (r *rally) newChoir(name string, number int, lets outlet) *choir {
	r.t.Helper()
	c := &choir{t: r.t, name: name}
	c.host = r.addHost(name, fmt.Sprint("51.51.51.", number))
	if !r.shared {
		r.gives(c.host, number)
	}
	c.lets(lets)
	r.startTalkers(c)
	return c
}

// gives spreads what a host sends to the server over many addresses: each flow is
// given the next one.
func (r *rally) gives(host *natlab.Host, number int) {
	r.t.Helper()
	var addresses []string
	for i := range choirAddresses {
		addresses = append(addresses, fmt.Sprintf("%d : 51.51.%d.%d", i, number, i+1))
	}
	feed(r.t, host.Command(r.t.Context(), "ip", "addr", "add", fmt.Sprintf("51.51.%d.1/24", number), "dev", "lo"), "")
	feed(r.t, r.lab.Server().Command(r.t.Context(), "ip", "route", "add", fmt.Sprintf("51.51.%d.0/24", number), "via", host.Addr().String()), "")
	feed(r.t, host.Command(r.t.Context(), "nft", "-f", "-"), fmt.Sprintf(
		"table ip homes {\n chain postrouting {\n type nat hook postrouting priority srcnat;\n ip daddr 51.51.51.10 meta l4proto { tcp, udp } snat to numgen inc mod %d map { %s }\n }\n}\n",
		choirAddresses, strings.Join(addresses, ", ")))
}

// lets says what the host lets out from now on.
func (c *choir) lets(what outlet) {
	c.t.Helper()
	feed(c.t, c.host.Command(c.t.Context(), "nft", "-f", "-"), fmt.Sprintf(rulesOfChoir, what))
}

// feed runs a command with a text as its input.
func feed(t *testing.T, cmd *exec.Cmd, text string) {
	t.Helper()
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v: %s", cmd.Args, err, out)
	}
}

// startTalkers starts the program on the host, which ends with the test.
func (r *rally) startTalkers(c *choir) {
	r.t.Helper()
	life, stop := context.WithCancel(context.WithoutCancel(r.t.Context()))
	cmd := c.host.Command(life, r.talkers)
	cmd.Env = []string{"SSL_CERT_FILE=" + r.trusts}
	said := &record{}
	cmd.Stderr = said
	in, err := cmd.StdinPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	c.orders = json.NewEncoder(in)
	ended := make(chan struct{})
	c.leave = func() {
		_ = in.Close() // it may be closed
		<-ended
	}
	go func() { // ends with the program
		defer close(ended)
		c.reads(out, r.minutes)
		_ = cmd.Wait() // what it said tells why
	}()
	r.t.Cleanup(func() {
		stop() // at once: whoever they talk to goes as well
		<-ended
		if r.t.Failed() && said.String() != "" {
			text := said.String()
			r.t.Logf("the talkers of %s said, in the end:\n%s", c.name, text[max(0, len(text)-1000):])
		}
	})
}

// reads notes what the talkers tell, until they end.
func (c *choir) reads(out io.Reader, m *minutes) {
	for lines := json.NewDecoder(out); ; {
		var n line.News
		if lines.Decode(&n) != nil {
			return // he may have been killed in the middle of a line
		}
		m.note(n)
	}
}

// obey gives an order.
func (c *choir) obey(o line.Order) {
	c.t.Helper()
	if err := c.orders.Encode(o); err != nil {
		c.t.Fatalf("the talkers of %s have ended: %v", c.name, err)
	}
}

// buildTalkers builds the program that the choirs run.
func buildTalkers(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "talkers")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./talkers")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the talkers: %v: %s", err, out)
	}
	return binary
}
