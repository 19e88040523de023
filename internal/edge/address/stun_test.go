package address

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"
)

// binding is the success response to a request.
func binding(t testing.TB, request []byte, mapped netip.Addr) []byte {
	t.Helper()
	var id [stun.TransactionIDSize]byte
	copy(id[:], request[8:])
	m, err := stun.Build(stun.NewTransactionIDSetter(id), stun.BindingSuccess, &stun.XORMappedAddress{IP: mapped.AsSlice(), Port: 1234})
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

// server answers each packet with what answer makes of it, nil for nothing, on a
// loopback address until the test ends.
func server(t *testing.T, at string, answer func(request []byte) []byte) (address string) {
	t.Helper()
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(t.Context(), "udp", net.JoinHostPort(at, "0"))
	if err != nil {
		t.Skipf("no loopback address %s: %v", at, err)
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
			if out := answer(packet[:n]); out != nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-ended
	})
	return conn.LocalAddr().String()
}

func TestSTUNTellsTheAddressOfEachFamily(t *testing.T) {
	t.Parallel()
	for at, mapped := range map[string]string{"127.0.0.1": "203.0.113.5", "::1": "2001:db8::5"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			address := server(t, at, func(request []byte) []byte { return binding(t, request, addr(mapped)) })
			got, err := stunClient{zone{}, new(net.Dialer).DialContext}.ask(t.Context(), address)
			if want := addrs(mapped); err != nil || !slices.Equal(got, want) {
				t.Errorf("ask(%s) = %v, %v, want %v", address, got, err, want)
			}
		})
	}
}

// TestBothFamiliesAreAskedByName: one name, two addresses, each asked over its
// own family.
func TestBothFamiliesAreAskedByName(t *testing.T) {
	t.Parallel()
	ports := map[string]string{
		"udp4": server(t, "127.0.0.1", func(request []byte) []byte { return binding(t, request, addr("203.0.113.5")) }),
		"udp6": server(t, "::1", func(request []byte) []byte { return binding(t, request, addr("2001:db8::5")) }),
	}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, ports[network])
	}
	names := zone{"stun.example.org": addrs("127.0.0.1", "::1")}
	got, err := stunClient{names, dial}.ask(t.Context(), "stun.example.org:3478")
	if want := addrs("203.0.113.5", "2001:db8::5"); err != nil || !slices.Equal(got, want) {
		t.Errorf("ask() = %v, %v, want %v", got, err, want)
	}
}

// TestOnlyTheServerItselfIsBelieved: another socket that knows the transaction
// answers first, with a lie.
func TestOnlyTheServerItselfIsBelieved(t *testing.T) {
	t.Parallel()
	var lc net.ListenConfig
	liar, err := lc.ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = liar.Close() }()
	client := make(chan net.Addr, 1)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			client <- conn.LocalAddr()
		}
		return conn, err
	}
	address := server(t, "127.0.0.1", func(request []byte) []byte {
		if _, err := liar.WriteTo(binding(t, request, addr("203.0.113.66")), <-client); err != nil {
			t.Error(err)
		}
		return binding(t, request, addr("203.0.113.5"))
	})
	got, err := stunClient{zone{}, dial}.ask(t.Context(), address)
	if want := addrs("203.0.113.5"); err != nil || !slices.Equal(got, want) {
		t.Errorf("ask() = %v, %v, want %v", got, err, want)
	}
}

func TestAnswersThatDoNotFitAreNotBelieved(t *testing.T) {
	t.Parallel()
	request := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
	good := func() []byte { return binding(t, request.Raw, addr("203.0.113.5")) }
	if _, ok := parseBinding(good(), request.TransactionID); !ok {
		t.Fatal("the good answer is not believed")
	}
	old := stun.MustBuild(stun.NewTransactionIDSetter(request.TransactionID), stun.BindingSuccess, &stun.MappedAddress{IP: net.IPv4(203, 0, 113, 5), Port: 1})
	other := request.TransactionID
	other[11]++
	failed := good()
	binary.BigEndian.PutUint16(failed, 0x0111)
	cookie := good()
	cookie[4]++
	// attribute is an XOR-MAPPED-ADDRESS of any length at the very end.
	attribute := func(value ...byte) []byte {
		m := stun.MustBuild(stun.NewTransactionIDSetter(request.TransactionID), stun.BindingSuccess)
		m.Add(stun.AttrXORMappedAddress, value)
		return slices.Clip(slices.Clone(m.Raw))
	}
	bits := good()
	bits[0] |= 0x40
	for name, packet := range map[string][]byte{
		"the first bits of ChannelData": bits,
		"an empty attribute":            attribute(),
		"a short attribute":             attribute(0, 1, 1, 1, 1, 1),
		"a short IPv6 address":          attribute(0, 2, 1, 1, 1, 1, 1, 1),
		"another transaction":           binding(t, stun.MustBuild(stun.NewTransactionIDSetter(other), stun.BindingRequest).Raw, addr("203.0.113.5")),
		"an error response":             failed,
		"the request itself":            request.Raw,
		"the wrong cookie":              cookie,
		"only MAPPED-ADDRESS":           old.Raw,
		"a loopback address":            binding(t, request.Raw, addr("127.0.0.1")),
		"a multicast address":           binding(t, request.Raw, addr("ff02::1")),
		"a cut packet":                  good()[:22],
		"nothing":                       {},
		"bytes that are not STUN":       bytes.Repeat([]byte{'A'}, 64),
	} {
		if got, ok := parseBinding(packet, request.TransactionID); ok {
			t.Errorf("%s: parseBinding() = %v, want nothing", name, got)
		}
	}
}

// silent is a server behind a pipe that answers the nth request, or none.
func silent(t *testing.T, nth int) (dial dialer, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	return func(context.Context, string, string) (net.Conn, error) {
		client, far := net.Pipe()
		go func() { // ends when the client closes its end
			packet := make([]byte, maxPacketBytes)
			for {
				n, err := far.Read(packet)
				if err != nil {
					return
				}
				if int(requests.Add(1)) == nth {
					_, _ = far.Write(binding(t, packet[:n], addr("203.0.113.5")))
				}
			}
		}()
		return client, nil
	}, requests
}

func TestALostRequestIsRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dial, requests := silent(t, stunTries)
		got, err := stunClient{zone{}, dial}.ask(t.Context(), "192.0.2.1:3478")
		if err != nil || !slices.Equal(got, addrs("203.0.113.5")) || requests.Load() != stunTries {
			t.Errorf("ask() = %v, %v after %d requests", got, err, requests.Load())
		}
	})
}

func TestASilentServerCostsABoundedTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dial, requests := silent(t, 0)
		start := time.Now()
		got, err := stunClient{zone{}, dial}.ask(t.Context(), "192.0.2.1:3478")
		if err == nil || !strings.Contains(err.Error(), "192.0.2.1:3478 does not answer over IPv4") {
			t.Errorf("ask() = %v, %v, want an error that names the server", got, err)
		}
		if took := time.Since(start); took != 1750*time.Millisecond || requests.Load() != stunTries {
			t.Errorf("%d requests in %v, want %d in 1.75s", requests.Load(), took, stunTries)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start = time.Now()
		if _, err := (stunClient{zone{}, dial}).ask(ctx, "192.0.2.1:3478"); err == nil || time.Since(start) != 100*time.Millisecond {
			t.Errorf("with less time: %v after %v", err, time.Since(start))
		}
	})
}

// FuzzBinding: no packet makes it panic; what it believes is the response to
// this transaction, and an address that a machine can have.
func FuzzBinding(f *testing.F) {
	request := stun.MustBuild(stun.NewTransactionIDSetter([12]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}), stun.BindingRequest)
	f.Add(binding(f, request.Raw, addr("203.0.113.5")))
	f.Add(binding(f, request.Raw, addr("2001:db8::5")))
	f.Add(binding(f, request.Raw, addr("0.0.0.0")))
	f.Add(request.Raw)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, packet []byte) {
		got, ok := parseBinding(slices.Clone(packet), request.TransactionID)
		if !ok {
			return
		}
		if len(packet) < 20 || !bytes.Equal(packet[:2], []byte{1, 1}) || !bytes.Equal(packet[4:20], request.Raw[4:20]) {
			t.Fatalf("parseBinding(%x) believes what is not the response", packet)
		}
		if !got.IsGlobalUnicast() || got.Is4In6() || got.Zone() != "" {
			t.Fatalf("parseBinding(%x) = %v", packet, got)
		}
	})
}
