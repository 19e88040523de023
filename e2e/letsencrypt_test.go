//go:build browser

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/edge/acmetest"
	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// letsEncryptName is where every program finds Let's Encrypt.
const letsEncryptName = "acme-v02.api.letsencrypt.org"

// letsEncrypt is Let's Encrypt in the laboratory.
type letsEncrypt struct {
	roots  string // file of what systems know: whom its own HTTPS hangs on
	issued []byte // PEM: whom its certificates hang on
}

// letsEncrypt lets pebble answer elsewhere in the world, under the name and at the
// URL of Let's Encrypt, and ask the server of the world for its proofs.
func (w *world) letsEncrypt() letsEncrypt {
	w.t.Helper()
	pebble := acmetest.New(w.t, acmetest.Config{
		Name: domain, HTTPPort: w.leadsTo("51.51.51.10:80"), TLSPort: w.leadsTo("51.51.51.10:443"), Life: lifetime,
	})
	at, err := url.Parse(pebble.Directory)
	if err != nil {
		w.t.Fatal(err)
	}
	ca := newAuthority(w.t)
	c := ca.issue(letsEncryptName, 5)
	pair, err := tls.X509KeyPair([]byte(c.chain), []byte(c.key))
	if err != nil {
		w.t.Fatal(err)
	}
	listener, err := w.lab.Elsewhere().Listen(w.t.Context(), "tcp", "51.51.51.12:443")
	if err != nil {
		w.t.Fatal(err)
	}
	front := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			if r.In.URL.Path == "/directory" {
				r.Out.URL.Path = at.Path
			}
			r.Out.URL.Scheme, r.Out.URL.Host = at.Scheme, at.Host
			r.Out.Host = r.In.Host // pebble's URLs are those of who asks
		},
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: rootsIn(w.t, pebble.Root), MinVersion: tls.VersionTLS12}},
	})
	_ = front.Listener.Close()
	front.Listener = listener
	front.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	front.StartTLS()
	w.t.Cleanup(front.Close)
	if err := w.lab.SetName(letsEncryptName, netip.MustParseAddr("51.51.51.12")); err != nil {
		w.t.Fatal(err)
	}
	return letsEncrypt{roots: inFile(w.t, ca.root), issued: pebble.IssuedPEM}
}

func rootsIn(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool
}

// leadsTo opens a port of this computer's loopback that leads into the
// laboratory, from elsewhere in its world.
func (w *world) leadsTo(address string) (port int) {
	w.t.Helper()
	listener, err := new(net.ListenConfig).Listen(w.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { w.joins(conn, address) })
		}
	})
	w.t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return listener.Addr().(*net.TCPAddr).Port
}

// joins carries what both ends of two connections say, as long as both are
// there, and not for long.
func (w *world) joins(conn net.Conn, address string) {
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), patience)
	defer cancel()
	inside, err := w.lab.Elsewhere().Dial(ctx, "tcp", address)
	if err != nil {
		return // who asks is told by the end
	}
	defer func() { _ = inside.Close() }()
	end := time.Now().Add(patience)
	_, _ = conn.SetDeadline(end), inside.SetDeadline(end)
	var back sync.WaitGroup
	back.Go(func() { _, _ = io.Copy(conn, inside); _ = conn.Close() })
	_, _ = io.Copy(inside, conn)
	_ = inside.Close()
	back.Wait()
}

// browses asks the site over HTTPS, from one of the sides, as people do.
func (w *world) browses() *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return w.lab.Client(natlab.SideA).Dial(ctx, network, strings.Replace(address, domain, "51.51.51.10", 1))
		},
		TLSClientConfig:   &tls.Config{RootCAs: rootsIn(w.t, w.trusts), MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true,
	}}
}
