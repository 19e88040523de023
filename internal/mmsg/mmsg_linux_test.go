package mmsg

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair are two sockets of a family on loopback: one for batches, and one that waits
// for at most some seconds.
func pair(t testing.TB, ip string) (*Socket, *net.UDPConn, netip.AddrPort) {
	t.Helper()
	addr := netip.AddrPortFrom(netip.MustParseAddr(ip), 0)
	s, err := Listen(addr, 1<<20)
	if err != nil {
		t.Skipf("no %s here: %v", ip, err)
	}
	t.Cleanup(func() { _ = s.Close() })
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return s, conn, conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// TestDatagramsLeaveAsTheyWereAdded holds that runs of one size, empty datagrams,
// small ones at the end and large ones arrive apart, whole and in order.
func TestDatagramsLeaveAsTheyWereAdded(t *testing.T) {
	t.Parallel()
	for _, ip := range []string{"127.0.0.1", "::1"} {
		for _, apart := range []bool{false, true} {
			s, conn, addr := pair(t, ip)
			name := NewName(addr, s.Six(), 0)
			out := NewSender(200)
			if apart {
				out.Apart()
			}
			var want [][]byte
			for i, size := range []int{100, 100, 100, 40, 0, 0, 7, 7, 9, 9, 9, 1500, 1500, 9, 1399, 1399} {
				want = append(want, bytes.Repeat([]byte{byte(i + 1)}, size))
			}
			for range 70 {
				want = append(want, bytes.Repeat([]byte{'x'}, 30))
			}
			for _, p := range want {
				out.Add(s, &name, nil, p)
			}
			if lost := out.Flush(); lost != 0 || out.Free() != 200 {
				t.Errorf("%s: Flush() = %d, and room for %d, want none lost", ip, lost, out.Free())
			}
			got := make([]byte, 2000)
			for i, p := range want {
				n, _, err := conn.ReadFromUDPAddrPort(got)
				if err != nil || !bytes.Equal(got[:n], p) {
					t.Fatalf("%s, apart %v: datagram %d is %q, %v, want %q", ip, apart, i, got[:n], err, p)
				}
			}
		}
	}
}

// TestManySocketsInOneFlush holds that datagrams of several sockets to several
// addresses, mixed, keep their order: those that leave together, and those of too
// many sockets for that.
func TestManySocketsInOneFlush(t *testing.T) {
	t.Parallel()
	for _, sockets := range []int{3, 2 * lookBack} {
		out := NewSender(64)
		socks, conns, names := make([]*Socket, sockets), make([]*net.UDPConn, sockets), make([]Name, sockets)
		for i := range sockets {
			var addr netip.AddrPort
			socks[i], conns[i], addr = pair(t, "127.0.0.1")
			names[i] = NewName(addr, false, 0)
		}
		for n := range 7 {
			for i := range sockets {
				out.Add(socks[i], &names[i], nil, make([]byte, 1+n%3)) // so that some are no segments
			}
		}
		if lost := out.Flush(); lost != 0 {
			t.Fatalf("Flush() = %d", lost)
		}
		p := make([]byte, 10)
		for _, conn := range conns {
			for n := range 7 {
				if got, _, err := conn.ReadFromUDPAddrPort(p); err != nil || got != 1+n%3 {
					t.Fatalf("datagram %d of %d sockets has %d bytes, %v, want %d", n, sockets, got, err, 1+n%3)
				}
			}
		}
	}
}

// TestAwaitLeavesNothingBehind holds that each is given all that was there, whole
// batches of it too, and what comes while it is at work.
func TestAwaitLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s, conn, addr := pair(t, "127.0.0.1")
	wrapped, err := Wrap(conn)
	if err != nil {
		t.Fatal(err)
	}
	send := func(texts ...string) {
		for _, text := range texts {
			if err := s.SendTo([]byte(text), addr); err != nil {
				t.Fatal(err)
			}
		}
	}
	send("a", "a", "a", "b", "c")
	in, got := NewReceiver(4, 100, 0, 0), ""
	each := func(first, end int) bool {
		for i := first; i < end; i++ {
			buf, begin, end := in.Datagram(i)
			if got += string(buf[begin:end]); len(got) == 5 {
				send("d", "e")
			}
		}
		in.Reset()
		return len(got) >= 7
	}
	for len(got) < 7 {
		if err := in.Await(wrapped, 2, each); err != nil {
			t.Fatalf("Await() = %v when %q had come", err, got)
		}
	}
	if got != "aaabcde" {
		t.Errorf("received %q, want aaabcde", got)
	}
}

// TestWhatTheKernelRefusesIsLost holds that a message which the kernel does not
// take holds up nobody: others leave.
func TestWhatTheKernelRefusesIsLost(t *testing.T) {
	t.Parallel()
	s, conn, addr := pair(t, "127.0.0.1")
	good, bad := NewName(addr, false, 0), NewName(netip.MustParseAddrPort("255.255.255.255:9"), false, 0) // which takes SO_BROADCAST
	out := NewSender(10)
	for range 3 {
		out.Add(s, &bad, nil, []byte("no"))
		out.Add(s, &good, nil, []byte("ok"))
	}
	if lost := out.Flush(); lost != 3 {
		t.Errorf("Flush() = %d, want 3 lost", lost)
	}
	p := make([]byte, 10)
	for range 3 {
		if n, _, err := conn.ReadFromUDPAddrPort(p); err != nil || string(p[:n]) != "ok" {
			t.Fatalf("got %q, %v, want ok", p[:n], err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	out.Add(s, &good, nil, []byte("late"))
	if lost := out.Flush(); lost != 1 {
		t.Errorf("Flush() to a closed socket = %d, want 1 lost", lost)
	}
}

// TestBatchMakesNoGarbage sends and receives a batch of runs.
func TestBatchMakesNoGarbage(t *testing.T) {
	s, conn, addr := pair(t, "127.0.0.1")
	wrapped, err := Wrap(conn)
	if err != nil {
		t.Fatal(err)
	}
	in, out, name, p := NewReceiver(64, 200, 8, 4), NewSender(64), NewName(addr, false, 0), make([]byte, 160)
	got := 0
	each := func(first, end int) bool {
		got += end - first
		in.Reset()
		return got >= 32
	}
	if n := testing.AllocsPerRun(100, func() {
		for range 32 {
			out.Add(s, &name, nil, p)
		}
		out.Flush()
		for got = 0; got < 32; {
			if err := in.Await(wrapped, 64, each); err != nil {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("a batch makes %v allocations, want 0", n)
	}
}

// TestPoller holds that the right socket is told of, with what has come and from
// whom, and that one which is closed is told of no more.
func TestPoller(t *testing.T) {
	t.Parallel()
	p, err := NewPoller(8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	in := NewReceiver(8, 100, 4, 0)
	for token := range uint64(3) {
		s, conn, from := pair(t, "127.0.0.1")
		if err := p.Add(s, token<<32|7); err != nil {
			t.Fatal(err)
		}
		to := boundTo(t, s)
		if _, err := conn.WriteToUDPAddrPort([]byte("hello"), to); err != nil {
			t.Fatal(err)
		}
		if n, err := p.Wait(); n != 1 || err != nil || p.Token(0) != token<<32|7 {
			t.Fatalf("Wait() = %d, %v for %x, want socket %d", n, err, p.Token(0), token)
		}
		first, end, err := in.Receive(s, 8)
		if err != nil || end != first+1 {
			t.Fatalf("Receive() = %d to %d, %v, want one datagram", first, end, err)
		}
		buf, begin, n := in.Datagram(first)
		if got, _ := in.From(first).AddrPort(); string(buf[begin:n]) != "hello" || begin != 4 || got != from {
			t.Errorf("received %q at %d from %v, want hello at 4 from %v", buf[begin:n], begin, got, from)
		}
		if first, end, err := in.Receive(s, 8); first != end || err != nil {
			t.Errorf("Receive() = %d to %d, %v, want nothing more", first, end, err)
		}
		if _, err := conn.WriteToUDPAddrPort([]byte("late"), to); err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		if _, _, err := in.Receive(s, 8); !IsClosed(err) {
			t.Errorf("Receive() of a closed socket = %v", err)
		}
	}
}

// boundTo is where a Socket of its own is bound.
func boundTo(t *testing.T, s *Socket) (addr netip.AddrPort) {
	t.Helper()
	err := s.use(func(fd uintptr) {
		name, err := unix.Getsockname(int(fd))
		if err != nil {
			t.Error(err)
			return
		}
		four := name.(*unix.SockaddrInet4)
		addr = netip.AddrPortFrom(netip.AddrFrom4(four.Addr), uint16(four.Port))
	})
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
