//go:build netns

package natlab_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// answerTimeout is how long an answer may take before it counts as dropped.
// One takes well under a millisecond.
const answerTimeout = 300 * time.Millisecond

// patience is how long is waited for a connection that must come about: a machine may
// be busy, and the kernel asks for a neighbour, or sends a SYN, again after a second.
const patience = 5 * time.Second

// needLab skips a test where no lab can be built, unless that is a fault: the
// CI says that it can.
func needLab(t *testing.T) {
	t.Helper()
	switch err := natlab.Available(); {
	case err == nil:
	case slices.Contains(os.Environ(), "CI=true"):
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

// newLab builds a lab that ends with the test.
func newLab(t *testing.T, a, b natlab.NAT) *natlab.Lab {
	t.Helper()
	needLab(t)
	lab, err := natlab.New(t.Context(), a, b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return lab
}

// namespaces lists the named namespaces of the labs of this process: the tests of
// other packages have theirs at the same time.
func namespaces(t *testing.T) []string {
	t.Helper()
	own := fmt.Sprintf("natlab-%d-", os.Getpid())
	return slices.DeleteFunc(entries(t, namespaceDir), func(name string) bool { return !strings.HasPrefix(name, own) })
}

// namespaceDir is where the kernel's tools keep namespaces by their names.
const namespaceDir = "/run/netns"

// entries lists what is in a folder, if there is one.
func entries(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var list []string
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	return list
}

func countPrefix(list []string, prefix string) int {
	n := 0
	for _, name := range list {
		if strings.HasPrefix(name, prefix) {
			n++
		}
	}
	return n
}

// closeAfter closes a socket when the test has ended.
func closeAfter(t *testing.T, c io.Closer) {
	t.Cleanup(func() { _ = c.Close() })
}

// reflect opens two ports on each of two addresses. A datagram to any of them
// holds the index of the one that shall answer; the answer holds the source
// that was seen. 0 and 1 share an address, 0 and 2 a port number.
func reflect(t *testing.T, server *natlab.Host) []net.PacketConn {
	t.Helper()
	var conns []net.PacketConn
	for _, addr := range []string{"51.51.51.10:4001", "51.51.51.10:4002", "51.51.51.11:4001", "51.51.51.11:4002"} {
		conn, err := server.ListenPacket(t.Context(), "udp4", addr)
		if err != nil {
			t.Fatal(err)
		}
		closeAfter(t, conn)
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		go func() { // ends when conn is closed
			packet := make([]byte, 64)
			for {
				n, from, err := conn.ReadFrom(packet)
				if err != nil {
					return
				}
				if answerer, err := strconv.Atoi(string(packet[:n])); err == nil && answerer < len(conns) {
					_, _ = conns[answerer].WriteTo([]byte(from.String()), from) // lost answers are what is tested
				}
			}
		}()
	}
	return conns
}

// asker is one UDP socket of a client.
type asker struct {
	t          *testing.T
	conn       net.PacketConn
	reflectors []net.PacketConn
}

func newAsker(t *testing.T, client *natlab.Host, reflectors []net.PacketConn) asker {
	t.Helper()
	conn, err := client.ListenPacket(t.Context(), "udp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, conn)
	return asker{t, conn, reflectors}
}

// ask sends to one reflector and tells what another one answered: the endpoint
// that it saw.
func (a asker) ask(target, answerer int) (seen netip.AddrPort, ok bool) {
	a.t.Helper()
	to, err := netip.ParseAddrPort(a.reflectors[target].LocalAddr().String())
	if err != nil {
		a.t.Fatal(err)
	}
	a.send(strconv.Itoa(answerer), to)
	text, from, ok := a.receive()
	if !ok {
		return netip.AddrPort{}, false
	}
	if want := a.reflectors[answerer].LocalAddr().String(); from.String() != want {
		a.t.Errorf("answer from %v, want %s", from, want)
	}
	seen, err = netip.ParseAddrPort(text)
	if err != nil {
		a.t.Error(err)
	}
	return seen, true
}

// hears asks the first reflector, and tells whether the answer of another one passes
// where its own does.
func (a asker) hears(answerer int) bool {
	a.t.Helper()
	if _, ok := a.ask(0, 0); !ok {
		return false
	}
	_, ok := a.ask(0, answerer)
	return ok
}

func (a asker) send(text string, to netip.AddrPort) {
	a.t.Helper()
	if _, err := a.conn.WriteTo([]byte(text), net.UDPAddrFromAddrPort(to)); err != nil {
		a.t.Fatal(err)
	}
}

// receive waits for one datagram.
func (a asker) receive() (text string, from netip.AddrPort, ok bool) {
	a.t.Helper()
	if err := a.conn.SetReadDeadline(time.Now().Add(answerTimeout)); err != nil {
		a.t.Fatal(err)
	}
	packet := make([]byte, 64)
	n, addr, err := a.conn.ReadFrom(packet)
	if err != nil {
		return "", netip.AddrPort{}, false
	}
	from, err = netip.ParseAddrPort(addr.String())
	if err != nil {
		a.t.Error(err)
	}
	return string(packet[:n]), from, true
}

// greet answers every TCP connection to a port with a byte.
func greet(t *testing.T, server *natlab.Host, port string) {
	t.Helper()
	listener, err := server.Listen(t.Context(), "tcp4", net.JoinHostPort(server.Addr().String(), port))
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, listener)
	go func() { // ends when listener is closed
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("!"))
			_ = conn.Close()
		}
	}()
}

// isGreeted tells whether a TCP connection to a port passes.
func isGreeted(t *testing.T, client, server *natlab.Host, port string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), answerTimeout)
	defer cancel()
	conn, err := client.Dial(ctx, "tcp4", net.JoinHostPort(server.Addr().String(), port))
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	n, _ := conn.Read(make([]byte, 1))
	return n == 1
}

// reaches tells whether a TCP connection to an address comes about; if it shall, it
// has the patience for it.
func reaches(t *testing.T, from *natlab.Host, address string, shall bool) bool {
	t.Helper()
	limit := answerTimeout
	if shall {
		limit = patience
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	conn, err := from.Dial(ctx, "tcp", address)
	if err != nil {
		t.Log(err)
		return false
	}
	_ = conn.Close()
	return true
}

// refuses tells whether a TCP connection to an address is answered by a no, not
// by silence.
func refuses(t *testing.T, from *natlab.Host, address string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), answerTimeout)
	defer cancel()
	conn, err := from.Dial(ctx, "tcp", address)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// isPinged tells whether an ICMP echo request is answered (RFC 792).
func isPinged(t *testing.T, client, server *natlab.Host) bool {
	t.Helper()
	conn, err := client.ListenPacket(t.Context(), "ip4:icmp", "0.0.0.0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	echo := []byte{8, 0, 0xf7, 0xfd, 0, 1, 0, 1} // type, code, checksum, identifier, number
	if _, err := conn.WriteTo(echo, &net.IPAddr{IP: server.Addr().AsSlice()}); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(answerTimeout)); err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, 64)
	n, _, err := conn.ReadFrom(packet)
	return err == nil && n >= 1 && packet[0] == 0 // echo reply
}
