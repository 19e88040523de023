package gate

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
)

// flowsTest is Flows and what was refused there.
type flowsTest struct {
	*Flows
	refused atomic.Int32
}

func listenFlows(t *testing.T) *flowsTest {
	t.Helper()
	f := new(flowsTest)
	var err error
	f.Flows, err = ListenFlows(t.Context(), &net.ListenConfig{}, "127.0.0.1:0", func() { f.refused.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// acceptFrom fails if the next flow is another client's.
func (f *flowsTest) acceptFrom(t *testing.T, client net.Conn) net.Conn {
	t.Helper()
	conn, err := f.Accept()
	if err != nil || conn.RemoteAddr().String() != client.LocalAddr().String() {
		t.Fatalf("Accept = %v, %v, want the flow of %v", conn, err, client.LocalAddr())
	}
	return conn
}

func sendAll(t *testing.T, conn net.Conn, datagrams ...[]byte) {
	t.Helper()
	for _, p := range datagrams {
		if _, err := conn.Write(p); err != nil {
			t.Fatal(err)
		}
	}
}

// clientHello is what begins a flow.
func clientHello() []byte {
	return record(handshake, 0, append([]byte{clientHelloMessage}, make([]byte, 60)...)...)
}

func TestFlowsKeepClientsApart(t *testing.T) {
	t.Parallel()
	f := listenFlows(t)
	ann, bob := dialUDP(t, f.Addr()), dialUDP(t, f.Addr())
	sendAll(t, ann, record(applicationData, 1, 42)) // begins nothing
	sendAll(t, ann, clientHello())
	sendAll(t, bob, clientHello())
	first, second := f.acceptFrom(t, ann), f.acceptFrom(t, bob)
	p := make([]byte, maxDatagramBytes)
	for flow, client := range map[net.Conn]net.Conn{first: ann, second: bob} {
		if n, err := flow.Read(p); err != nil || n != len(clientHello()) {
			t.Errorf("Read = %d, %v, want the ClientHello", n, err)
		}
		if _, err := flow.Write([]byte("answer")); err != nil {
			t.Fatal(err)
		}
		if n, err := client.Read(p); err != nil || string(p[:n]) != "answer" {
			t.Errorf("%v reads %q, %v, want answer", client.LocalAddr(), p[:n], err)
		}
	}
	if err := errors.Join(first.Close(), first.Close()); err != nil {
		t.Errorf("Close twice = %v", err)
	}
	sendAll(t, ann, clientHello())
	if again := f.acceptFrom(t, ann); again == first {
		t.Error("Accept after Close = the old flow, want a new one")
	}
	if got := f.refused.Load(); got != 1 {
		t.Errorf("%d datagrams were refused, want 1", got)
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Errorf("Close twice = %v", err)
	}
	if _, err := f.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close = %v, want net.ErrClosed", err)
	}
}

// TestFlowBoundsHandshakes holds that a client cannot fill pion's memory with
// handshakes, and that its data still passes.
func TestFlowBoundsHandshakes(t *testing.T) {
	t.Parallel()
	f := listenFlows(t)
	ann, bob := dialUDP(t, f.Addr()), dialUDP(t, f.Addr())
	data := record(applicationData, 1, 42)
	for range 2 * maxHandshakeDatagrams {
		sendAll(t, ann, clientHello())
	}
	sendAll(t, ann, data, record(21, 0, 1, 0)) // data, and an alert that anybody can have sent
	sendAll(t, bob, clientHello())
	flow := f.acceptFrom(t, ann)
	f.acceptFrom(t, bob) // reads what ann has sent, too
	if err := flow.Close(); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, maxDatagramBytes)
	got := map[byte]int{}
	for {
		_, err := flow.Read(p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got[p[0]]++
	}
	if refused := f.refused.Load(); got[handshake] != maxHandshakeDatagrams || got[applicationData] != 1 || refused != maxHandshakeDatagrams+1 {
		t.Errorf("the flow has %v by type of record and %d were refused, want %d handshakes, one of data, and %d",
			got, refused, maxHandshakeDatagrams, maxHandshakeDatagrams+1)
	}
}
