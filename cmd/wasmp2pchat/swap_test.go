package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/stun/v3"
)

// pair is a certificate for localhost that signs itself, and its key.
type pair struct {
	serial    string
	cert, key []byte // PEM
}

func newPair(t *testing.T, serial int64) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(ninetyDays),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		serial: strconv.FormatInt(serial, 10),
		cert:   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}
}

// write makes the two files in a folder.
func (p pair) write(t *testing.T, dir string) {
	t.Helper()
	err := os.MkdirAll(dir, 0o700)
	for name, text := range map[string][]byte{"cert.pem": p.cert, "key.pem": p.key} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func trust(pairs ...pair) *x509.CertPool {
	roots := x509.NewCertPool()
	for _, p := range pairs {
		roots.AppendCertsFromPEM(p.cert)
	}
	return roots
}

// fileSettings are those of a server with certificate files.
func fileSettings(dir string, port int, more ...string) []string {
	return append([]string{
		"DOMAIN=localhost", "ADDR=127.0.0.1:" + strconv.Itoa(port), "REDIRECT_ADDR=off", "SIGNAL_OPEN_ROOMS=true",
		"TLS_CERT_FILE=" + filepath.Join(dir, "cert.pem"), "TLS_KEY_FILE=" + filepath.Join(dir, "key.pem"),
	}, more...)
}

// must fails the test if there are errors.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestFilesAreReplacedUnderLoad replaces the certificate files while people load
// the page, sit in rooms, and relay over every listener that speaks TLS.
func TestFilesAreReplacedUnderLoad(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string, p pair)
		replace func(t *testing.T, dir string, p pair, s *server)
	}{
		"by renaming, and nobody says so": {
			prepare: func(t *testing.T, dir string, p pair) { p.write(t, dir) },
			replace: func(t *testing.T, dir string, p pair, _ *server) {
				p.write(t, filepath.Join(dir, "new"))
				for _, file := range []string{"cert.pem", "key.pem"} {
					must(t, os.Rename(filepath.Join(dir, "new", file), filepath.Join(dir, file)))
				}
			},
		},
		"by a symbolic link to their folder, and SIGHUP": {
			prepare: func(t *testing.T, dir string, p pair) {
				p.write(t, filepath.Join(dir, "1"))
				must(t, os.Symlink("1", filepath.Join(dir, "data")),
					os.Symlink("data/cert.pem", filepath.Join(dir, "cert.pem")), os.Symlink("data/key.pem", filepath.Join(dir, "key.pem")))
			},
			replace: func(t *testing.T, dir string, p pair, s *server) {
				p.write(t, filepath.Join(dir, "2"))
				must(t, os.Symlink("2", filepath.Join(dir, "next")), os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "data")))
				s.hangup <- syscall.SIGHUP
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, old, fresh := t.TempDir(), newPair(t, 1001), newPair(t, 1002)
			c.prepare(t, dir, old)
			port, second := freePort(t), freePort(t)
			s := startServer(t, fileSettings(dir, port, "TURN_TLS_ADDR=127.0.0.1:"+strconv.Itoa(second), "TURN_SECRETS="+turnSecret)...)
			v := visitor{t, port, trust(old, fresh)}
			seat := v.register("room")
			load := startLoad(v, second)
			load.both(t, old.serial)

			c.replace(t, dir, fresh, s)
			s.log.await(t, 2, `"msg":"certificate in use"`)
			load.both(t, fresh.serial)
			for way, got := range map[string]string{
				"ADDR": v.serial(), "TURN_TLS_ADDR": visitor{t, second, v.roots}.serial(), "TURN_TLS_ADDR over UDP": serialOverDTLS(t, second, v.roots),
			} {
				if got != fresh.serial {
					t.Errorf("the next handshake with %s has certificate %s, want %s", way, got, fresh.serial)
				}
			}
			seat.kept(t)
			load.stop(t)
			s.log.calm(t, onLoopback, unknownCA, unknownCA)
			if err := s.stop(); err != nil {
				t.Errorf("the server ended with %v", err)
			}
		})
	}
}

// serialOverDTLS is that of the certificate that a DTLS handshake shows now.
func serialOverDTLS(t *testing.T, port int, roots *x509.CertPool) string {
	t.Helper()
	state, ok := dialTURN(t, "dtls", port, roots).conn.(*dtls.Conn).ConnectionState()
	if !ok || len(state.PeerCertificates) == 0 {
		t.Fatal("a DTLS handshake shows no certificate")
	}
	leaf, err := x509.ParseCertificate(state.PeerCertificates[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf.SerialNumber.String()
}

// load is what goes on while files are replaced.
type load struct {
	end     chan struct{}
	running sync.WaitGroup
	workers []*worker
	relays  []*turnClient
}

// worker does one thing again and again, and stops at the first error.
type worker struct {
	name string
	what func() (serial string, err error) // the certificate of a new handshake; empty: there was none
	done atomic.Int64
	seen atomic.Pointer[string] // the newest certificate
	err  error                  // settled when load has ended
}

// startLoad visits the page of v with both protocols, each time anew, and relays
// over the TLS of the public port and over the TLS and DTLS of another one.
func startLoad(v visitor, second int) *load {
	v.t.Helper()
	l := &load{end: make(chan struct{})}
	for name, client := range map[string]*http.Client{"HTTP/2.0": v.client(true), "HTTP/1.1": v.client(false)} {
		l.add(name, func() (string, error) {
			protocol, serial, err := v.page(client, "/version")
			if err == nil && protocol != name {
				err = fmt.Errorf("the answer came by %s", protocol)
			}
			return serial, err
		})
	}
	peer := answerOnUDP(v.t, func(p []byte) []byte { return p })
	for name, c := range map[string]struct {
		transport string
		port      int
	}{"relay at ADDR": {"tls", v.port}, "relay at TURN_TLS_ADDR": {"tls", second}, "relay over DTLS": {"dtls", second}} {
		client := dialTURN(v.t, c.transport, c.port, v.roots)
		l.relays = append(l.relays, client)
		l.add(name, relaying(v.t, client, peer))
	}
	v.t.Cleanup(l.halt)
	return l
}

// relaying makes an allocation that is used and kept.
func relaying(t *testing.T, c *turnClient, peer netip.AddrPort) func() (string, error) {
	t.Helper()
	if err := c.allocate(peer); err != nil {
		t.Fatal(err)
	}
	times := 0
	return func() (string, error) {
		times++
		return "", c.echo(peer, "text "+strconv.Itoa(times))
	}
}

// loadPause keeps the load from taking a processor for itself.
const loadPause = 20 * time.Millisecond

func (l *load) add(name string, what func() (string, error)) {
	w := &worker{name: name, what: what}
	l.workers = append(l.workers, w)
	l.running.Go(func() {
		tick := time.NewTicker(loadPause)
		defer tick.Stop()
		for {
			select {
			case <-l.end:
				return
			case <-tick.C:
			}
			serial, err := w.what()
			if err != nil {
				w.err = err
				return
			}
			w.seen.Store(&serial)
			w.done.Add(1)
		}
	})
}

// both waits until each worker has done its thing twice more, so once from the
// beginning to the end, and wants the certificate in it.
func (l *load) both(t *testing.T, serial string) {
	t.Helper()
	late := time.After(patience)
	tick := time.NewTicker(loadPause)
	defer tick.Stop()
	for _, w := range l.workers {
		for enough := w.done.Load() + 2; w.done.Load() < enough; {
			select {
			case <-tick.C:
			case <-late:
				l.stop(t)
				t.Fatalf("%s has stopped", w.name)
			}
		}
		if got := *w.seen.Load(); got != "" && got != serial {
			t.Errorf("%s is shown certificate %s, want %s", w.name, got, serial)
		}
	}
}

// stop ends the load and fails the test if anything went wrong.
func (l *load) stop(t *testing.T) {
	t.Helper()
	l.halt()
	for _, w := range l.workers {
		t.Logf("%s: %d times", w.name, w.done.Load())
		if w.err != nil {
			t.Errorf("%s: %v", w.name, w.err)
		}
	}
	for _, client := range l.relays {
		if err := client.do(stun.MethodRefresh, stun.RawAttribute{Type: stun.AttrLifetime, Value: make([]byte, 4)}); err != nil {
			t.Errorf("give an allocation back: %v", err) // the server would wait for it
		}
	}
}

func (l *load) halt() {
	select {
	case <-l.end:
	default:
		close(l.end)
	}
	l.running.Wait()
}
