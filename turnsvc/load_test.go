//go:build load

package turnsvc

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/gate"
)

// TestAFloodFromOneAddressDisturbsNobody sends unauthenticated Allocates at 50,000
// a second from one address, while two members of a room talk through the relay:
// they lose nothing, and the flooder is answered as often as his address may be.
func TestAFloodFromOneAddressDisturbsNobody(t *testing.T) {
	const perMillisecond, lasts = 50, 5 * time.Second
	s := inRooms(t)
	a, b := s.member(t, "room", "a"), s.member(t, "room", "b")
	atA, atB := a.mustAllocate(), b.mustAllocate()
	if !a.permit(atB) || !b.permit(atA) {
		t.Fatal("a permission was refused")
	}
	ctx, stop := context.WithTimeout(t.Context(), lasts)
	defer stop()
	sent, answered := 0, 0
	dialer := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 5)}}
	flood, err := dialer.DialContext(ctx, "udp4", s.udp[0].LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		request := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), attr(stun.AttrRequestedTransport, 17, 0, 0, 0)).Raw
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		start := time.Now()
		for ctx.Err() == nil {
			<-tick.C
			for due := int(time.Since(start)/time.Millisecond) * perMillisecond; sent < due; sent++ {
				_, _ = flood.Write(request)
			}
		}
		_ = flood.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	})
	running.Go(func() {
		p := make([]byte, 1500)
		for {
			if _, err := flood.Read(p); err != nil {
				return
			}
			answered++
		}
	})
	messages := 0
	for ; ctx.Err() == nil; messages++ {
		text := fmt.Sprint(messages)
		a.sendTo(atB, text)
		if from, data := b.data(); from != atA || data != text {
			t.Fatalf("b got %q from %v, want message %s from %v", data, from, text, atA)
		}
		b.sendTo(atA, text)
		if from, data := a.data(); from != atB || data != text {
			t.Fatalf("a got %q from %v, want message %s from %v", data, from, text, atB)
		}
	}
	running.Wait()
	t.Logf("%d requests in %v, %d answered; %d messages each way, none lost; %+v", sent, lasts, answered, messages, s.Stats())
	if sent < int(lasts/time.Millisecond)*perMillisecond*9/10 {
		t.Errorf("only %d requests were sent: this was no flood", sent)
	}
	if answered == 0 || answered > 300 {
		t.Errorf("%d requests were answered, want as many as one address may have", answered)
	}
}

// TestAFloodOfPermissionsMeetsTheEnd ends allocations in the middle of floods of
// permissions, for three seconds. What makes stock pion v4.1.4 a nil pointer must
// not end us: see lastMoments.
func TestAFloodOfPermissionsMeetsTheEnd(t *testing.T) {
	s := serve(t, func(c *Config) { c.MaxPerAddr = 1000 })
	ended := 0
	allocate := func(name string) *client {
		c := s.dial(t, "udp", name)
		// Who knows a nonce is no stranger: the flood spends what its address has
		// for those, and all of them come from one.
		c.nonce = []byte(s.nonces.make(gate.AddrPort(c.conn.LocalAddr())))
		c.mustAllocate()
		return c
	}
	for begin := time.Now(); time.Since(begin) < 3*time.Second; ended++ {
		name := fmt.Sprint("user-", ended)
		c := allocate(name)
		var ending sync.WaitGroup
		ending.Go(func() { s.EndUser(name) })
		for i := range 20 {
			c.send(stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodCreatePermission, stun.ClassRequest),
				xorPeer{stun.XORMappedAddress{IP: net.IPv4(8, 8, 8, byte(i)), Port: 53}},
				stun.NewUsername(c.username), stun.NewRealm("wasmp2pchat"), c.nonce,
				stun.NewLongTermIntegrity(c.username, "wasmp2pchat", c.password)).Raw)
		}
		ending.Wait()
		_ = c.conn.Close()
	}
	allocate("after")
	t.Logf("%d allocations ended in the middle of a flood, and the server serves on", ended)
}
