//go:build !js

package peer

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
)

// cable is what a client has for a network: a socket for all its connections.
type cable struct {
	net.PacketConn
	tune func(*webrtc.SettingEngine)
	deaf atomic.Bool // nothing comes in
}

// newCable is a cable that ends with the test.
func newCable(t *testing.T) *cable {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{PacketConn: conn}
	mux := webrtc.NewICEUDPMux(nil, c)
	t.Cleanup(func() {
		_ = mux.Close()
		_ = conn.Close()
	})
	c.tune = func(settings *webrtc.SettingEngine) {
		settings.SetICEUDPMux(mux)
		settings.SetICETimeouts(500*time.Millisecond, failedAfter, 50*time.Millisecond)
	}
	return c
}

func (c *cable) ReadFrom(p []byte) (n int, from net.Addr, err error) {
	for {
		if n, from, err = c.PacketConn.ReadFrom(p); err != nil || !c.deaf.Load() {
			return n, from, err
		}
	}
}

// config is that of a client on this cable, which soon notices when nothing
// comes any more.
func (c *cable) config() Config {
	cfg := local()
	cfg.tune = c.tune
	return cfg
}
