package kinrooms_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	ossignal "os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/succession"
	"github.com/wasmp2pchat/wasmp2pchat/signal"
	"github.com/wasmp2pchat/wasmp2pchat/signal/kinrooms"
)

var _ signal.Fleet = (*kinrooms.Kin)(nil)

// asServer is the environment variable that has the test binary be a server.
const asServer = "KINROOMS_TEST_SERVER=1"

func TestMain(m *testing.M) {
	if !slices.Contains(os.Environ(), asServer) {
		m.Run()
		return
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stdout, "failed", err)
	}
}

// serve is a server that has rooms and nothing else: SIGUSR2 upgrades it, the end of
// its standard input ends it, and what happens it says in lines.
func serve() error {
	environ, elder, err := succession.Take(os.Environ())
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(context.Background())
	defer end(nil)
	line, err := succession.Open(succession.Config{Program: os.Args[:1], Environ: environ, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}, elder)
	if err != nil {
		return err
	}
	line.Attend(ctx, end)
	l, err := listen(line)
	if err != nil {
		return err
	}
	kin := kinrooms.New(line)
	rooms := signal.New(signal.Config{
		Admit: func(string) (time.Time, error) { return time.Now().Add(time.Minute), nil },
		Seal: func(text []byte) (mac [16]byte) {
			copy(mac[:], text[len(text)-1:])
			mac[1] = byte(len(text))
			return mac
		},
		Fleet: kin,
	})
	kin.Join(rooms)
	line.Bequeath("rooms", succession.Part{
		Pause: kin.Pause, Resume: kin.Resume, Retire: kin.Retire,
		Will:    func() (succession.Bequest, error) { return succession.Bequest{Body: kin.Will()}, nil },
		Inherit: func(will succession.Bequest) error { return kin.Inherit(will.Body) },
		Left: func() int {
			sockets, inside := rooms.Left()
			return sockets + inside
		},
	})
	if err := line.Ready(ctx); err != nil {
		return err
	}
	server := &http.Server{Handler: rooms, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }() // until the listener is closed
	go attend(ctx, end, line)
	line.Serving()
	fmt.Fprintln(os.Stdout, "serves", line.Node(), os.Getpid(), l.Addr())
	err = rooms.Serve(ctx)
	line.Close()
	fmt.Fprintln(os.Stdout, "ended", line.Node(), context.Cause(ctx))
	return err
}

// attend upgrades the server on SIGUSR2, and ends it with its standard input.
func attend(ctx context.Context, end context.CancelCauseFunc, line *succession.Line) {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		end(errors.New("the test is over"))
	}()
	upgrades := make(chan os.Signal, 1)
	ossignal.Notify(upgrades, syscall.SIGUSR2)
	for range upgrades {
		if _, err := line.Upgrade(ctx); err != nil {
			fmt.Fprintln(os.Stdout, "failed", err)
		}
	}
}

// listen opens the one listener of the server, or has it from the older process.
func listen(line *succession.Line) (net.Listener, error) {
	var l net.Listener
	var err error
	if b, is := line.Inherited("listener"); is {
		l, err = net.FileListener(b.Files[0])
		_ = b.Files[0].Close()
	} else {
		l, err = new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, err
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return nil, errors.New("no TCP listener")
	}
	line.Bequeath("listener", succession.Part{
		Estate: func() (succession.Bequest, error) {
			f, err := tcp.File()
			return succession.Bequest{Files: []*os.File{f}}, err
		},
		Pause: func() { _ = l.Close() }, // what comes now waits for the new process
	})
	return l, nil
}

// processes are those of a server, as the test sees them.
type processes struct {
	t     *testing.T
	lines chan string
	pids  map[string]int // by name
	addr  string

	dialled int
}

// launch starts the first process of a server.
func launch(t *testing.T) *processes {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	first := exec.CommandContext(context.WithoutCancel(t.Context()), self)
	first.Env = append(os.Environ(), asServer)
	first.Stderr = os.Stderr
	stdin, inErr := first.StdinPipe()
	read, write, err := os.Pipe()
	if err := errors.Join(inErr, err); err != nil {
		t.Fatal(err)
	}
	first.Stdout = write
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	p := &processes{t: t, lines: make(chan string, 64), pids: map[string]int{}}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(read); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = first.Wait() // it may have been killed
		for line := range p.lines {
			t.Log(line) // until the last of them has ended
		}
	})
	p.serves("1")
	return p
}

// must waits for a line that begins with words, and returns what follows.
func (p *processes) must(words string) (rest []string) {
	p.t.Helper()
	late := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("all have ended before one said %q", words)
			}
			p.t.Log(line)
			if rest, is := strings.CutPrefix(line, words+" "); is {
				return strings.Fields(rest)
			}
		case <-late:
			p.t.Fatalf("nobody says %q", words)
		}
	}
}

// serves waits until a process serves.
func (p *processes) serves(node string) {
	p.t.Helper()
	said := p.must("serves " + node)
	pid := 0
	if _, err := fmt.Sscan(said[0], &pid); err != nil {
		p.t.Fatal(err)
	}
	p.pids[node], p.addr = pid, said[1]
}

func (p *processes) signal(node string, s syscall.Signal) {
	p.t.Helper()
	if err := syscall.Kill(p.pids[node], s); err != nil {
		p.t.Fatal(err)
	}
}

// upgrade replaces a process by another one.
func (p *processes) upgrade(old, heir string) {
	p.t.Helper()
	p.signal(old, syscall.SIGUSR2)
	p.serves(heir)
}

// TestThreeProcesses: nobody notices two upgrades, whichever process he came to; an
// old one ends when nobody is left there, and one that is killed takes no chat along.
func TestThreeProcesses(t *testing.T) {
	t.Parallel()
	p := launch(t)
	plainA, plainB := p.dial(t), p.dial(t) // they cannot come back
	plainA.plain("room1")
	plainB.plain("room1")
	a, b := p.dial(t), p.dial(t)
	a.resumable("alice", "")
	token := b.resumable("bob", "").ResumeToken
	spare := p.dial(t)
	spare.send(`{"type":"standby"}`)
	talk(t, a, b)
	spare.settle()

	p.upgrade("1", "2")
	talk(t, plainA, plainB)
	b.lose()
	b = p.dial(t)
	if accept := b.resumable("bob", token); !accept.Resumed || accept.Rebuilt {
		t.Errorf("accept = %+v, want the seat in the old process", accept)
	} else {
		token = accept.ResumeToken
	}
	talk(t, a, b)
	c := p.dial(t)
	c.plain("room3")

	p.upgrade("2", "3")
	talk(t, plainA, plainB)
	talk(t, a, b)
	b.lose()
	b = p.dial(t)
	if accept := b.resumable("bob", token); !accept.Resumed || accept.Rebuilt {
		t.Errorf("accept = %+v, want the seat in the oldest process", accept)
	} else {
		token = accept.ResumeToken
	}
	talk(t, a, b)
	d := p.dial(t)
	d.plain("room3")
	talk(t, c, d)
	e := p.dial(t)
	e.plain("room4")
	spare.plain("room4") // by a socket of the oldest
	talk(t, e, spare)

	c.leave()
	d.mustEnd(`{"type":"bye"}` + "\n")
	p.must("ended 2") // nobody is left
	talk(t, a, b)
	p.signal("1", syscall.SIGKILL)
	b.mustClose(closeGoingAway)
	b = p.dial(t)
	if accept := b.resumable("bob", token); !accept.Rebuilt {
		t.Errorf("accept = %+v, want a room built anew", accept)
	}
	e.mustEnd(`{"type":"bye"}` + "\n") // who had no way to come back has left
}

// TestRoomsOfAnUpgrade are entered while the server is upgraded: each is made once, in
// the process before or in the one after, and known in both.
func TestRoomsOfAnUpgrade(t *testing.T) {
	t.Parallel()
	const pairs = 100
	p := launch(t)
	standing := make([]*client, 2*pairs)
	for i := range standing {
		standing[i] = p.dial(t)
		standing[i].send(`{"type":"standby"}`)
		standing[i].settle()
	}
	for i := range pairs { // some of them before, some during, some after
		room := fmt.Sprintf("room%d", i)
		if i == pairs/3 {
			p.signal("1", syscall.SIGUSR2)
		}
		standing[2*i].enter(room)
		standing[2*i+1].enter(room)
	}
	p.serves("2")
	for i := range pairs {
		x, y := standing[2*i], standing[2*i+1]
		first, second := x.accepted(), y.accepted()
		if first == second {
			t.Fatalf("room%d was made twice", i)
		}
		if first {
			x, y = y, x
		}
		talk(t, x, y)
		late := p.dial(t)
		late.enter(fmt.Sprintf("room%d", i))
		late.mustEnd(`{"type":"reject","reason":"full"}` + "\n")
	}
}
