//go:build interop

package conformance

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

// coturn starts coturn's turnserver (Debian's package coturn) on loopback, with the
// same credentials and realm, and no limits.
func coturn(t *testing.T) *site {
	t.Helper()
	program, err := exec.LookPath("turnserver")
	switch {
	case err == nil:
	case slices.Contains(os.Environ(), "CI=true"):
		t.Fatal(err)
	default:
		t.Skipf("%v: install the package coturn", err)
	}
	at, files := quietPort(t), t.TempDir()
	life, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(life, program, "-n",
		"--listening-ip=127.0.0.1", "--listening-port="+strconv.Itoa(int(at.Port())), "--relay-ip=127.0.0.1", "--relay-ip=::1",
		"--allow-loopback-peers", "--relay-threads=1",
		"--use-auth-secret", "--static-auth-secret="+secret, "--realm="+realm,
		"--no-tls", "--no-dtls", "--no-cli", "--no-rfc5780", "--no-software-attribute", "--no-stun-backward-compatibility",
		"--log-file=stdout", "--simple-log", "--pidfile="+filepath.Join(files, "pid"), "--userdb="+filepath.Join(files, "db"))
	cmd.Dir = files
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // the log says why
	}()
	t.Cleanup(func() {
		stop()
		<-exited
		if t.Failed() {
			t.Logf("the end of what coturn said:\n%s", log.Bytes()[max(0, log.Len()-4000):])
		}
	})
	s := &site{t: t, udp: at, tcp: at}
	s.awaitStart(exited)
	return s
}

// quietPort is free for UDP and for TCP, and none that the kernel gives to others: it
// takes those from 32768 on.
func quietPort(t *testing.T) netip.AddrPort {
	t.Helper()
	for range 100 {
		at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(20000+rand.IntN(12000)))
		packets, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			continue
		}
		_ = packets.Close()
		if stream, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at)); err == nil {
			_ = stream.Close()
			return at
		}
	}
	t.Fatal("no port of loopback is free")
	return netip.AddrPort{}
}

// awaitStart asks a server until it answers.
func (s *site) awaitStart(exited <-chan struct{}) {
	s.t.Helper()
	c := s.dial("udp", "127.0.0.1", "")
	for late := time.After(patience); ; {
		select {
		case <-exited:
			s.t.Fatal("the server ended before it answered")
		case <-late:
			s.t.Fatal("the server does not answer")
		default:
		}
		c.askAlive()
		if got, err := c.read(50 * time.Millisecond); err == nil && isAnswer(got) {
			return
		}
		// A closed port says so at once.
		wait(10 * time.Millisecond)
	}
}

// pair are two peers: near may send to the relays of those who hold one, far not.
type pair struct{ near, far *peer }

// newPair opens peers at two addresses, for permissions do not see ports.
func (s *site) newPair() pair { return pair{s.newPeer("127.0.0.1"), s.newPeer("127.0.0.2")} }

// addr is the address of near or of far.
func (p pair) addr(far bool) netip.AddrPort {
	if far {
		return p.far.addr
	}
	return p.near.addr
}
