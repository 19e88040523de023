//go:build !js

package peer

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/pion/webrtc/v4"
)

// underlayWith is the network of this machine, said to have IPv4 or not.
func underlayWith(t *testing.T, ipv4 bool, urls ...string) *underlay {
	t.Helper()
	u, err := newUnderlay([]webrtc.ICEServer{{URLs: urls}})
	if err != nil {
		t.Fatal(err)
	}
	u.onlyIPv6 = func() bool { return !ipv4 }
	return u
}

// TestRelaysAreFoundOverIPv6 asks for what pion asks for, in its words.
func TestRelaysAreFoundOverIPv6(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ipv4                   bool
		network, address, want string // want is empty where there is no way
	}{
		{true, "udp4", "192.0.2.1:3478", "192.0.2.1:3478"},
		{true, "udp4", "2001:db8::1:3478", ""},
		{true, "udp6", "2001:db8::1:3478", "[2001:db8::1]:3478"},
		{true, "udp6", "[2001:db8::1]:3478", "[2001:db8::1]:3478"},
		{false, "udp4", "2001:db8::1:3478", "[2001:db8::1]:3478"},
		{false, "udp4", "192.0.2.1:3478", ""},
	} {
		u := underlayWith(t, c.ipv4)
		udp, err := u.ResolveUDPAddr(c.network, c.address)
		if got := udp.String(); err == nil && got != c.want || err != nil && c.want != "" {
			t.Errorf("with IPv4 %t, ResolveUDPAddr(%q, %q) = %s, %v, want %q", c.ipv4, c.network, c.address, got, err, c.want)
		}
		network := "tcp" + c.network[3:]
		tcp, err := u.ResolveTCPAddr(network, c.address)
		if got := tcp.String(); err == nil && got != c.want || err != nil && c.want != "" {
			t.Errorf("with IPv4 %t, ResolveTCPAddr(%q, %q) = %s, %v, want %q", c.ipv4, network, c.address, got, err, c.want)
		}
	}
}

// TestSocketsForRelaysAreOfOurFamily opens one as pion does.
func TestSocketsForRelaysAreOfOurFamily(t *testing.T) {
	t.Parallel()
	for _, ipv4 := range []bool{true, false} {
		conn, err := underlayWith(t, ipv4).ListenPacket("udp4", "0.0.0.0:0")
		if err != nil {
			t.Fatalf("with IPv4 %t: %v", ipv4, err)
		}
		defer func() { _ = conn.Close() }()
		if got := conn.LocalAddr().(*net.UDPAddr).IP.To4() != nil; got != ipv4 {
			t.Errorf("with IPv4 %t the socket is %v", ipv4, conn.LocalAddr())
		}
	}
}

// TestRelaysByTheNextTransport dials a relay when others have answered, or have not.
func TestRelaysByTheNextTransport(t *testing.T) {
	t.Parallel()
	relay, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = relay.Close() })
	at := relay.Addr().(*net.TCPAddr)
	for _, c := range []struct {
		name          string
		tls, udp, tcp bool // what the relay is by; what has answered
		want          bool // it is dialled
	}{
		{"TCP where nothing answers", false, false, false, true},
		{"TCP where UDP works", false, true, false, false},
		{"TCP where another one answers by TCP", false, false, true, true},
		{"TLS where nothing answers", true, false, false, true},
		{"TLS where UDP works", true, true, false, false},
		{"TLS where TCP works", true, false, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			scheme := "turn"
			if c.tls {
				scheme = "turns"
			}
			u := underlayWith(t, true, fmt.Sprintf("%s:%v?transport=tcp", scheme, at))
			if c.udp {
				hear(t, u)
			}
			if c.tcp {
				u.tcp.now()
			}
			conn, err := u.DialTCP("tcp4", nil, at)
			if got := err == nil; got != c.want || err != nil && !errors.Is(err, errNotNeeded) {
				t.Errorf("DialTCP() = %v, want it dialled: %t", err, c.want)
			}
			if err == nil {
				_ = conn.Close()
			}
		})
	}
}

// hear lets a socket for a relay get an answer.
func hear(t *testing.T, u *underlay) {
	t.Helper()
	ours, err := u.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ours.Close() }()
	if _, err := ours.WriteTo([]byte("an answer"), ours.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ours.ReadFrom(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
}

// TestTheSamePortIsAskedFirst asks a relay by another port than the first one, which
// has answered or has not.
func TestTheSamePortIsAskedFirst(t *testing.T) {
	t.Parallel()
	for _, answered := range []bool{false, true} {
		relay, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = relay.Close() })
		u := underlayWith(t, true, "turn:127.0.0.1:1?transport=udp", fmt.Sprintf("turn:%v?transport=udp", relay.LocalAddr()))
		ours, err := u.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ours.Close() })
		if _, err := ours.WriteTo([]byte("first"), relay.LocalAddr()); err != nil {
			t.Errorf("the first request: %v, want it lost", err)
		}
		if answered {
			u.udp.now()
		}
		_, err = ours.WriteTo([]byte("again"), relay.LocalAddr())
		if answered != errors.Is(err, errNotNeeded) {
			t.Errorf("with an answer elsewhere %t, the second request: %v", answered, err)
		}
		if answered {
			continue
		}
		buf := make([]byte, 16)
		if n, _, err := relay.ReadFrom(buf); err != nil || string(buf[:n]) != "again" {
			t.Errorf("the relay has heard %q, %v, want the second request", buf[:n], err)
		}
	}
}

// TestGiveUpEndsWhatHasNotAnswered is about closing while relays are still asked.
func TestGiveUpEndsWhatHasNotAnswered(t *testing.T) {
	t.Parallel()
	u := underlayWith(t, true)
	silent, err := u.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	heard, err := u.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = heard.Close() }()
	if _, err := silent.WriteTo([]byte("an answer"), heard.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := heard.ReadFrom(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	dialled := make(chan error, 1)
	go func() {
		_, err := u.DialTCP("tcp4", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
		dialled <- err
	}()
	for range 2 {
		u.giveUp()
	}
	if err := <-dialled; !errors.Is(err, net.ErrClosed) && !errors.Is(err, errNotNeeded) {
		t.Errorf("DialTCP() = %v after all is over", err)
	}
	if _, err := silent.WriteTo([]byte("again"), heard.LocalAddr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a socket that has not answered is open: %v", err)
	}
	if _, err := heard.WriteTo([]byte("the end"), silent.LocalAddr()); err != nil {
		t.Errorf("a socket that has answered is closed: %v", err)
	}
	if _, err := u.ListenPacket("udp4", "127.0.0.1:0"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("ListenPacket() = %v after all is over", err)
	}
}

// TestRelaysThatWereNotToldAreNotHeard sends checks, and what is none, from the
// address of a relay.
func TestRelaysThatWereNotToldAreNotHeard(t *testing.T) {
	t.Parallel()
	u := underlayWith(t, true)
	ours, err := u.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ours.Close() }()
	relay, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = relay.Close() }()
	check := "\x00\x01\x00\x00\x21\x12\xa4\x42 transaction"
	hears := func(want string, packets ...string) {
		t.Helper()
		for _, packet := range packets {
			if _, err := relay.WriteTo([]byte(packet), ours.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
		buf := make([]byte, 64)
		n, from, err := ours.ReadFrom(buf)
		if err != nil || string(buf[:n]) != want || from.String() != relay.LocalAddr().String() {
			t.Errorf("%q came from %v, %v, want %q", buf[:n], from, err, want)
		}
	}
	hears(check, check) // of anybody
	if _, err := u.ResolveUDPAddr("udp4", "127.0.0.1:3478"); err != nil {
		t.Fatal(err)
	}
	hears("anything else", check, "anything else")
	hears(check[:8], check[:8])
	u.told(fmt.Sprintf("candidate:1 1 udp 511 127.0.0.1 %d typ relay raddr 0.0.0.0 rport 0", relay.LocalAddr().(*net.UDPAddr).Port))
	hears(check, check)
}

// TestPeerOf reads the Data indication of RFC 8656, and what is none.
func TestPeerOf(t *testing.T) {
	t.Parallel()
	header := "\x00\x17\x00\x14\x21\x12\xa4\x42transaction1"
	data := "\x00\x13\x00\x03abc\x00"
	peer := "\x00\x12\x00\x08\x00\x01\xe1\xba\x5e\x12\xa4\x43" // 127.0.0.1:49320
	want := netip.AddrPortFrom(netip.AddrFrom4([4]byte{0x7f, 0, 0, 1}), 0xc0a8)
	for name, c := range map[string]struct {
		packet string
		is     bool
	}{
		"peer first":        {header + peer + data, true},
		"data first":        {header + data + peer, true},
		"a response":        {"\x01\x01" + header[2:] + peer, false},
		"another cookie":    {header[:4] + "abcd" + header[8:] + peer, false},
		"cut":               {header + peer[:10], false},
		"a length too long": {header + "\x00\x13\xff\xff" + peer, false},
		"IPv6":              {header + "\x00\x12\x00\x14\x00\x02\xe1\xba0123456789abcdef", false},
		"nothing":           {"", false},
	} {
		got, is := peerOf([]byte(c.packet))
		if is != c.is || is && got != want {
			t.Errorf("%s: peerOf() = %v, %t, want %v, %t", name, got, is, want, c.is)
		}
	}
}

// FuzzPeerOf is about a server that sends anything.
func FuzzPeerOf(f *testing.F) {
	f.Add([]byte("\x00\x17\x00\x0c\x21\x12\xa4\x42transaction1\x00\x12\x00\x08\x00\x01\xe1\xba\x5e\x12\xa4\x43"))
	f.Fuzz(func(t *testing.T, packet []byte) {
		if peer, is := peerOf(packet); is && !peer.Addr().Is4() {
			t.Errorf("peerOf() = %v", peer)
		}
	})
}

func TestOnlyIPv6(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		addrs []string
		want  bool
	}{
		{[]string{"127.0.0.1/8", "::1/128", "2001:db8::1/64", "fe80::1/64"}, true},
		{[]string{"2001:db8::1/64", "169.254.3.4/16"}, true},
		{[]string{"127.0.0.1/8", "2001:db8::1/64", "10.0.0.2/24"}, false},
		{[]string{"127.0.0.1/8", "::1/128", "fe80::1/64"}, false}, // a trial on one machine
		{nil, false},
	} {
		var addrs []net.Addr
		for _, text := range c.addrs {
			ip, network, err := net.ParseCIDR(text)
			if err != nil {
				t.Fatal(err)
			}
			addrs = append(addrs, &net.IPNet{IP: ip, Mask: network.Mask})
		}
		if got := onlyIPv6(addrs); got != c.want {
			t.Errorf("onlyIPv6(%v) = %t, want %t", c.addrs, got, c.want)
		}
	}
}
