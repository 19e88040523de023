//go:build netns

package ebpf_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/pion/logging"
	"github.com/pion/turn/v4"
	"github.com/vishvananda/netlink"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// patience bounds every wait for the network.
const patience = 10 * time.Second

// A world is a lab with a server in it, and two hosts that reach it.
type world struct {
	*natlab.Lab
	t       *testing.T
	process *exec.Cmd
	ask     io.Writer
	answers *bufio.Scanner
}

func newWorld(t *testing.T, plane turnsvc.DataPlane) *world {
	t.Helper()
	if err := natlab.Available(); err != nil {
		if slices.Contains(os.Environ(), "CI=true") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	lab, err := natlab.New(t.Context(), natlab.NoNAT, natlab.NoNAT)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Lab: lab, t: t, process: lab.Server().Command(t.Context(), self, "-plane", plane.String(), "-serve", lab.Server().Addr().String())}
	w.process.Stderr = t.Output()
	var out io.Reader
	if w.ask, err = w.process.StdinPipe(); err == nil {
		out, err = w.process.StdoutPipe()
	}
	if err == nil {
		err = w.process.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	w.answers = bufio.NewScanner(out)
	t.Cleanup(func() {
		_ = w.process.Process.Kill()
		_ = w.process.Wait()
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// carried is what the server says that each plane has carried. It asks the kernel
// twice a second.
func (w *world) carried() (by map[turnsvc.DataPlane]turnsvc.Carried) {
	w.t.Helper()
	if _, err := io.WriteString(w.ask, "\n"); err != nil {
		w.t.Fatal(err)
	}
	if !w.answers.Scan() {
		w.t.Fatal("the server says nothing: ", w.answers.Err())
	}
	if err := json.Unmarshal(w.answers.Bytes(), &by); err != nil {
		w.t.Fatal(err)
	}
	return by
}

// socket is one of a host.
func (w *world) socket(h *natlab.Host) net.PacketConn {
	w.t.Helper()
	c, err := h.ListenPacket(w.t.Context(), "udp4", netip.AddrPortFrom(h.Addr(), 0).String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

// relayed is a relayed transport address of a client on a host.
func (w *world) relayed(h *natlab.Host) net.PacketConn {
	w.t.Helper()
	server := netip.AddrPortFrom(w.Server().Addr(), 3478).String()
	user, password, _ := turnsvc.Issuer{Secret: secret, TTL: time.Hour}.Credentials("a test")
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	c, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: server, TURNServerAddr: server, Conn: w.socket(h), Username: user, Password: password, LoggerFactory: quiet,
	})
	if err == nil {
		err = c.Listen()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	conn, err := c.Allocate()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// says sends one datagram, which the other one must get.
func (w *world) says(n int, from, to net.PacketConn) {
	w.t.Helper()
	w.sends(n, fmt.Appendf(nil, "message %d, %0*d", n, n%1000, 0), from, to)
}

// sends sends some bytes, which the other one must get.
func (w *world) sends(n int, text []byte, from, to net.PacketConn) {
	w.t.Helper()
	if _, err := from.WriteTo(text, to.LocalAddr()); err != nil {
		w.t.Fatal(err)
	}
	p := make([]byte, 1600)
	_ = to.SetReadDeadline(time.Now().Add(patience))
	got, who, err := to.ReadFrom(p)
	if err != nil || !bytes.Equal(p[:got], text) || who.String() != from.LocalAddr().String() {
		w.t.Fatalf("message %d: %q from %v, %v, want %q from %v", n, p[:got], who, err, text, from.LocalAddr())
	}
}

// chat talks until the kernel carries it, both ways.
func (w *world) chat(a, b net.PacketConn) {
	w.t.Helper()
	w.chatOn(turnsvc.PlaneEBPF, a, b)
}

// chatOn talks until a plane has carried some more, both ways.
func (w *world) chatOn(plane turnsvc.DataPlane, a, b net.PacketConn) {
	w.t.Helper()
	before := w.carried()[plane]
	for end := time.Now().Add(patience); ; {
		for n := range 100 {
			w.says(n, a, b)
			w.says(n, b, a)
		}
		if c := w.carried()[plane]; c.In.Minus(before.In).Packets > 300 && c.Out.Minus(before.Out).Packets > 300 {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("carried %+v", w.carried())
		}
	}
}

// attached are the programs on the server's network card.
func (w *world) attached() (ids []ebpf.ProgramID, links []link.ID) {
	w.t.Helper()
	err := w.Server().Do(func() error {
		card, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		found, err := link.QueryPrograms(link.QueryOptions{Target: card.Attrs().Index, Attach: ebpf.AttachTCXIngress})
		if err != nil {
			return err
		}
		for _, p := range found.Programs {
			ids = append(ids, p.ID)
			if id, ok := p.LinkID(); ok {
				links = append(links, id)
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return ids, links
}

// TestChatGoesOn takes the program away in the middle of a chat: no message is
// lost, for user space has the channel as well, and none when it comes back and
// carries on.
func TestChatGoesOn(t *testing.T) {
	for name, ends := range map[string]func(*world) (a, b net.PacketConn){
		"a relay and a peer": func(w *world) (a, b net.PacketConn) {
			return w.relayed(w.Client(natlab.SideA)), w.socket(w.Client(natlab.SideB))
		},
		"two relays": func(w *world) (a, b net.PacketConn) {
			return w.relayed(w.Client(natlab.SideA)), w.relayed(w.Client(natlab.SideB))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, turnsvc.PlaneEBPF)
			w.carried() // it serves
			a, b := ends(w)
			w.greet(a, b)
			w.chat(a, b)
			_, links := w.attached()
			if len(links) != 1 {
				t.Fatalf("%d programs are attached, want 1", len(links))
			}
			l, err := link.NewFromID(links[0])
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			for n := range 300 {
				if n == 100 {
					if err := l.Detach(); err != nil {
						t.Fatal(err)
					}
				}
				w.says(n, a, b)
				w.says(n, b, a)
			}
			for end := time.Now().Add(2 * patience); time.Now().Before(end); {
				w.says(0, a, b)
				if _, again := w.attached(); len(again) == 1 {
					break
				}
			}
			w.chat(a, b)
		})
	}
}

// greet lets two relays permit each other: what comes before is lost.
func (w *world) greet(a, b net.PacketConn) {
	w.t.Helper()
	p := make([]byte, 1600)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		for _, ends := range [][2]net.PacketConn{{a, b}, {b, a}} {
			if _, err := ends[0].WriteTo([]byte("hello"), ends[1].LocalAddr()); err != nil {
				w.t.Fatal(err)
			}
		}
		_ = a.SetReadDeadline(time.Now().Add(time.Second))
		_ = b.SetReadDeadline(time.Now().Add(time.Second))
		_, _, errA := a.ReadFrom(p)
		_, _, errB := b.ReadFrom(p)
		if errA != nil || errB != nil {
			continue
		}
		for _, end := range []net.PacketConn{a, b} { // what else was said
			for err := error(nil); err == nil; {
				_ = end.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
				_, _, err = end.ReadFrom(p)
			}
		}
		return
	}
	w.t.Fatal("they do not hear each other")
}

// TestPlanesCarryTheSame sends the same random bytes through each plane. Every
// datagram must arrive as it was, whoever has carried it, and all are counted.
func TestPlanesCarryTheSame(t *testing.T) {
	const messages, longest = 400, 1440
	for _, plane := range []turnsvc.DataPlane{turnsvc.PlanePion, turnsvc.PlaneBatch, turnsvc.PlaneEBPF} {
		t.Run(plane.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, plane)
			a, b := w.relayed(w.Client(natlab.SideA)), w.relayed(w.Client(natlab.SideB))
			far := w.socket(w.Client(natlab.SideB))
			w.greet(a, b)
			w.says(0, a, far)
			w.chatOn(plane, a, b)
			w.chatOn(plane, a, far)
			before, want := w.settled(), uint64(0)
			r := rand.New(rand.NewPCG(8656, 12))
			for n := range messages {
				data := make([]byte, r.IntN(longest))
				for i := range data {
					data[i] = byte(r.Uint32())
				}
				ends := [][2]net.PacketConn{{a, b}, {b, a}, {a, far}, {far, a}}[r.IntN(4)]
				w.sends(n, data, ends[0], ends[1])
				for _, end := range ends { // a relay at each end counts
					if end != far {
						want += uint64(len(data))
					}
				}
			}
			if got := w.settled() - before; got != want {
				t.Errorf("%d bytes were counted, want %d", got, want)
			}
		})
	}
}

// settled is how many bytes were carried, once all are counted: the server asks
// the kernel twice a second.
func (w *world) settled() uint64 {
	w.t.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for last := sum(w.carried()); ; {
		<-tick.C
		now := sum(w.carried())
		if now == last {
			return now
		}
		last = now
	}
}

// sum is how many bytes were carried, whatever way.
func sum(by map[turnsvc.DataPlane]turnsvc.Carried) (n uint64) {
	for _, c := range by {
		n += c.In.Bytes + c.Out.Bytes
	}
	return n
}

// TestNothingStaysBehind kills the server: its program goes with it.
func TestNothingStaysBehind(t *testing.T) {
	w := newWorld(t, turnsvc.PlaneEBPF)
	w.carried()
	before, _ := w.attached()
	if len(before) != 1 {
		t.Fatalf("%d programs are attached, want 1", len(before))
	}
	if err := w.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = w.process.Wait()
	for end := time.Now().Add(patience); ; {
		if after, _ := w.attached(); len(after) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the program is still attached")
		}
	}
}
