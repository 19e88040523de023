package mmsg

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDialedSocketOnlySends holds that datagrams leave from the port of another
// Socket, runs of them too, and that all that comes back goes to that one: from the
// peer that is dialed as from others.
func TestDialedSocketOnlySends(t *testing.T) {
	t.Parallel()
	for _, ip := range []string{"127.0.0.1", "::1", "0.0.0.0", "::"} {
		bound, peer, to := pair(t, ip)
		if to.Addr().IsUnspecified() {
			loopback := map[bool]string{false: "127.0.0.1", true: "::1"}[bound.Six()]
			to = netip.AddrPortFrom(netip.MustParseAddr(loopback), to.Port())
		}
		port := boundPort(t, bound)
		dialed, err := Dial(netip.AddrPortFrom(netip.MustParseAddr(ip), port), to, 1<<20)
		if err != nil {
			t.Fatalf("%s: %v", ip, err)
		}
		t.Cleanup(func() { _ = dialed.Close() })
		if !dialed.Current() {
			t.Errorf("%s: Current() = false for a way that is still the same", ip)
		}
		out, elsewhere := NewSender(10), NewName(netip.AddrPortFrom(to.Addr(), 9), bound.Six(), 0)
		for _, text := range []string{"one", "two", "six", "longer"} {
			out.Add(dialed, &elsewhere, nil, []byte(text)) // a Socket of Dial does not ask where
		}
		if lost := out.Flush(); lost != 0 {
			t.Errorf("%s: Flush() = %d lost", ip, lost)
		}
		p := make([]byte, 100)
		for _, want := range []string{"one", "two", "six", "longer"} {
			n, from, err := peer.ReadFromUDPAddrPort(p)
			if err != nil || string(p[:n]) != want || from.Port() != port || from.Addr().Unmap() != to.Addr() {
				t.Fatalf("%s: %q came from %v, %v, want %q from port %d of %v", ip, p[:n], from, err, want, port, to.Addr())
			}
		}
		stranger, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(to.Addr(), 0)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = stranger.Close() })
		for _, conn := range []*net.UDPConn{peer, stranger} {
			if _, err := conn.WriteToUDPAddrPort([]byte("back"), netip.AddrPortFrom(to.Addr(), port)); err != nil {
				t.Fatal(err)
			}
		}
		in := NewReceiver(4, 100, 0, 0)
		receive(t, in, bound, 2)
		if _, end, err := in.Receive(dialed, 1); err != nil || end != 2 {
			t.Errorf("%s: the Socket of Dial has received something, %v", ip, err)
		}
	}
}

// TestDialKeepsThePort holds that nobody else may be bound to a port that a Socket
// of Listen has, for all that Sockets of Dial send from it.
func TestDialKeepsThePort(t *testing.T) {
	t.Parallel()
	for _, ip := range []string{"0.0.0.0", "::", "127.0.0.1", "::1"} {
		bound, _, _ := pair(t, ip)
		second, err := Listen(netip.AddrPortFrom(netip.MustParseAddr(ip), boundPort(t, bound)), 0)
		if !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("%s: a second Listen on the port = %v, want %v", ip, err, unix.EADDRINUSE)
		}
		if err == nil {
			_ = second.Close()
		}
	}
}

// TestDialFromAnotherAddress holds that no datagram leaves from where it should not.
func TestDialFromAnotherAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to string }{{"127.0.0.2:4000", "127.0.0.1:9"}, {"[2001:db8::1]:4000", "[::1]:9"}} {
		s, err := Dial(netip.MustParseAddrPort(c.from), netip.MustParseAddrPort(c.to), 0)
		if !errors.Is(err, errSource) {
			t.Errorf("Dial(%s, %s) = %v, want %v", c.from, c.to, err, errSource)
		}
		if err == nil {
			_ = s.Close()
		}
	}
	if (&Socket{peer: netip.MustParseAddrPort("127.0.0.1:9"), source: netip.MustParseAddr("192.0.2.1")}).Current() {
		t.Error("Current() = true for an address that this machine has no more")
	}
}

func boundPort(t *testing.T, s *Socket) (port uint16) {
	t.Helper()
	if err := s.use(func(fd uintptr) {
		name, err := unix.Getsockname(int(fd))
		switch name := name.(type) {
		case *unix.SockaddrInet4:
			port = uint16(name.Port)
		case *unix.SockaddrInet6:
			port = uint16(name.Port)
		default:
			t.Fatal(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	return port
}

// receive waits for some seconds until so many datagrams have come.
func receive(t *testing.T, in *Receiver, s *Socket, want int) {
	t.Helper()
	poller, err := NewPoller(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = poller.Close() })
	if err := errors.Join(poller.Add(s, 0), poller.file.SetDeadline(time.Now().Add(10*time.Second))); err != nil {
		t.Fatal(err)
	}
	for in.Free() > 0 && want > 0 {
		if _, err := poller.Wait(); err != nil {
			t.Fatal(err)
		}
		first, end, err := in.Receive(s, want)
		if err != nil {
			t.Fatal(err)
		}
		want -= end - first
	}
}
