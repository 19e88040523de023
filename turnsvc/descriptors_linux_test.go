package turnsvc

import (
	"bufio"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// TestFewDescriptors runs itself in a process that may have 128 descriptors,
// comes with 250 connections that say nothing, and goes: then everybody must be
// served again within 2 s. An Accept that fails ends pion's own listener.
func TestFewDescriptors(t *testing.T) {
	if flag.Arg(0) == "few" {
		serveWithFewDescriptors(t)
		return
	}
	// A child has all sockets of its parent until it runs its own program, also those
	// that are closed meanwhile: it starts while no other test has any.
	udp, tcp, secure := startChild(t)
	t.Parallel()
	s := &service{clock: new(testClock)}
	s.clock.unix.Store(1_800_000_000)
	ann := s.over(t, dialTo(t, "udp", udp), "udp", "ann")
	ann.mustAllocate()
	idle := make([]net.Conn, 250)
	for i := range idle {
		idle[i] = dialTo(t, "tcp", []string{tcp, secure}[i%2])
	}
	bob := s.over(t, dialTo(t, "udp", udp), "udp", "bob")
	for deadline := time.Now().Add(patience); ; {
		_, code := bob.allocate() // its round trip is the pause
		if code == stun.CodeInsufficientCapacity {
			break
		}
		if bob.do(stun.MethodRefresh, attr(stun.AttrLifetime, 0, 0, 0, 0)); time.Now().After(deadline) {
			t.Fatalf("Allocate = %d with all descriptors taken, want 508", code)
		}
	}
	if got := code(ann.do(stun.MethodRefresh)); got != 0 {
		t.Errorf("Refresh with all descriptors taken = %d, want success", got)
	}
	for _, conn := range idle {
		_ = conn.Close()
	}
	begin := time.Now()
	carl := s.over(t, dialTo(t, "tcp", tcp), "tcp", "carl")
	dave := s.over(t, tls.Client(dialTo(t, "tcp", secure), &tls.Config{InsecureSkipVerify: true}), "tls", "dave")
	for _, c := range []*client{carl, dave, bob} {
		_, code := c.allocate()
		for code == stun.CodeInsufficientCapacity && time.Since(begin) < 2*time.Second { // some of the 250 are still being closed
			_, code = c.allocate()
		}
		if took := time.Since(begin); code != 0 || took > 2*time.Second {
			t.Errorf("Allocate %v after the others went = %d, want success within 2 s", took, code)
		}
	}
}

// serveWithFewDescriptors is the child: it tells where it listens, and ends with
// its standard input.
func serveWithFewDescriptors(t *testing.T) {
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 128, Max: 128}); err != nil {
		t.Fatal(err)
	}
	change := everywhere(t)
	s := serve(t, func(c *Config) {
		change(c)
		c.UDPAddrs, c.TCPAddr, c.TLSAddr = []string{"127.0.0.1:0"}, "127.0.0.1:0", "127.0.0.1:0"
		c.MaxPerAddr = 1000
	})
	fmt.Fprintln(os.Stderr, s.udp[0].LocalAddr(), s.tcp.Addr(), s.tls.Addr())
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		t.Fatal(err)
	}
}

// startChild returns where the child listens.
func startChild(t *testing.T) (udp, tcp, secure string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(context.WithoutCancel(t.Context()), self, "-test.run=^TestFewDescriptors$", "few")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := child.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := child.Wait(); err != nil {
			t.Errorf("the child ended with %v", err)
		}
	})
	line, err := bufio.NewReader(stderr).ReadString('\n')
	if err != nil {
		t.Fatalf("the child does not say where it listens: %v", err)
	}
	if _, err := fmt.Sscan(line, &udp, &tcp, &secure); err != nil {
		t.Fatal(err)
	}
	return udp, tcp, secure
}

func dialTo(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
