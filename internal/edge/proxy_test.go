package edge

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pires/go-proxyproto"
)

const (
	v2TCP4  = headerV2 + "\x21\x11\x00\x0c\xcb\x00\x71\x07\xc0\x00\x02\x02\x13\x88\x01\xbb"
	v2TCP6  = headerV2 + "\x21\x21\x00\x24\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x08\x13\x88\x01\xbb"
	v2TLV   = headerV2 + "\x21\x11\x00\x11\xcb\x00\x71\x07\xc0\x00\x02\x02\x13\x88\x01\xbb\x04\x00\x02xx"
	v2Local = headerV2 + "\x20\x00\x00\x00"
	v2UDP   = headerV2 + "\x21\x12\x00\x0c\xcb\x00\x71\x07\xc0\x00\x02\x02\x13\x88\x01\xbb"
	v2Unix  = headerV2 + "\x21\x31\x00\xd8"
)

// TestWhoAProxySpeaksFor holds whom a connection of a proxy is from, and what is
// left of it behind the header: at once, byte by byte, and beneath TLS.
func TestWhoAProxySpeaksFor(t *testing.T) {
	t.Parallel()
	const proxy = "192.0.2.9"
	config := serverTLS(t)
	for _, c := range []struct {
		name, addr, header string
		want               string // the client; empty: refused
	}{
		{"no header", proxy, "", "192.0.2.9:5000"},
		{"v1, IPv4", proxy, "PROXY TCP4 203.0.113.7 192.0.2.2 5000 443\r\n", "203.0.113.7:5000"},
		{"v1, IPv6", proxy, "PROXY TCP6 2001:db8::7 2001:db8::8 5000 443\r\n", "[2001:db8::7]:5000"},
		{"v1, IPv4 in IPv6", proxy, "PROXY TCP6 ::ffff:203.0.113.7 ::ffff:192.0.2.2 5000 443\r\n", "203.0.113.7:5000"},
		{"v1, UNKNOWN", proxy, "PROXY UNKNOWN\r\n", "192.0.2.9:5000"},
		{"v1, UNKNOWN and as long as can be", proxy, "PROXY UNKNOWN " + strings.Repeat("f", 91) + "\r\n", "192.0.2.9:5000"},
		{"v1, too long", proxy, "PROXY UNKNOWN " + strings.Repeat("f", 92) + "\r\n", ""},
		{"v1, no address", proxy, "PROXY TCP4 stranger 192.0.2.2 5000 443\r\n", ""},
		{"v1, a port too many", proxy, "PROXY TCP4 203.0.113.7 192.0.2.2 5000 443 1\r\n", ""},
		{"v1, no return", proxy, "PROXY TCP4 203.0.113.7 192.0.2.2 5000 443\n", ""},
		{"v2, IPv4", proxy, v2TCP4, "203.0.113.7:5000"},
		{"v2, IPv6", proxy, v2TCP6, "[2001:db8::7]:5000"},
		{"v2, with more than addresses", proxy, v2TLV, "203.0.113.7:5000"},
		{"v2, as long as can be", proxy, headerV2 + "\x21\x11\x10\x00" + v2TCP4[16:] + "\x04\x0f\xf1" + strings.Repeat("x", 4081), "203.0.113.7:5000"},
		{"v2, too long", proxy, headerV2 + "\x21\x11\x10\x01", ""},
		{"v2, LOCAL", proxy, v2Local, "192.0.2.9:5000"},
		{"v2, UDP", proxy, v2UDP, ""},
		{"v2, a socket of Unix", proxy, v2Unix + strings.Repeat("x", 216), ""},
		{"v2, version 3", proxy, headerV2 + "\x31\x11\x00\x0c" + v2TCP4[16:], ""},
		{"v1 of a stranger", "192.0.2.1", "PROXY TCP4 203.0.113.7 192.0.2.2 5000 443\r\n", "stranger"},
		{"v2 of a stranger", "192.0.2.1", v2TCP4, "stranger"},
	} {
		for _, secure := range []bool{false, true} {
			for _, dripped := range []bool{false, true} {
				t.Run(c.name+map[bool]string{true: ", TLS"}[secure]+map[bool]string{true: ", byte by byte"}[dripped], func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						cfg := Config{Proxies: []netip.Prefix{netip.MustParsePrefix(proxy + "/32")}}
						if secure {
							cfg.TLS = config
						}
						s := newStreet()
						h := build(t, s, cfg)
						defer h.settled(t)
						defer h.stop()
						playClient(s.come(t, c.addr), c.header, secure, dripped)
						checkClient(t, h, c.header, c.want, secure)
					})
				})
			}
		}
	}
}

// playClient says header and a request. It ends when it is cut, or has said all.
func playClient(client net.Conn, header string, secure, dripped bool) {
	if dripped {
		client = drip{Conn: client}
	}
	go func() { // ends with the connection
		_, err := io.WriteString(client, header)
		if secure {
			client = clientTLS(client)
		}
		if err == nil {
			_, _ = io.WriteString(client, binding)
		}
		_ = client.Close()
	}()
}

func checkClient(t *testing.T, h *house, header, want string, secure bool) {
	t.Helper()
	synctest.Wait()
	refused := h.Stats().Refused
	switch {
	case want == "stranger" && secure:
		if refused[Handshake] != 1 {
			t.Errorf("refused %v, want no TLS", refused)
		}
		return
	case want == "stranger": // a plain port takes it for HTTP, which will not
		out := <-h.arrivals
		if out.turn || out.RemoteAddr().String() != "192.0.2.1:5000" {
			t.Errorf("to TURN = %v from %v", out.turn, out.RemoteAddr())
		}
		if got, _ := io.ReadAll(out); string(got) != header+binding {
			t.Errorf("out came %q", got)
		}
		_ = out.Close()
		return
	case want == "":
		if refused[Header] != 1 {
			t.Errorf("refused %v, want one for its header", refused)
		}
		return
	}
	out := <-h.arrivals
	if got, err := io.ReadAll(out); string(got) != binding || err != nil || !out.turn {
		t.Errorf("out came %q, %v, to TURN = %v", got, err, out.turn)
	}
	if got := out.RemoteAddr().String(); got != want {
		t.Errorf("it is from %s, want %s", got, want)
	}
	_ = out.Close()
}

// TestAProxyThatIsNotListedIsToldOnce holds that an operator who has forgotten
// TRUSTED_PROXIES finds a line in the log, and strangers cannot write more.
func TestAProxyThatIsNotListedIsToldOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStreet()
		var log strings.Builder
		h := build(t, s, Config{TLS: serverTLS(t), Log: slog.New(slog.NewTextHandler(&log, nil))})
		for _, header := range []string{"PROXY TCP4 203.0.113.7 192.0.2.2 5000 443\r\n", v2TCP4, v2TCP4} {
			playClient(s.come(t, "192.0.2.1"), header, false, false)
			synctest.Wait()
		}
		if refused := h.Stats().Refused; refused[Handshake] != 3 {
			t.Errorf("refused %v, want no TLS three times", refused)
		}
		if n := strings.Count(log.String(), "TRUSTED_PROXIES"); n != 1 || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("the log says %q, want one line that names TRUSTED_PROXIES", log.String())
		}
		h.stop()
	})
}

// TestCapsCountTheClientOfAProxy holds that who comes through a proxy is counted
// as if he had come himself, beside those who have.
func TestCapsCountTheClientOfAProxy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStreet()
		h := build(t, s, Config{MaxPerAddr: 2, Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")}})
		come := func(addr, header string) bool {
			before := h.Stats().Refused[PerAddr]
			client := s.come(t, addr)
			_, _ = io.WriteString(client, header+"G") // it may have been refused by then
			synctest.Wait()
			_ = client.Close()
			return h.Stats().Refused[PerAddr] == before
		}
		for i, c := range []struct {
			addr, header string
			want         bool
		}{
			{"192.0.2.1", "PROXY TCP4 203.0.113.7 192.0.2.2 5000 443\r\n", true},
			{"203.0.113.7", "", true},
			{"192.0.2.2", "PROXY TCP4 203.0.113.7 192.0.2.2 5000 443\r\n", false},
			{"203.0.113.7", "", false},
			{"192.0.2.1", "PROXY TCP4 203.0.113.8 192.0.2.2 5000 443\r\n", true},
			{"192.0.2.1", "", true},
			{"192.0.2.1", "PROXY UNKNOWN\r\n", true},
			{"192.0.2.1", v2Local, true},
			{"192.0.2.1", "PROXY TCP4 192.0.2.3 192.0.2.2 5000 443\r\n", true}, // a proxy behind a proxy
			{"192.0.2.1", "PROXY TCP4 192.0.2.3 192.0.2.2 5000 443\r\n", true},
			{"192.0.2.1", "PROXY TCP4 192.0.2.3 192.0.2.2 5000 443\r\n", true},
		} {
			if got := come(c.addr, c.header); got != c.want {
				t.Errorf("number %d, %s %q, may stay = %v, want %v", i, c.addr, c.header, got, c.want)
			}
		}
		if n := h.Stats().Refused[PerAddr]; n != 2 {
			t.Errorf("%d refused, want 2", n)
		}
		for range len(h.arrivals) {
			_ = (<-h.arrivals).Close()
		}
		h.stop()
		h.settled(t)
	})
}

// FuzzHeader holds that a header is found in the same bytes however they come,
// that it is what go-proxyproto finds when all is there, and that nothing behind
// it is lost.
func FuzzHeader(f *testing.F) {
	for i, in := range []string{
		"", "P", "PROXY", "PROXY0", "PROXY ", "PROXY UNKNOWN\r\n", "PROXY TCP4 203.0.113.7 192.0.2.2 5000 443\r\nGET /", "PRI * HTTP/2.0", "PROPFIND / HTTP/1.1\r\n",
		v2TCP4 + binding, v2TCP6 + allocate, v2TLV + "x", v2Local, v2UDP, v2Unix, headerV2, "\r\n\r\n", "\r\n\r\nGET", binding, "\x16\x03\x01", "PROXY " + strings.Repeat("x", 200) + "\n",
	} {
		f.Add([]byte(in), uint64(i))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		client, rest, err := readHeader(bytes.NewReader(in))
		chopped := &inPieces{r: bytes.NewReader(in), rng: rand.New(rand.NewPCG(seed, 0))}
		client2, rest2, err2 := readHeader(chopped)
		if (err == nil) != (err2 == nil) || (client == nil) != (client2 == nil) || client != nil && client.String() != client2.String() {
			t.Fatalf("%q: %v, %v at once, but %v, %v in pieces", in, client, err, client2, err2)
		}
		header, errWhole := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(in), maxHeader))
		if err != nil {
			if errWhole == nil && !errors.Is(err, errNotTCP) {
				t.Fatalf("%q: %v, but go-proxyproto has nothing against it", in, err)
			}
			return
		}
		more, _ := io.ReadAll(chopped)
		begins := bytes.HasPrefix(in, []byte(headerV1)) || bytes.HasPrefix(in, []byte(headerV2))
		if all := bytes.Equal(append(rest2, more...), in); all == begins || begins && errWhole != nil {
			t.Fatalf("%q: %q and %q are behind the header, and by go-proxyproto: %v", in, rest2, more, errWhole)
		}
		if len(in) <= maxHeader && !bytes.HasSuffix(in, rest) {
			t.Fatalf("%q: %q is not what is behind the header", in, rest)
		}
		if client != nil && header.SourceAddr.String() != client.String() {
			t.Fatalf("%q: from %v, and by go-proxyproto from %v", in, client, header.SourceAddr)
		}
	})
}

// inPieces reads as the network would.
type inPieces struct {
	r   io.Reader
	rng *rand.Rand
}

// Read implements io.Reader.
func (p *inPieces) Read(b []byte) (int, error) { return p.r.Read(b[:1+p.rng.IntN(len(b))]) }
