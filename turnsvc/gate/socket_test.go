package gate

import (
	"bytes"
	"net"
	"strconv"
	"testing"
)

// TestSocketAnswersFromTheAddressThatWasAsked asks a socket that listens on
// every address, over both families; a connected client takes no other answer.
func TestSocketAnswersFromTheAddressThatWasAsked(t *testing.T) {
	t.Parallel()
	list, err := ListenUDP(t.Context(), &net.ListenConfig{}, ":0", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = list.Close() })
	d := list[0]
	if d.routes == nil {
		t.Skip("not on this system")
	}
	port := strconv.Itoa(int(AddrPort(d.LocalAddr()).Port()))
	p, q := make([]byte, MaxFrameBytes), make([]byte, MaxFrameBytes)
	for _, host := range []string{"127.0.0.1", "127.0.0.2", "127.3.2.1", "::1"} {
		client, err := new(net.Dialer).DialContext(t.Context(), "udp", net.JoinHostPort(host, port))
		if err != nil {
			t.Logf("%s: %v", host, err)
			continue
		}
		t.Cleanup(func() { _ = client.Close() })
		if _, err := client.Write(stunFrame(0)); err != nil {
			t.Fatal(err)
		}
		n, addr, err := d.ReadFrom(p)
		if err != nil || AddrPort(addr) != AddrPort(client.LocalAddr()) {
			t.Fatalf("ReadFrom = %v, %v, want %v", addr, err, client.LocalAddr())
		}
		if _, err := d.WriteTo(p[:n], addr); err != nil {
			t.Fatal(err)
		}
		if n, err := client.Read(q); err != nil || !bytes.Equal(p[:n], q[:n]) {
			t.Errorf("%s answers %x, %v, want %x", host, q[:n], err, p[:n])
		}
	}
}

// TestDatagramsMakeNoGarbage holds that reading and answering costs no memory,
// whether the socket has one address or all.
func TestDatagramsMakeNoGarbage(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", ":0"} {
		if n := testing.AllocsPerRun(100, answered(t, address)); n != 0 {
			t.Errorf("%s: a round trip makes %v allocations, want 0", address, n)
		}
	}
}

// answered returns a function that asks a socket and answers.
func answered(t testing.TB, address string) func() {
	t.Helper()
	list, err := ListenUDP(t.Context(), &net.ListenConfig{}, address, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = list.Close() })
	client := dialUDP(t, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(AddrPort(list.LocalAddr()).Port())})
	p, q := channelFrame(0x4000, 159), make([]byte, MaxFrameBytes+1)
	return func() {
		if _, err := client.Write(p); err != nil {
			t.Fatal(err)
		}
		n, addr, err := list[0].ReadFrom(q)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := list[0].WriteTo(q[:n], addr); err != nil {
			t.Fatal(err)
		}
		if n, err := client.Read(q); err != nil || n != 4+159 {
			t.Fatalf("the client reads %d, %v, want 163 bytes: no padding", n, err)
		}
	}
}

// BenchmarkDatagrams is a round trip over loopback, of which the four system
// calls are nearly all; to know which address was asked costs one in ten.
func BenchmarkDatagrams(b *testing.B) {
	for _, c := range []struct{ name, address string }{{"one", "127.0.0.1:0"}, {"all", ":0"}} {
		b.Run(c.name+" address", func(b *testing.B) {
			round := answered(b, c.address)
			b.ReportAllocs()
			for b.Loop() {
				round()
			}
		})
	}
}
