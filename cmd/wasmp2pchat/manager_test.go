package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestAServiceManagerPassesSockets starts the program as systemd does: with
// sockets that are open already, and a socket of its own to be told.
func TestAServiceManagerPassesSockets(t *testing.T) {
	t.Parallel()
	page, turn, udp := listenTCP(t), listenTCP(t), listenUDP(t)
	before, err := new(net.Dialer).DialContext(t.Context(), "tcp", page.Addr().String()) // nobody serves yet: it waits
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = before.Close() })
	states := notifySocket(t)
	server := startPassed(t, []*os.File{fileOf(t, page), fileOf(t, turn), fileOf(t, udp)},
		"NOTIFY_SOCKET="+states.path, "WATCHDOG_USEC=200000", "WASMP2PCHAT_ADMIN_ADDR=off",
		"WASMP2PCHAT_ADDR="+page.Addr().String(), "WASMP2PCHAT_TURN_TCP_ADDR="+turn.Addr().String(), "WASMP2PCHAT_TURN_UDP_ADDR="+udp.LocalAddr().String())
	states.want(t, "READY=1")
	states.want(t, "WATCHDOG=1")
	fmt.Fprintf(before, "GET /.ok HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", page.Addr())
	if answer, err := io.ReadAll(before); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		t.Errorf("who connected before the server started got %q, %v; want 200", answer, err)
	}
	if err := server.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	states.want(t, "STOPPING=1")
	if err := server.Wait(); err != nil {
		t.Errorf("the server ended: %v\n%s", err, server.Stderr)
	}
}

// TestAPassedSocketIsForASetting holds that no socket waits for clients of whom
// nobody takes care.
func TestAPassedSocketIsForASetting(t *testing.T) {
	t.Parallel()
	stray := listenTCP(t)
	server := startPassed(t, []*os.File{fileOf(t, stray)}, "WASMP2PCHAT_ADMIN_ADDR=off",
		"WASMP2PCHAT_ADDR=127.0.0.1:0", "WASMP2PCHAT_TURN_TCP_ADDR=off", "WASMP2PCHAT_TURN_UDP_ADDR=127.0.0.1:0")
	err := server.Wait()
	want := "passed sockets that no setting listens on: tcp " + stray.Addr().String()
	if log := fmt.Sprint(server.Stderr); err == nil || !strings.Contains(log, want) || !strings.Contains(log, "hint: take them out") {
		t.Errorf("the server ended with %v and\n%s\nwant an error with %q", err, log, want)
	}
}

func TestSocketsAreToldByTheirAddress(t *testing.T) {
	t.Parallel()
	at := func(text string) net.Addr { return net.TCPAddrFromAddrPort(addrPort(t, text)) }
	for _, c := range []struct {
		bound   net.Addr
		setting string
		want    bool
	}{
		{at("[::]:443"), ":443", true},
		{at("0.0.0.0:443"), ":443", true},
		{at("[::]:443"), "0.0.0.0:443", true},
		{at("[::]:443"), ":80", false},
		{at("127.0.0.1:443"), ":443", false},
		{at("[::]:443"), "127.0.0.1:443", false},
		{at("127.0.0.1:443"), "127.0.0.1:443", true},
		{at("[::ffff:127.0.0.1]:443"), "127.0.0.1:443", true},
		{at("[::1]:443"), "localhost:443", true},
		{at("[::]:443"), "localhost:443", false},
		{net.UDPAddrFromAddrPort(addrPort(t, "[::]:443")), ":443", false},
	} {
		if got := isFor(c.bound, "tcp", c.setting); got != c.want {
			t.Errorf("isFor(%v %v, tcp, %q) = %v, want %v", c.bound.Network(), c.bound, c.setting, got, c.want)
		}
	}
}

// TestTheWatchdogHearsOfNobodyWhoHangs holds that a service that does not answer
// keeps the manager from being told that all is well.
func TestTheWatchdogHearsOfNobodyWhoHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []string
		hang := make(chan struct{})
		asked := 0
		m := manager{watchdog: 20 * time.Second, tell: func(state string) { told = append(told, state) }}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- m.serve(nil, func() {
				if asked++; asked > 2 {
					<-hang
				}
			})(ctx)
		}()
		<-time.After(time.Hour)
		synctest.Wait()
		if want := []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"}; !slices.Equal(told, want) {
			t.Errorf("told %v, want %v: the third question has no answer", told, want)
		}
		close(hang)
		cancel()
		if err := <-ended; err != nil || told[len(told)-1] != "STOPPING=1" {
			t.Errorf("at the end: %v, told %v; want STOPPING=1", err, told)
		}
	})
}

// TestANewMainProcessHasAWholePeriod holds that the watchdog counts anew with an upgrade:
// the old process may have spoken last half a period ago.
func TestANewMainProcessHasAWholePeriod(t *testing.T) {
	t.Parallel()
	var told []string
	manager{tell: func(state string) { told = append(told, state) }}.succeeded(4711)
	if want := []string{"MAINPID=4711\nREADY=1\nWATCHDOG=1"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

// startPassed starts the program with files as sd_listen_fds(3) has it. A shell knows
// the number that the process will have.
func startPassed(t *testing.T, files []*os.File, environ ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "sh", "-c", "LISTEN_PID=$$ exec wasmp2pchat serve")
	cmd.ExtraFiles = files
	cmd.Stderr = new(strings.Builder)
	cmd.Env = append(append(cmd.Environ(), environ...), hasty, fmt.Sprintf("LISTEN_FDS=%d", len(files)),
		"WASMP2PCHAT_STATE_DIR="+t.TempDir(), "WASMP2PCHAT_PUBLIC_IPS=127.0.0.1", "WASMP2PCHAT_TURN_DATAPLANE=pion")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func listenTCP(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func listenUDP(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// fileOf is the descriptor of a socket, for another process.
func fileOf(t *testing.T, socket interface{ File() (*os.File, error) }) *os.File {
	t.Helper()
	f, err := socket.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func addrPort(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// states is the end of a service manager that is told how the program is.
type states struct {
	path string
	conn *net.UnixConn
}

func notifySocket(t *testing.T) *states {
	t.Helper()
	s := &states{path: filepath.Join(t.TempDir(), "n")} // it may have 107 bytes
	var err error
	if s.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.conn.Close() })
	return s
}

// want waits until the program has told a state.
func (s *states) want(t *testing.T, state string) {
	t.Helper()
	if err := s.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 256)
	for {
		n, err := s.conn.Read(p)
		if err != nil {
			t.Fatalf("the program did not tell %s: %v", state, err)
		}
		if string(p[:n]) == state {
			return
		}
	}
}
