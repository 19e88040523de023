//go:build netns

package address

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// newLab builds a lab whose client A is behind a NAT that knows one outer
// address, as the machine of a cloud is.
func newLab(t *testing.T) *natlab.Lab {
	t.Helper()
	switch err := natlab.Available(); {
	case err == nil:
	case slices.Contains(os.Environ(), "CI=true"):
		t.Fatal(err)
	default:
		t.Skip(err)
	}
	lab, err := natlab.New(t.Context(), natlab.FullCone, natlab.NoNAT)
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

// inside is the configuration of a keeper that lives on a host of the lab.
func inside(host *natlab.Host) Config {
	return Config{
		Public: isPublic,
		Dial:   host.Dial,
		DMI:    firmware(nil),
		Interfaces: func() (list []netip.Addr, err error) {
			err = host.Do(func() error {
				list, err = interfaceAddrs()
				return err
			})
			return list, err
		},
	}
}

// serveMetadata serves a cloud's metadata where the clouds do, in the namespace
// of a host.
func serveMetadata(t *testing.T, host *natlab.Host, service http.Handler) {
	t.Helper()
	if out, err := host.Command(t.Context(), "ip", "addr", "replace", "169.254.169.254/32", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("ip addr replace: %v: %s", err, out)
	}
	listener, err := host.Listen(t.Context(), "tcp4", "169.254.169.254:80")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: service, ReadHeaderTimeout: time.Minute}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
}

// serveSTUN serves STUN on the lab's server.
func serveSTUN(t *testing.T, lab *natlab.Lab) (name string) {
	t.Helper()
	conn, err := lab.Server().ListenPacket(t.Context(), "udp4", "51.51.51.10:3478")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		packet := make([]byte, maxPacketBytes)
		for {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			seen := from.(*net.UDPAddr).AddrPort().Addr().Unmap()
			_, _ = conn.WriteTo(binding(t, packet[:n], seen), from)
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-ended
	})
	return conn.LocalAddr().String()
}

// TestEachCloudAnswersAtItsRealAddress: the firmware names the cloud, and all
// defaults are in place.
func TestEachCloudAnswersAtItsRealAddress(t *testing.T) {
	lab := newLab(t)
	for _, cloud := range Clouds() {
		t.Run(string(cloud), func(t *testing.T) {
			client := lab.Client(natlab.SideA)
			serveMetadata(t, client, fakeCloud(cloud))
			cfg := inside(client)
			cfg.DMI = cloudFirmware(cloud)
			got, err := New(cfg).Find(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			told := cloudSays(cloud)
			v4, has4 := first(told, IPv4)
			if has4 && (!slices.Equal(got.IPv4.Addrs, []netip.Addr{v4}) || !got.IPv4.NAT) {
				t.Errorf("Find() = %v, want %v behind NAT", got.IPv4.LogValue(), v4)
			}
			if v6, ok := first(told, IPv6); ok && !slices.Equal(got.IPv6.Addrs, []netip.Addr{v6}) {
				t.Errorf("Find() = %v, want %v", got.IPv6.LogValue(), v6)
			}
		})
	}
}

// TestAStaticNATIsSeenThrough: the server's only address is private, and the
// outer one is found by STUN, by metadata, and in spite of a wrong setting.
func TestAStaticNATIsSeenThrough(t *testing.T) {
	lab := newLab(t)
	client, outside := lab.Client(natlab.SideA), lab.Outside(natlab.SideA)
	cfg := inside(client)
	cfg.Sources = Sources{Interfaces: true, STUN: []string{serveSTUN(t, lab)}}
	got, err := New(cfg).Find(t.Context())
	if err != nil || !slices.Equal(got.IPv4.Addrs, []netip.Addr{outside}) || !got.IPv4.NAT || got.IPv4.Ours {
		t.Errorf("Find() = %v, %v, want %v behind NAT", got.IPv4.LogValue(), err, outside)
	}

	cfg.PublicIPs = addrs("203.0.113.9")
	var log strings.Builder
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	k := New(cfg)
	if got, err := k.Find(t.Context()); err != nil || !slices.Equal(got.List(), cfg.PublicIPs) {
		t.Errorf("Find() = %v, %v, want what the operator says", got, err)
	}
	want := "PUBLIC_IPS says 203.0.113.9, but stun 51.51.51.10:3478 says 51.51.51.101: set WASMP2PCHAT_PUBLIC_IPS=51.51.51.101 or remove it"
	if list := k.Contradictions(); len(list) != 1 || list[0].Text != want || !strings.Contains(log.String(), want) {
		t.Errorf("Contradictions() = %q, want %q, also in the log:\n%s", list, want, log.String())
	}
}

// TestAnAddressThatIsChangedIsNoticed: the machine gets another address while
// the keeper serves, and the change is told within a minute.
func TestAnAddressThatIsChangedIsNoticed(t *testing.T) {
	lab := newLab(t)
	server := lab.Server()
	changed := make(chan Addresses, 16)
	cfg := inside(server)
	cfg.Changed = func(a Addresses) { changed <- a }
	k := New(cfg)
	before, err := k.Find(t.Context())
	if err != nil || !slices.Equal(before.IPv4.Addrs, addrs("51.51.51.10")) || !slices.Equal(before.IPv6.Addrs, addrs("2a0a:5151::10")) {
		t.Fatalf("Find() = %v, %v", before, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- k.Serve(ctx) }()
	for _, args := range [][]string{{"addr", "del", "51.51.51.10/24"}, {"addr", "add", "51.51.51.77/24"}} { // .11 goes with .10
		if out, err := server.Command(t.Context(), "ip", append(args, "dev", "eth0")...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	deadline := time.After(2 * time.Minute) // the promise is one; a busy machine gets another
	for !slices.Equal(k.Current().IPv4.Addrs, addrs("51.51.51.77")) {
		select {
		case got := <-changed:
			t.Logf("changed: %v, %v", got.IPv4.LogValue(), got.IPv6.LogValue())
		case <-deadline:
			t.Fatalf("Current() = %v, want 51.51.51.77", k.Current().IPv4.LogValue())
		}
	}
	if got := k.Current().IPv6; !slices.Equal(got.Addrs, before.IPv6.Addrs) {
		t.Errorf("IPv6 = %v, want it unchanged", got.LogValue())
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve() = %v", err)
	}
}
