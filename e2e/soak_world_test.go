//go:build soak

package e2e

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/talkers/line"
	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// Where the server of a soak is.
const (
	soakServer = "51.51.51.10"
	soakSite   = "http://" + soakServer
	soakAdmin  = "http://" + soakServer + ":9090"
)

// The secrets of a soak, none of which may be in the log, and what everybody says who
// talks in it.
const (
	soakToken      = "soak-token-51c1f2"
	soakRoomSecret = "soak-room-secret-0be7d8"
	soakTURNSecret = "soak-turn-secret-9a3c40"
	soakMark       = "soak-words-of-people-77e1"
)

// stateBytes is the size of the file system that STATE_DIR is on.
const stateBytes = 1 << 20

// noUDP is what the firewall of who has only TCP says.
const noUDP = `
table inet noudp {
	chain output {
		type filter hook output priority filter; policy accept;
		meta l4proto udp drop
	}
}
`

// soakWorld is a laboratory with one server, alone and without Redis, and everybody
// who comes to it. All of it ends with its test.
type soakWorld struct {
	t      *testing.T
	ledger *ledger // of those who talk
	lab    *natlab.Lab
	server *process
	state  string // STATE_DIR
	crowd  *natlab.Host
	rogue  *natlab.Host // where floods come from
	admin  *http.Client
	a, b   *crew
	tcp    *crew // its network lets no UDP through
}

func newSoakWorld(t *testing.T, l *ledger) *soakWorld {
	t.Helper()
	need(t, natlab.Available())
	lab, err := natlab.New(t.Context(), natlab.PortRestrictedCone, natlab.PortRestrictedCone)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &soakWorld{t: t, ledger: l, lab: lab, state: smallDisk(t)}
	w.crowd, w.rogue = w.joins("crowd", "51.51.51.30"), w.joins("rogue", "51.51.51.40")
	w.admin = &http.Client{Transport: &http.Transport{DialContext: lab.Elsewhere().Dial, DisableKeepAlives: true}}
	w.server = newProcess(t, "server", func(ctx context.Context) *exec.Cmd {
		cmd := lab.Server().Command(ctx, serverBinary(t), "serve")
		for _, setting := range w.settings() {
			cmd.Env = append(cmd.Env, "WASMP2PCHAT_"+setting)
		}
		return cmd
	})
	w.server.kin = w.processes
	binary := talkersBinary(t)
	w.a, w.b = newCrew(t, lab.Client(natlab.SideA), binary, l), newCrew(t, lab.Client(natlab.SideB), binary, l)
	tcponly := w.joins("tcponly", "51.51.51.31")
	nft := tcponly.Command(t.Context(), "nft", "-f", "-")
	nft.Stdin = strings.NewReader(noUDP)
	if out, err := nft.CombinedOutput(); err != nil {
		t.Fatalf("let no UDP through: %v: %s", err, out)
	}
	w.tcp = newCrew(t, tcponly, binary, l)
	return w
}

func (w *soakWorld) joins(name, addr string) *natlab.Host {
	w.t.Helper()
	host, err := w.lab.Join(w.t.Context(), name, netip.MustParseAddr(addr))
	if err != nil {
		w.t.Fatal(err)
	}
	return host
}

// settings are the server's. Everybody comes from a few addresses; friends wait for
// one another for as long as it takes; and credentials expire while chats go on.
func (w *soakWorld) settings() []string {
	return []string{
		"STATE_DIR=" + w.state, "LOG_LEVEL=debug",
		"ADDR=" + soakServer + ":80", "PUBLIC_IPS=" + soakServer, "ADDRESS_SOURCES=interfaces",
		"ADMIN_ADDR=" + soakServer + ":9090", "ADMIN_TOKEN=" + soakToken,
		"ROOM_SECRET=" + soakRoomSecret, "TURN_SECRETS=" + soakTURNSecret, "TURN_CREDENTIAL_TTL=2m", "TURN_MAX_ALLOCATIONS_PER_IP=400",
		"WS_MAX_PER_IP=0", "WS_RATE_PER_IP=0", "MATCH_TAG_WAIT=1h", "MATCH_MAX_WAIT=1h",
	}
}

// asks asks the server at its admin address; status 0: it has not answered.
func (w *soakWorld) asks(path string) (status int, text string) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Second)
	defer cancel()
	return askAdmin(ctx, w.admin, soakAdmin+path, soakToken)
}

// processes are those of the server, the oldest first: after an upgrade those before
// go on until nobody is left in them.
func (w *soakWorld) processes() (list []int) {
	here := fmt.Sprintf("/proc/%d", os.Getpid())
	home := ""
	w.must(w.lab.Server().Do(func() (err error) {
		home, err = os.Readlink("/proc/thread-self/ns/net")
		return err
	}))
	entries, err := os.ReadDir("/proc")
	w.must(err)
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		proc := filepath.Join("/proc", entry.Name())
		if err != nil || proc == here {
			continue
		}
		program, _ := os.Readlink(proc + "/exe") // empty of one that has ended
		network, _ := os.Readlink(proc + "/ns/net")
		if network == home && filepath.Base(program) == filepath.Base(serverBinary(w.t)) {
			list = append(list, pid)
		}
	}
	slices.SortFunc(list, func(a, b int) int { return cmp.Compare(startOf(a), startOf(b)) }) // numbers are used again
	return list
}

// must takes note of a laboratory that does not work.
func (w *soakWorld) must(err error) {
	if err != nil && w.t.Context().Err() == nil {
		w.ledger.finds("the laboratory works", "%v", err)
	}
}

// smallDisk is a folder on a file system of its own, which is soon full.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("soak", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", stateBytes)); err != nil {
		need(t, fmt.Errorf("mount a small file system: %w", err))
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// talkersBinary builds the command talkers.
func talkersBinary(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "talkers")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./talkers").CombinedOutput(); err != nil {
		t.Fatalf("build talkers: %v: %s", err, out)
	}
	return binary
}

// crew is a process of talkers in one network.
type crew struct {
	mu    sync.Mutex // guards the fields below
	paper *json.Encoder
	stdin io.Closer
}

// newCrew starts one, which tells a ledger.
func newCrew(t *testing.T, on *natlab.Host, binary string, l *ledger) *crew {
	t.Helper()
	life, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := on.Command(life, binary)
	said := &record{}
	cmd.Stderr = said
	stdin, err := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := errors.Join(err, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	heard := make(chan struct{})
	go func() { // ends with the command
		defer close(heard)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			var n line.News
			if err := json.Unmarshal(lines.Bytes(), &n); err != nil {
				l.finds("the laboratory works", "talkers printed %q", lines.Text())
				continue
			}
			l.hears(n)
		}
	}()
	t.Cleanup(func() {
		_ = stdin.Close() // they all leave
		late := time.AfterFunc(patience, stop)
		<-heard
		err := cmd.Wait()
		if !late.Stop() || err != nil {
			t.Errorf("talkers have not ended by themselves: %v\n%s", err, said)
		}
		stop()
	})
	return &crew{paper: json.NewEncoder(stdin), stdin: stdin}
}

// tell gives an order.
func (c *crew) tell(o line.Order) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.paper.Encode(o) // a crew that has ended is found when the test ends
}
