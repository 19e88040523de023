package turnsvc

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"sync/atomic"
	"testing"
)

// TestCertificateIsSwapped holds that the next handshake has the certificate that
// is there now, and that who relays over TLS and DTLS goes on.
func TestCertificateIsSwapped(t *testing.T) {
	t.Parallel()
	old, fresh := certificate(t), certificate(t)
	var now atomic.Pointer[tls.Certificate]
	now.Store(&old)
	s := serve(t, func(c *Config) {
		c.UDPAddrs, c.TCPAddr, c.TLSAddr, c.Domain = nil, "", "127.0.0.1:0", domain
		c.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return now.Load(), nil }}
	})
	ways := map[string]func(*x509.CertPool) (net.Conn, error){
		"tls": func(roots *x509.CertPool) (net.Conn, error) {
			d := &tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: domain}}
			return d.DialContext(t.Context(), "tcp", s.tls.Addr().String())
		},
		"dtls": func(roots *x509.CertPool) (net.Conn, error) { return s.dialDTLS(t, "127.0.0.1", roots) },
	}
	for transport, dial := range ways {
		now.Store(&old)
		conn, err := dial(trusted(t, old))
		if err != nil {
			t.Fatalf("%s: %v", transport, err)
		}
		ann := s.over(t, conn, transport, "ann "+transport)
		relayed := ann.mustAllocate()
		peerConn, peer := newPeer(t)
		if !ann.permit(peer) {
			t.Fatal("CreatePermission was refused")
		}
		exchange(t, ann, peerConn, peer, relayed, []byte("before"))
		now.Store(&fresh)
		conn, err = dial(trusted(t, fresh))
		if err != nil {
			t.Fatalf("%s: a handshake after the swap: %v, want the new certificate", transport, err)
		}
		s.over(t, conn, transport, "bob "+transport).mustAllocate()
		exchange(t, ann, peerConn, peer, relayed, []byte("after"))
	}
}
