//go:build netns

package natlab_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// echo answers every datagram to one port of a host with the source that it
// saw, as a STUN server does.
func echo(t *testing.T, on *natlab.Host, address string) {
	t.Helper()
	conn := bind(t, on, address)
	go func() { // ends when conn is closed
		packet := make([]byte, 64)
		for {
			_, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo([]byte(from.String()), from) // lost answers are what is tested
		}
	}()
}

// sees asks the echo at an address what it sees; empty if nothing comes back.
func sees(t *testing.T, from net.PacketConn, echo string) string {
	t.Helper()
	to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(echo))
	if _, err := from.WriteTo([]byte("who am I?"), to); err != nil {
		t.Fatal(err)
	}
	if err := from.SetReadDeadline(time.Now().Add(answerTimeout)); err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, 64)
	n, answerer, err := from.ReadFrom(packet)
	if err != nil {
		return ""
	}
	if answerer.String() != echo {
		t.Errorf("the answer of %s came from %v", echo, answerer)
	}
	return string(packet[:n])
}

// bind opens a UDP port of a host.
func bind(t *testing.T, on *natlab.Host, address string) net.PacketConn {
	t.Helper()
	conn, err := on.ListenPacket(t.Context(), "udp4", address)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, conn)
	return conn
}

// TestHiddenServer proves what a static 1:1 NAT promises, before and after its
// outer address has moved.
func TestHiddenServer(t *testing.T) {
	lab := newLab(t, natlab.Symmetric, natlab.NoNAT)
	echo(t, lab.Elsewhere(), "51.51.51.12:3478")
	for _, c := range []struct {
		outside string
		hairpin natlab.Hairpin
	}{
		{"51.51.51.10", natlab.HairpinLost},
		{"51.51.51.10", natlab.HairpinWorks},
		{"51.51.51.20", natlab.HairpinWorks},
		{"51.51.51.21", natlab.HairpinLost},
	} {
		t.Run(c.outside+" "+string(c.hairpin), func(t *testing.T) {
			before := lab.ServerOutside().String()
			if err := lab.HideServer(t.Context(), netip.MustParseAddr(c.outside), c.hairpin); err != nil {
				t.Fatal(err)
			}
			if own, outside := lab.Server().Addr().String(), lab.ServerOutside().String(); own != "10.0.0.10" || outside != c.outside {
				t.Errorf("the server is %s, outside %s, want 10.0.0.10, %s", own, outside, c.outside)
			}
			echo(t, lab.Server(), "10.0.0.10:5000")
			for _, side := range []natlab.Side{natlab.SideA, natlab.SideB} {
				client := bind(t, lab.Client(side), ":0")
				if got, want := sees(t, client, c.outside+":5000"), lab.Outside(side).String()+":"; !strings.HasPrefix(got, want) {
					t.Errorf("the server sees client %v as %q, want %s", side, got, want)
				}
				if before != c.outside {
					if got := sees(t, bind(t, lab.Client(side), ":0"), before+":5000"); got != "" {
						t.Errorf("the server still answers client %v at %s", side, before)
					}
				}
			}
			server := bind(t, lab.Server(), "10.0.0.10:5001")
			if got, want := sees(t, server, "51.51.51.12:3478"), c.outside+":5001"; got != want {
				t.Errorf("the world sees the server as %q, want %s", got, want)
			}
			want := ""
			if c.hairpin == natlab.HairpinWorks {
				want = c.outside + ":5001"
			}
			if got := sees(t, server, c.outside+":5000"); got != want {
				t.Errorf("at its outer address the server sees itself as %q, want %q", got, want)
			}
			if got, want := refuses(t, lab.Server(), c.outside+":5000"), c.hairpin == natlab.HairpinWorks; got != want {
				t.Errorf("at its outer address the server is told that a port is closed: %t, want %t", got, want)
			}
		})
	}
}

// TestMetadata serves what a cloud tells a machine about itself.
func TestMetadata(t *testing.T) {
	lab := newLab(t, natlab.NoNAT, natlab.NoNAT)
	if err := lab.HideServer(t.Context(), netip.MustParseAddr("51.51.51.10"), natlab.HairpinLost); err != nil {
		t.Fatal(err)
	}
	listener, err := lab.Cloud().Listen(t.Context(), "tcp4", "169.254.169.254:80")
	if err != nil {
		t.Fatal(err)
	}
	cloud := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "51.51.51.10")
	})}}
	cloud.Start()
	t.Cleanup(cloud.Close)
	server := &http.Client{Transport: &http.Transport{DialContext: lab.Server().Dial, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://169.254.169.254/latest/meta-data/public-ipv4", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := server.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "51.51.51.10" {
		t.Errorf("metadata = %q, %v", body, err)
	}
	for _, host := range []*natlab.Host{lab.Client(natlab.SideB), lab.Elsewhere()} {
		if reaches(t, host, "169.254.169.254:80", false) {
			t.Errorf("a host that is not the server reaches its metadata from %v", host.Addr())
		}
	}
}

// TestNames looks a name up as the C library does, in programs that start after
// it was set, and in one that runs already.
func TestNames(t *testing.T) {
	lab := newLab(t, natlab.Symmetric, natlab.TCP443Only)
	if err := lab.SetName("chat.example.org", netip.MustParseAddr("51.51.51.10"), netip.MustParseAddr("2a0a:5151::10")); err != nil {
		t.Fatal(err)
	}
	const both = "2a0a:5151::10 51.51.51.10"
	for _, host := range []*natlab.Host{lab.Client(natlab.SideA), lab.Client(natlab.SideB), lab.Server(), lab.Elsewhere()} {
		for _, name := range []string{"chat.example.org", "chat.example.org."} {
			if got := lookup(t, host, name); got != both {
				t.Errorf("at %v %s is %q, want %s", host.Addr(), name, got, both)
			}
		}
		if got := lookup(t, host, "example.com"); got != "" {
			t.Errorf("at %v example.com is %q, want nothing", host.Addr(), got)
		}
	}
	shell := lab.Client(natlab.SideA).Command(t.Context(), "sh", "-c", `while read name; do getent ahostsv4 "$name" | head -1; done`)
	stdin, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	for _, addr := range []string{"51.51.51.10", "51.51.51.20"} {
		if err := lab.SetName("chat.example.org", netip.MustParseAddr(addr)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(stdin, "chat.example.org\n"); err != nil {
			t.Fatal(err)
		}
		if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, addr+" ") {
			t.Errorf("a program that runs finds %q, %v, want %s", line, err, addr)
		}
	}
	if err := errors.Join(lab.SetName("chat.example.org"), stdin.Close(), shell.Wait()); err != nil {
		t.Error(err)
	}
	if got := lookup(t, lab.Server(), "chat.example.org"); got != "" {
		t.Errorf("a name that was taken away is %q", got)
	}
}

// lookup lists the addresses that a program of the host finds for a name.
func lookup(t *testing.T, on *natlab.Host, name string) string {
	t.Helper()
	var found []string
	for _, family := range []string{"ahostsv6", "ahostsv4"} {
		out, err := on.Command(t.Context(), "getent", "--no-addrconfig", family, name).Output()
		if err == nil {
			addr, _, _ := strings.Cut(string(out), " ")
			found = append(found, addr)
		}
	}
	return strings.Join(found, " ")
}
