//go:build netns

package natlab_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// TestMove takes a client to another network and back, and looks at what was
// open before.
func TestMove(t *testing.T) {
	for _, c := range []struct {
		nat  natlab.NAT
		away string // the client's own addresses there
		seen string // and what the world sees
	}{
		{natlab.NoNAT, "[51.51.3.2 2a0a:5151:3::2]", "51.51.3.2"},
		{natlab.PortRestrictedCone, "[10.3.0.2 2a0a:5151:3::2]", "51.51.51.103"},
		{natlab.Symmetric, "[10.3.0.2 2a0a:5151:3::2]", "51.51.51.103"},
	} {
		t.Run(string(c.nat), func(t *testing.T) {
			lab := newLab(t, c.nat, natlab.NoNAT)
			client := lab.Client(natlab.SideA)
			if err := lab.SetFamily(t.Context(), natlab.SideA, natlab.DualStack); err != nil {
				t.Fatal(err)
			}
			reflectors := reflect(t, lab.Server())
			greet(t, lab.Server(), "80")
			home, asker := fmt.Sprint(client.Addrs()), newAsker(t, client, reflectors)
			before, ok := asker.ask(0, 0)
			if !ok {
				t.Fatal("no answer before the client has moved")
			}
			near, far := connect(t, client, lab.Server(), "81")

			move(t, lab)
			if got := fmt.Sprint(client.Addrs()); got != c.away {
				t.Errorf("addresses of the client = %s, want %s", got, c.away)
			}
			if got := lab.Outside(natlab.SideA).String(); got != c.seen {
				t.Errorf("Outside() = %s, want %s", got, c.seen)
			}
			isDead(t, "the old flow", reflectors[0], before, asker)
			if isHeard(t, far, near) {
				t.Error("a TCP connection with an address that the client has no more still works")
			}
			if after, ok := newAsker(t, client, reflectors).ask(0, 0); !ok || after.Addr().String() != c.seen {
				t.Errorf("after the move the client is seen at %v, %t, want %s", after, ok, c.seen)
			}
			if !isGreeted(t, client, lab.Server(), "80") {
				t.Error("no TCP from the other network")
			}
			listener, err := lab.Server().Listen(t.Context(), "tcp", "[2a0a:5151::10]:80")
			if err != nil {
				t.Fatal(err)
			}
			closeAfter(t, listener)
			if !reaches(t, client, listener.Addr().String(), true) {
				t.Error("no IPv6 from the other network")
			}
			b := newAsker(t, lab.Client(natlab.SideB), reflectors)
			if there, ok := newAsker(t, client, reflectors).punch(t, b); !ok {
				t.Errorf("the other client, at %v, cannot be reached from the other network", there)
			}

			if err := lab.Unplug(t.Context(), natlab.SideA); err != nil {
				t.Fatal(err)
			}
			if isGreeted(t, client, lab.Server(), "80") {
				t.Error("a client that is not plugged in has TCP")
			}
			move(t, lab)
			if got := fmt.Sprint(client.Addrs()); got != home {
				t.Errorf("addresses of the client that is back = %s, want %s", got, home)
			}
			if c.nat != natlab.NoNAT { // who has no NAT has the same address again, and no flow to forget
				isDead(t, "a flow that was open before the client was away", reflectors[0], before, asker)
			}
			if after, ok := newAsker(t, client, reflectors).ask(0, 0); !ok || after.Addr() != before.Addr() {
				t.Errorf("back again the client is seen at %v, %t, want %v", after, ok, before.Addr())
			}
		})
	}
}

func move(t *testing.T, lab *natlab.Lab) {
	t.Helper()
	if err := lab.Move(t.Context(), natlab.SideA); err != nil {
		t.Fatal(err)
	}
}

// punch sends to another asker that has a public address.
func (a asker) punch(t *testing.T, to asker) (there netip.AddrPort, ok bool) {
	t.Helper()
	there, ok = to.ask(0, 0)
	a.send("hello", there)
	_, _, heard := to.receive()
	return there, ok && heard
}

// isDead sends to where a socket was seen, and wants nothing to arrive.
func isDead(t *testing.T, what string, from net.PacketConn, to netip.AddrPort, at asker) {
	t.Helper()
	if _, err := from.WriteTo([]byte("still there?"), net.UDPAddrFromAddrPort(to)); err != nil {
		t.Fatal(err)
	}
	if text, _, ok := at.receive(); ok {
		t.Errorf("%s is alive: it brought %q", what, text)
	}
}

// connect opens a TCP connection; both ends of it are closed with the test.
func connect(t *testing.T, client, server *natlab.Host, port string) (near, far net.Conn) {
	t.Helper()
	listener, err := server.Listen(t.Context(), "tcp4", net.JoinHostPort(server.Addr().String(), port))
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, listener)
	if near, err = client.Dial(t.Context(), "tcp4", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	closeAfter(t, near)
	if far, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	closeAfter(t, far)
	return near, far
}

// isHeard tells whether what is written at one end of a connection arrives at
// the other.
func isHeard(t *testing.T, writer, reader net.Conn) bool {
	t.Helper()
	if err := reader.SetReadDeadline(time.Now().Add(answerTimeout)); err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Write([]byte("!")); err != nil {
		return false
	}
	n, _ := reader.Read(make([]byte, 1))
	return n == 1
}

// TestUDPBlockedSuddenly blocks UDP under a flow that is open: it must die both
// ways at once, and be no more there when UDP passes again. TCP goes on.
func TestUDPBlockedSuddenly(t *testing.T) {
	lab := newLab(t, natlab.PortRestrictedCone, natlab.NoNAT)
	reflectors := reflect(t, lab.Server())
	asker := newAsker(t, lab.Client(natlab.SideA), reflectors)
	mapping, ok := asker.ask(0, 0)
	if !ok {
		t.Fatal("no answer")
	}
	near, far := connect(t, lab.Client(natlab.SideA), lab.Server(), "80")
	if !isHeard(t, near, far) || !isHeard(t, far, near) {
		t.Fatal("the TCP connection does not work")
	}

	if err := lab.SetNAT(t.Context(), natlab.SideA, natlab.UDPBlocked); err != nil {
		t.Fatal(err)
	}
	isDead(t, "the flow, inwards,", reflectors[0], mapping, asker)
	if _, ok := asker.ask(0, 0); ok {
		t.Error("the flow is alive: a question was answered")
	}
	if !isHeard(t, near, far) || !isHeard(t, far, near) {
		t.Error("the TCP connection was cut too")
	}

	if err := lab.SetNAT(t.Context(), natlab.SideA, natlab.PortRestrictedCone); err != nil {
		t.Fatal(err)
	}
	isDead(t, "the forgotten flow", reflectors[0], mapping, asker)
	if _, ok := asker.ask(0, 0); !ok {
		t.Error("UDP does not pass again")
	}
}

// TestFullLoss lets nothing pass for a while, and finds the flows where they
// were, NAT and all.
func TestFullLoss(t *testing.T) {
	for _, nat := range []natlab.NAT{natlab.NoNAT, natlab.Symmetric} {
		t.Run(string(nat), func(t *testing.T) {
			lab := newLab(t, nat, natlab.NoNAT)
			reflectors := reflect(t, lab.Server())
			asker := newAsker(t, lab.Client(natlab.SideA), reflectors)
			mapping, ok := asker.ask(0, 0)
			if !ok {
				t.Fatal("no answer")
			}
			lose(t, lab, 100)
			isDead(t, "a flow under full loss", reflectors[0], mapping, asker)
			if _, ok := asker.ask(0, 0); ok {
				t.Error("a question passed under full loss")
			}
			if isPinged(t, lab.Client(natlab.SideA), lab.Server()) {
				t.Error("a ping passed under full loss")
			}
			if err := lab.SetNAT(t.Context(), natlab.SideA, nat); err != nil {
				t.Fatal(err)
			}
			if _, ok := asker.ask(0, 0); ok {
				t.Error("SetNAT ended the loss")
			}
			lose(t, lab, 0)
			before, ok := asker.ask(0, 0)
			if !ok {
				t.Fatal("no answer after the loss")
			}
			lose(t, lab, 100)
			lose(t, lab, 0)
			if _, err := reflectors[0].WriteTo([]byte("back"), net.UDPAddrFromAddrPort(before)); err != nil {
				t.Fatal(err)
			}
			if text, _, ok := asker.receive(); !ok || text != "back" {
				t.Errorf("after the loss the flow brings %q, %t, want what was sent", text, ok)
			}
		})
	}
}

func lose(t *testing.T, lab *natlab.Lab, percent int) {
	t.Helper()
	if err := lab.SetLoss(t.Context(), natlab.SideA, percent); err != nil {
		t.Fatal(err)
	}
}

// mirror sends every datagram back that comes to 51.51.51.10:5000.
func mirror(t *testing.T, lab *natlab.Lab) net.Addr {
	t.Helper()
	conn := bind(t, lab.Server(), "51.51.51.10:5000")
	go func() { // ends when conn is closed
		packet := make([]byte, 2000)
		for {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(packet[:n], from) // lost answers are what is tested
		}
	}()
	return conn.LocalAddr()
}

// TestLoss counts what comes back of 200 datagrams of which a fifth is lost
// each way: 128, give or take five times the standard deviation of 6.8.
func TestLoss(t *testing.T) {
	lab := newLab(t, natlab.PortRestrictedCone, natlab.NoNAT)
	to, conn := mirror(t, lab), bind(t, lab.Client(natlab.SideA), ":0")
	const sent, end = 200, 1 << 16
	lose(t, lab, 20)
	send := func(number uint32) {
		if _, err := conn.WriteTo(binary.BigEndian.AppendUint32(nil, number), to); err != nil {
			t.Fatal(err)
		}
	}
	for i := range sent {
		send(uint32(i))
	}
	lose(t, lab, 0)
	send(end) // comes back after all others
	if got := len(until(t, conn, end)); got < 94 || got > 162 {
		t.Errorf("%d of %d datagrams came back, want 94 to 162", got, sent)
	}
	for _, percent := range []int{-1, 101} {
		if err := lab.SetLoss(t.Context(), natlab.SideA, percent); err == nil {
			t.Errorf("SetLoss(%d) = nil", percent)
		}
	}
}

// until lists the numbers that come before one of them.
func until(t *testing.T, conn net.PacketConn, end uint32) (list []uint32) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, 2000)
	for {
		n, _, err := conn.ReadFrom(packet)
		if err != nil || n < 4 {
			t.Fatalf("after %d datagrams: %d bytes, %v", len(list), n, err)
		}
		number := binary.BigEndian.Uint32(packet)
		if number == end {
			return list
		}
		list = append(list, number)
	}
}

// TestDelay measures round trips: never shorter than twice the delay, and at
// best hardly longer, for a machine may be busy now and then.
func TestDelay(t *testing.T) {
	lab := newLab(t, natlab.PortRestrictedCone, natlab.NoNAT)
	to := mirror(t, lab)
	for _, c := range []struct{ a, b int }{{0, 0}, {40, 0}, {10, 40}, {10, 0}, {0, 0}, {20, 0}} {
		a, b := time.Duration(c.a)*time.Millisecond, time.Duration(c.b)*time.Millisecond
		t.Run(fmt.Sprintf("A %v, B %v", a, b), func(t *testing.T) {
			setDelay(t, lab, natlab.SideA, a)
			setDelay(t, lab, natlab.SideB, b)
			for side, oneWay := range map[natlab.Side]time.Duration{natlab.SideA: a, natlab.SideB: b} {
				trips := roundTrips(t, bind(t, lab.Client(side), ":0"), to)
				if best := slices.Min(trips); best < 2*oneWay || best > 2*oneWay+15*time.Millisecond {
					t.Errorf("the shortest round trip of client %v = %v, want %v and hardly more: %v", side, best, 2*oneWay, trips)
				}
			}
		})
	}
	if err := lab.SetDelay(t.Context(), natlab.SideA, -1); err == nil {
		t.Error("SetDelay(-1) = nil")
	}
}

func setDelay(t *testing.T, lab *natlab.Lab, side natlab.Side, oneWay time.Duration) {
	t.Helper()
	if err := lab.SetDelay(t.Context(), side, oneWay); err != nil {
		t.Fatal(err)
	}
}

// roundTrips measures ten.
func roundTrips(t *testing.T, conn net.PacketConn, to net.Addr) (trips []time.Duration) {
	t.Helper()
	for i := range uint32(10) {
		start := time.Now()
		if _, err := conn.WriteTo(binary.BigEndian.AppendUint32(nil, i), to); err != nil {
			t.Fatal(err)
		}
		until(t, conn, i)
		trips = append(trips, time.Since(start))
	}
	return trips
}

// TestDelayKeepsAllAsItIs sends datagrams and a stream through a delay line:
// nothing is lost, changed or overtaken, whatever checksums the kernel leaves
// to hardware that is not there.
func TestDelayKeepsAllAsItIs(t *testing.T) {
	lab := newLab(t, natlab.Symmetric, natlab.NoNAT)
	setDelay(t, lab, natlab.SideA, 20*time.Millisecond)
	to, conn := mirror(t, lab), bind(t, lab.Client(natlab.SideA), ":0")
	var want []uint32
	for i := range uint32(100) {
		want = append(want, i)
		if _, err := conn.WriteTo(binary.BigEndian.AppendUint32(nil, i), to); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.WriteTo(binary.BigEndian.AppendUint32(nil, 1000), to); err != nil {
		t.Fatal(err)
	}
	if got := until(t, conn, 1000); !slices.Equal(got, want) {
		t.Errorf("100 datagrams came back as %v", got)
	}

	near, far := connect(t, lab.Client(natlab.SideA), lab.Server(), "80")
	for _, way := range []struct{ from, to net.Conn }{{near, far}, {far, near}} {
		sent := make([]byte, 1<<20)
		_, _ = rand.Read(sent) // never fails
		wrote := make(chan error, 1)
		go func() {
			_, err := way.from.Write(sent)
			wrote <- err
		}()
		got := make([]byte, len(sent))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		stop := context.AfterFunc(ctx, func() { _ = way.to.SetReadDeadline(time.Now()) })
		_, err := io.ReadFull(way.to, got)
		stop()
		cancel()
		if err != nil || <-wrote != nil || !bytes.Equal(got, sent) {
			t.Errorf("a megabyte from %v to %v: %v, the same: %t", way.from.LocalAddr(), way.to.LocalAddr(), err, bytes.Equal(got, sent))
		}
	}
}
