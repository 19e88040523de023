package freeport

import (
	"net"
	"strconv"
	"testing"
)

// TestFind holds that both kinds of sockets can be opened at what is found.
func TestFind(t *testing.T) {
	t.Parallel()
	for range 20 {
		port, err := Find(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if port < first || port > last {
			t.Errorf("Find = %d, want one from %d to %d", port, first, last)
		}
		if !isFree(t.Context(), port) {
			t.Errorf("%d was found, and is taken", port)
		}
	}
}

// TestWhatIsTakenIsNotFree takes a port in each way that a server may.
func TestWhatIsTakenIsNotFree(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp4", "tcp6", "udp4", "udp6"} {
		host := "127.0.0.1"
		if network[3] == '6' {
			host = "::1"
		}
		port, err := Find(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		at := net.JoinHostPort(host, strconv.Itoa(port))
		var lc net.ListenConfig
		if network[:3] == "tcp" {
			l, err := lc.Listen(t.Context(), network, at)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
		} else {
			conn, err := lc.ListenPacket(t.Context(), network, at)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
		}
		if isFree(t.Context(), port) {
			t.Errorf("port %d is free, where %s of %s is taken", port, network, host)
		}
	}
}
