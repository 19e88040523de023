//go:build browser

package e2e

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/talkers/line"
	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// rally is a laboratory with one server and many who chat, all of them native
// clients (e2e/talkers) on hosts of their own: whatever befalls the server, the
// minutes say whom it befell.
type rally struct {
	*world
	process *process // the server; after an upgrade the first of several
	netns   string   // of the server, as the kernel names it
	state   string
	shared  bool   // all of a host come from one address; else each from one of his own
	program string // a link to that of the server
	talkers string // the program of those who chat
	minutes *minutes
	choirs  map[string]*choir
	chats   map[string]int // of each kind
}

// mostShown is how many of those are shown whom something befell.
const mostShown = 30

// rallyAdmin is where the server of a rally is asked for figures, on its own host.
const rallyAdmin = "127.0.0.1:9090"

// kindOfChat is how two of a rally are to be joined.
type kindOfChat struct {
	name      string
	relayOnly bool
	lets      outlet
	paths     []string // one of which each shall have
	number    int      // of the first of its two hosts
}

// kindsOfChats lists them. Those that must be relayed by TCP or TLS are on networks
// that let nothing else out; the port of the page passes everywhere, and ICE takes
// what answers first.
func kindsOfChats() []kindOfChat {
	return []kindOfChat{
		{"direct", false, onlyPeers, []string{"direct"}, 130},
		{"udp", true, onlyUDP, []string{"relay-udp", "relay-tls"}, 132},
		{"tcp", true, onlyTCP, []string{"relay-tcp", "relay-tls"}, 134},
		{"tls", true, only443, []string{"relay-tls"}, 136},
		{"late", false, onlyPeers, []string{"direct"}, 138}, // the second comes later
	}
}

// kindOfChatCalled is the one of that name.
func kindOfChatCalled(name string) kindOfChat {
	kinds := kindsOfChats()
	return kinds[slices.IndexFunc(kinds, func(k kindOfChat) bool { return k.name == name })]
}

// newRally starts a server with https and TURN on its port 443 as well. Of settings
// that are the same the last one counts.
func newRally(t *testing.T, settings ...string) *rally {
	t.Helper()
	r := &rally{world: newLand(t, natlab.NoNAT, natlab.NoNAT), state: t.TempDir(), minutes: newMinutes(), choirs: map[string]*choir{}, chats: map[string]int{}}
	r.talkers = buildTalkers(t)
	r.site = "https://" + domain + "/"
	settings = append(append([]string{
		"ADDR=51.51.51.10:443", "REDIRECT_ADDR=off", "ADMIN_ADDR=" + rallyAdmin, "STATE_DIR=" + r.state, "LOG_LEVEL=info",
		"PUBLIC_IPS=51.51.51.10", "TURN_UDP_ADDR=:3478", "TURN_TCP_ADDR=:3478",
		"MATCH_TAG_WAIT=1h", "MATCH_MAX_WAIT=1h", // nobody meets but whom he is meant to meet
	}, r.named(r.lab.Server().Addr())...), settings...)
	r.program = filepath.Join(t.TempDir(), "wasmp2pchat")
	r.install(serverBinary(t))
	r.process = newProcess(t, "server", func(ctx context.Context) *exec.Cmd {
		cmd := r.lab.Server().Command(ctx, r.program, "serve")
		for _, setting := range settings {
			cmd.Env = append(cmd.Env, "WASMP2PCHAT_"+setting)
		}
		return cmd
	})
	t.Cleanup(func() { // before the process, which would be waited for as long as others write what it wrote
		for _, pid := range r.pids() {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	})
	r.starts()
	return r
}

// install makes the server another program, from its next start on.
func (r *rally) install(program string) {
	r.t.Helper()
	next := r.program + ".next"
	if err := errors.Join(os.Symlink(program, next), os.Rename(next, r.program)); err != nil {
		r.t.Fatal(err)
	}
}

// starts starts the server and waits until it is ready.
func (r *rally) starts() {
	r.t.Helper()
	r.process.start()
	waitReady(r.t, r.lab.Server(), "http://"+rallyAdmin+"/readyz", r.process.exited)
	if r.netns == "" {
		r.netns = networkOf(r.process.cmd.Process.Pid)
	}
}

// kill ends the server, all of its processes, as power does that fails.
func (r *rally) kill() {
	r.t.Helper()
	for _, pid := range r.pids() {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	}
	r.process.kill()
}

// networkOf is how the kernel names the namespace of a process; empty if it has
// ended.
func networkOf(pid int) string {
	name, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	return name
}

// pids are the processes of the server, the oldest first.
func (r *rally) pids() (list []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		program, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if filepath.Base(serverBinary(r.t)) == filepath.Base(program) && networkOf(pid) == r.netns {
			list = append(list, pid)
		}
	}
	slices.SortFunc(list, func(a, b int) int { return cmp.Compare(startOf(a), startOf(b)) }) // numbers are used again
	return list
}

// resident is the memory of a process that is in use, in MiB.
func resident(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)) // 0 of one that has ended
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[1]) // the kernel writes numbers
	return pages * os.Getpagesize() >> 20
}

// figure is a metric of the newest process; -1 if it cannot be asked.
func (r *rally) figure(name string) int {
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+rallyAdmin+"/metrics", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: r.lab.Server().Dial, DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return -1
	}
	defer func() { _ = res.Body.Close() }()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), "wasmp2pchat_"+name+" "); found {
			if n, err := strconv.ParseFloat(value, 64); err == nil {
				return int(n)
			}
		}
	}
	return -1
}

// choirsOf are the two hosts of a kind of chats; they are made when they are needed.
func (r *rally) choirsOf(kind kindOfChat) (a, b *choir) {
	r.t.Helper()
	for i, side := range []string{"a", "b"} {
		name := kind.name + side
		if r.choirs[name] == nil {
			r.choirs[name] = r.newChoir(name, kind.number+i, kind.lets)
		}
	}
	return r.choirs[kind.name+"a"], r.choirs[kind.name+"b"]
}

// How fast talkers come: each brings a handshake of TLS, and one of DTLS, and the
// machine has other work. To come as fast as that from one address is not fair: it may
// open ten WebSockets a second, and each needs two or three.
const (
	talkersEvery    = 25 * time.Millisecond
	neighboursEvery = 200 * time.Millisecond // on one of two hosts in turn
)

// chat lets n pairs of a kind begin to talk.
func (r *rally) chat(kind kindOfChat, n int) {
	r.t.Helper()
	for i := range n {
		for _, side := range []string{"a", "b"} {
			r.begin(kind.name, side, r.chats[kind.name]+i, 1)
		}
	}
	r.chats[kind.name] += n
}

// begin lets n talkers of one side of a kind look for their partners, the first of
// whom has a number.
func (r *rally) begin(name, side string, first, n int) {
	r.t.Helper()
	kind := kindOfChatCalled(name)
	a, b := r.choirsOf(kind)
	at, every := map[string]*choir{"a": a, "b": b}[side], talkersEvery
	if r.shared {
		every = neighboursEvery
	}
	for i := range n {
		tag := fmt.Sprint(kind.name, first+i)
		if side == "a" {
			r.minutes.expect(kind.name, tag+"a", tag+"b")
		}
		at.obey(line.Order{Do: line.Talk, ID: tag + side, URL: r.site, Tag: tag, Relay: kind.relayOnly, Every: line.Duration(babbleEvery)})
		r.lasts(every)
	}
}

// allTalk waits until all chats are open and each has heard a few words more.
func (r *rally) allTalk() {
	r.t.Helper()
	const words = 3
	heard := map[string]int{}
	r.minutes.each("", func(a *account) { heard[a.name] = len(a.heard) })
	silent := func(a *account) bool {
		return r.chats[a.kind] > 0 && len(a.heard) < heard[a.name]+words && a.ended == ""
	}
	late := time.Now().Add(3 * patience)
	for r.minutes.count("", silent) > 0 && time.Now().Before(late) {
		r.lasts(50 * time.Millisecond)
	}
	if n := r.minutes.count("", silent); n > 0 {
		r.t.Logf("%d WebSockets are open; refused were %d as too many of one address, %d as too fast", r.figure("ws_connections"), r.figure(`ws_refused_total{reason="per_ip"}`), r.figure(`ws_refused_total{reason="rate"}`))
		var who []string
		r.minutes.each("", func(a *account) {
			if silent(a) {
				who = append(who, fmt.Sprintf("%s heard %d, path %q, interrupted at %v", a.name, len(a.heard), a.path, a.interrupted))
			}
		})
		r.t.Fatalf("%d do not talk after %v:\n%s", n, 3*patience, strings.Join(who[:min(len(who), mostShown)], "\n"))
	}
}

// haveTheirPaths wants the frames of all to travel as those of their kind do.
func (r *rally) haveTheirPaths() {
	r.t.Helper()
	for _, kind := range kindsOfChats() {
		if r.chats[kind.name] == 0 {
			continue
		}
		paths := map[string]int{}
		r.minutes.each(kind.name, func(a *account) {
			paths[a.path]++
			if !slices.Contains(kind.paths, a.path) {
				r.t.Errorf("%s: the path is %q, want one of %q: %s", a.name, a.path, kind.paths, a.ended)
			}
		})
		r.t.Logf("%s: %v", kind.name, paths)
	}
}

// ends silences everybody, lets arrive what is under way, and wants all promises to
// have been kept.
func (r *rally) ends() {
	r.t.Helper()
	members := map[string]*choir{}
	r.minutes.each("", func(a *account) { members[a.name] = r.choirs[a.kind+a.name[len(a.name)-1:]] })
	for id, choir := range members {
		choir.obey(line.Order{Do: line.Hush, ID: id})
	}
	eventually(r.t, "all are silent", func() bool { return r.minutes.count("", func(a *account) bool { return !a.hushed }) == 0 })
	late := time.Now().Add(patience)
	for !r.minutes.isSettled() && time.Now().Before(late) {
		r.lasts(50 * time.Millisecond)
	}
	said := 0
	r.minutes.each("", func(a *account) { said += a.said })
	broken := r.minutes.judge()
	r.t.Logf("%v chats; %d messages were said; %d promises were broken", r.chats, said, len(broken))
	if len(broken) > 0 {
		r.t.Errorf("%d promises were broken:\n%s", len(broken), strings.Join(broken[:min(len(broken), mostShown)], "\n"))
	}
}
