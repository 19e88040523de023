//go:build unix

package turnsvc

import (
	"crypto/rand"
	"errors"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// perStranger is what somebody may cost on average who has not sent a whole
// frame, on the heap and on stacks, with the client's end in this test. We see 17
// to 21 kB; a DTLS handshake alone is 40.
const perStranger = 40 << 10

// TestStrangersCostLittle holds that those who begin and do not go on, by
// whatever transport, take no processor time and little memory until they are
// cut, which gate tests on a clock of its own.
func TestStrangersCostLittle(t *testing.T) {
	s := serve(t, func(c *Config) {
		everywhere(t)(c)
		c.MaxPerAddr = 1000
	})
	ann := s.dialVia(t, "udp", "127.0.0.1", "ann")
	ann.mustAllocate()
	const each = 50
	before := inUse()
	var d net.Dialer
	for range each {
		for _, begin := range []struct {
			network string
			addr    net.Addr
			send    []byte
		}{
			{"tcp", s.tcp.Addr(), nil},
			{"tcp", s.tcp.Addr(), []byte{0, 1, 0, 100}},
			{"tcp", s.tls.Addr(), nil},
			{"tcp", s.tls.Addr(), []byte{22, 3, 1, 1, 0, 1}},
			{"udp", s.dtls.Addr(), clientHello()},
		} {
			conn, err := d.DialContext(t.Context(), begin.network, hostPort("127.0.0.1", begin.addr))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			if _, err := conn.Write(begin.send); err != nil {
				t.Fatal(err)
			}
			if begin.network == "udp" { // the answer says that it has come
				if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
					t.Fatal(err)
				}
				if n, err := conn.Read(make([]byte, 2000)); err != nil || n > len(begin.send) {
					t.Fatalf("a ClientHello of %d bytes is answered with %d, %v, want no more", len(begin.send), n, err)
				}
			}
		}
	}
	s.dialVia(t, "tcp", "127.0.0.1", "ann").raw(stun.MethodBinding) // accepted after the others
	s.dialVia(t, "tls1.3", "127.0.0.1", "ann").raw(stun.MethodBinding)
	if grown := inUse() - before; grown > 5*each*perStranger {
		t.Errorf("%d strangers take %d kB, want at most %d kB each", 5*each, grown>>10, perStranger>>10)
	}
	idle(t, ann)
}

// clientHello is the first message of a DTLS client that offers what we take.
func clientHello() []byte {
	body := []byte{0xfe, 0xfd}
	body = append(body, make([]byte, 32)...)
	_, _ = rand.Read(body[2:])
	body = append(body, 0, 0, 0, 2, 0xc0, 0x2b, 1, 0)   // no session, no cookie, one cipher suite, no compression
	body = append(body, 0, 8, 0, 10, 0, 4, 0, 2, 0, 29) // x25519
	message := append([]byte{1, 0, 0, byte(len(body)), 0, 0, 0, 0, 0, 0, 0, byte(len(body))}, body...)
	return append([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(message))}, message...)
}

// inUse is the memory of the heap and of stacks.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// idle fails if the process burns processor time while nothing happens.
func idle(t *testing.T, quiet *client) {
	t.Helper()
	if err := quiet.conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	before := processorTime(t)
	if _, err := quiet.conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Read = %v, want the deadline", err)
	}
	if burnt := processorTime(t) - before; burnt > 200*time.Millisecond {
		t.Errorf("the process burnt %v in 300 ms in which nothing happened", burnt)
	}
}
