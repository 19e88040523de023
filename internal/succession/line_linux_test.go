package succession

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// play is the environment variable that has the test binary play a new process.
const play = "SUCCESSION_PLAY"

func TestMain(m *testing.M) {
	environ, from, err := Take(os.Environ())
	if err != nil {
		panic(err)
	}
	for _, each := range environ {
		if role, is := strings.CutPrefix(each, play+"="); is {
			playProcess(role, environ, from)
			return
		}
	}
	m.Run()
}

// playProcess is a server, of the sort that a test wants.
func playProcess(role string, environ []string, from *os.File) {
	switch role {
	case "exits":
		return
	case "hangs":
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		<-ctx.Done()
		return
	}
	l, err := Open(Config{Program: []string{os.Args[0]}, Environ: environ, Version: "v" + role, Stderr: os.Stderr, EndTimeout: time.Minute}, from)
	if err != nil {
		return
	}
	if role == "fails" {
		l.Fail(errors.New("wrong settings"), "set them right")
		return
	}
	s := newServer(l, nil)
	if b, ok := l.Inherited("socket"); ok && len(b.Files) == 1 {
		s.listener, err = net.FileListener(b.Files[0])
		if err != nil {
			l.Fail(err, "")
			return
		}
		_ = b.Files[0].Close()
	}
	if role == "misreads" {
		l.Bequeath("words of old", Part{Inherit: func(Bequest) error { return nil }}) // there are none
		l.parts["words"] = Part{Inherit: func(Bequest) error { return errors.New("of another version") }}
	}
	if err := l.Ready(context.Background()); err != nil {
		l.Fail(err, "")
		return
	}
	if role == "dies" {
		return
	}
	s.serve()
	if cause := <-s.ended; cause == nil {
		panic("succession: a process ends without a cause")
	}
	l.Close()
}

// server is a small server: it has a socket, on which it says who it is, and keeps
// what it was told to keep.
type server struct {
	line     *Line
	listener net.Listener
	ended    chan error
	heard    chan string
	kept     chan int // has a value: how much is kept
	paused   chan string
	others   chan struct{} // has room for one: Kin is another
}

func newServer(l *Line, listener net.Listener) *server {
	s := &server{line: l, listener: listener, ended: make(chan error, 16), heard: make(chan string, 1<<16), kept: make(chan int, 1), paused: make(chan string, 16), others: make(chan struct{}, 1)}
	s.kept <- 1
	l.Attend(context.Background(), func(cause error) { s.ended <- cause })
	l.Bequeath("socket", Part{
		Estate: func() (Bequest, error) {
			f, err := s.listener.(*net.TCPListener).File()
			return Bequest{Body: []byte("sockets"), Files: []*os.File{f}}, err
		},
		Pause:  func() { s.paused <- "pause" },
		Resume: func() { s.paused <- "resume" },
		Retire: func() { _ = s.listener.Close() },
		Left:   s.left,
	})
	l.Bequeath("words", Part{Will: func() (Bequest, error) {
		return Bequest{Body: bytes.Repeat([]byte("will "), 100_000)}, nil
	}})
	var watched []string // touched by the goroutine that calls everybody
	l.Watch(func(kin []string) {
		watched = append(watched, fmt.Sprint(kin))
		select {
		case s.others <- struct{}{}:
		default: // that is known already
		}
	})
	l.On("say", func(from string, body []byte) { s.heard <- from + " says " + string(body) })
	l.On("ask", func(from string, body []byte) {
		switch string(body) {
		case "kin":
			l.Tell(from, "say", fmt.Append(nil, l.Node(), " after ", l.Elder(), " knows ", l.Kin(), ", current ", l.Current()))
		case "watched":
			l.Tell(from, "say", fmt.Append(nil, "watched ", watched))
		case "will":
			b, ok := l.Will("words")
			l.Tell(from, "say", fmt.Append(nil, len(b.Body), " ", ok))
		case "upgrade":
			go func() {
				p, err := l.Upgrade(context.Background())
				l.Tell(from, "say", fmt.Append(nil, "upgraded to ", p.Node, " ", err))
			}()
		case "free":
			<-s.kept
			s.kept <- 0
		case "crash":
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	})
	return s
}

func (s *server) left() int {
	n := <-s.kept
	s.kept <- n
	return n
}

// serve tells everybody who comes who it is.
func (s *server) serve() {
	s.line.Serving()
	go func() {
		for {
			conn, err := s.listener.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(conn, s.line.Node())
			_ = conn.Close()
		}
	}()
}

// first is the first process of a line: that of the test.
func first(t *testing.T, role string) *server {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(Config{
		Program: []string{os.Args[0]}, Environ: append(os.Environ(), play+"="+role), Version: "v1", Stderr: os.Stderr, EndTimeout: time.Minute,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(l, listener)
	s.serve()
	t.Cleanup(func() {
		l.TellAll("ask", []byte("crash"))
		if len(l.Kin()) > 0 || !l.cfg.Stays {
			l.Close()
		}
		_ = listener.Close()
	})
	return s
}

// ask says who serves at the socket.
func (s *server) ask(t *testing.T) string {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// knows waits until these are the others.
func (s *server) knows(t *testing.T, kin ...string) {
	t.Helper()
	for late := time.After(20 * time.Second); ; {
		if slices.Equal(s.line.Kin(), kin) {
			return
		}
		select {
		case <-s.others:
		case <-late:
			t.Fatalf("Kin = %v, want %v", s.line.Kin(), kin)
		}
	}
}

// want waits until something was said.
func (s *server) want(t *testing.T, want string) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case got := <-s.heard:
			if got == want {
				return
			}
			t.Logf("heard %q", got)
		case <-late:
			t.Fatalf("nobody has said %q", want)
		}
	}
}

func TestANewProcessTakesOver(t *testing.T) {
	t.Parallel()
	s := first(t, "serves")
	if got := s.ask(t); got != "1" {
		t.Fatalf("at first %q serves, want 1", got)
	}
	p, err := s.line.Upgrade(t.Context())
	if err != nil || p.Node != "2" || p.Version != "vserves" {
		t.Fatalf("Upgrade = %+v, %v; want node 2 of version vserves", p, err)
	}
	select {
	case <-s.line.Retired():
	default:
		t.Error("the old process is not retired")
	}
	if got := s.ask(t); got != "2" {
		t.Errorf("after the upgrade %q serves, want 2", got)
	}
	s.line.Tell("2", "ask", []byte("kin"))
	s.want(t, "2 says 2 after 1 knows [1], current 2")
	s.line.Tell("2", "ask", []byte("will"))
	s.want(t, "2 says 500000 true")
	s.line.Tell("2", "ask", []byte("watched"))
	s.want(t, "2 says watched [[1]]")
	if _, err := s.line.Upgrade(t.Context()); !errors.Is(err, ErrRetired) {
		t.Errorf("Upgrade of a retired process = %v, want %v", err, ErrRetired)
	}
	if got := s.line.Kin(); !slices.Equal(got, []string{"2"}) || s.line.Current() != "2" {
		t.Errorf("Kin = %v, Current = %s; want 2", got, s.line.Current())
	}
}

func TestTwoUpgradesInARow(t *testing.T) {
	t.Parallel()
	s := first(t, "serves")
	if _, err := s.line.Upgrade(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.line.Tell("2", "ask", []byte("upgrade"))
	s.want(t, "2 says upgraded to 3 <nil>")
	s.knows(t, "2", "3")
	if got := s.ask(t); got != "3" {
		t.Errorf("after two upgrades %q serves, want 3", got)
	}
	s.line.Tell("3", "ask", []byte("kin"))
	s.want(t, "3 says 3 after 2 knows [1 2], current 3")
	s.line.Tell("2", "ask", []byte("kin"))
	s.want(t, "2 says 2 after 1 knows [1 3], current 3")
	s.line.Tell("2", "ask", []byte("free"))
	s.knows(t, "3")                                                                     // the other one has nobody, and ends
	for said := ""; said != "3 says 3 after 2 knows [1], current 3"; said = <-s.heard { // it hears of the end by itself
		s.line.Tell("3", "ask", []byte("kin"))
	}
	s.line.Tell("3", "ask", []byte("crash"))
	select {
	case err := <-s.ended:
		if !strings.HasPrefix(err.Error(), "the process that had taken over has ended: ") {
			t.Errorf("the retired process ends because of %v", err)
		}
	case <-t.Context().Done():
	}
}

// TestTheFirstOfAContainerEndsLast holds that the process with which a container ends
// takes all others along, and that none of them waits for it.
func TestTheFirstOfAContainerEndsLast(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := first(t, "serves")
	s.line.cfg.Stays, s.line.self.Stays, s.line.log = true, true, slog.New(slog.NewTextHandler(&log, nil))
	<-s.kept
	s.kept <- 0 // nobody is left in it
	if _, err := s.line.Upgrade(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.line.Tell("2", "ask", []byte("upgrade"))
	s.want(t, "2 says upgraded to 3 <nil>")
	s.knows(t, "2", "3")
	s.line.Close()
	if len(s.line.Kin()) != 0 || log.Len() > 0 {
		t.Errorf("it ends before %v, and says %s", s.line.Kin(), log.String())
	}
}

func TestAFailedUpgradeCostsNothing(t *testing.T) {
	t.Parallel()
	for role, want := range map[string]string{
		"exits":    "the new process could not take over: " + errSilent.Error(),
		"fails":    "the new process could not take over: wrong settings",
		"dies":     "the new process could not take over: " + errSilent.Error(),
		"misreads": "the new process could not take over: succeed the older process: words: of another version",
		"hangs":    "the new process could not take over: it was not ready within 30s, or did not serve within 10s then",
	} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			s := first(t, role)
			if role == "hangs" {
				s.line.startTimeout = time.Second
			}
			_, err := s.line.Upgrade(t.Context())
			failed, is := errors.AsType[*TakeoverError](err)
			if !is || err.Error() != want {
				t.Fatalf("Upgrade = %v, want %s", err, want)
			}
			if role == "fails" && failed.Hint != "set them right" {
				t.Errorf("the hint is %q", failed.Hint)
			}
			if got := s.ask(t); got != "1" {
				t.Errorf("%q serves, want 1", got)
			}
			var paused []string
			for len(s.paused) > 0 {
				paused = append(paused, <-s.paused)
			}
			if late := role == "dies" || role == "misreads"; late && !slices.Equal(paused, []string{"pause", "resume"}) || !late && paused != nil {
				t.Errorf("the parts did %v", paused)
			}
			if got := s.line.Stats(); got.Failed != 1 || got.Upgrades != 0 || len(s.line.Kin()) != 0 {
				t.Errorf("Stats = %+v, Kin = %v; want one failure", got, s.line.Kin())
			}
		})
	}
}
