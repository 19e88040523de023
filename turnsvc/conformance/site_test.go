package conformance

import (
	"context"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v4"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

const (
	secret = "what the issuer and the server know"
	realm  = "wasmp2pchat"
)

// A site is a server that is asked.
type site struct {
	t             *testing.T
	udp, tcp, tls netip.AddrPort
	expects       string // what the table says that it answers
}

// credential mints what the TURN REST API mints, good until it expires.
func (s *site) credential(claims string, expires time.Duration) (username, password string) {
	now := func() time.Time { return time.Now().Add(expires - time.Minute) }
	username, password, _ = turnsvc.Issuer{Secret: secret, TTL: time.Minute, Now: now}.Credentials(claims)
	return username, password
}

// ours starts the server of turnsvc, which relays to everybody unless change
// says otherwise.
func ours(t *testing.T, change func(*turnsvc.Config)) *site {
	t.Helper()
	cfg := turnsvc.Config{
		Secrets: []string{secret}, PublicIPs: addrs("127.0.0.1"), Peers: turnsvc.PeersAny,
		DrainTimeout: time.Millisecond, DataPlane: planeOfTests,
	}
	if change != nil {
		change(&cfg)
	}
	srv, plain, tls := listen(t, cfg)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx) }() // the cleanup waits
	t.Cleanup(func() {
		stop()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Serve = %v, want nil", err)
			}
		case <-time.After(patience):
			t.Error("Serve does not return")
		}
	})
	return &site{t: t, udp: plain, tcp: plain, tls: tls}
}

// listen opens a server at ports of loopback that were free a moment ago.
func listen(t *testing.T, cfg turnsvc.Config) (srv *turnsvc.Server, plain, tls netip.AddrPort) {
	t.Helper()
	for tries := 1; ; tries++ {
		plain, tls := freePort(t), freePort(t)
		cfg.UDPAddrs, cfg.TCPAddr = []string{plain.String()}, plain.String()
		if cfg.TLS != nil {
			cfg.TLSAddr = tls.String()
		}
		srv, err := turnsvc.Listen(t.Context(), cfg)
		if err == nil {
			return srv, plain, tls
		}
		if tries == 20 {
			t.Fatal(err)
		}
	}
}

func freePort(t *testing.T) netip.AddrPort {
	t.Helper()
	free := newPeer(t, "127.0.0.1")
	_ = free.Close()
	return free.addr
}

// stock starts pion/turn as its simplest example does, with the same
// credentials.
func stock(t *testing.T) *site {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	quietly := logging.NewDefaultLoggerFactory()
	quietly.Writer, quietly.DefaultLogLevel = io.Discard, logging.LogLevelDisabled
	relays := &turn.RelayAddressGeneratorStatic{RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1"}
	srv, err := turn.NewServer(turn.ServerConfig{
		Realm:             realm,
		AuthHandler:       turn.LongTermTURNRESTAuthHandler(secret, quietly.NewLogger("auth")),
		LoggerFactory:     quietly,
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: conn, RelayAddressGenerator: relays}},
		ListenerConfigs:   []turn.ListenerConfig{{Listener: listener, RelayAddressGenerator: relays}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return &site{
		t:   t,
		udp: conn.LocalAddr().(*net.UDPAddr).AddrPort(), tcp: listener.Addr().(*net.TCPAddr).AddrPort(),
	}
}

func addrs(texts ...string) []netip.Addr {
	list := make([]netip.Addr, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParseAddr(text)
	}
	return list
}
