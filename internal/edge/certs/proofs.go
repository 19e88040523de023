package certs

import (
	"crypto/tls"
	"errors"
	"strings"
	"sync"
)

// The ways to prove that a name is ours, as RFC 8555 and RFC 8737 call them.
const (
	HTTP01    = "http-01"     // a file on port 80; RFC 8555 §8.3
	TLSALPN01 = "tls-alpn-01" // a handshake on port 443; RFC 8737
)

// alpnProto is the protocol that only an ACME server offers, alone; RFC 8737 §6.2.
const alpnProto = "acme-tls/1"

// errNotAsked is a tls-alpn-01 handshake that nobody ordered.
var errNotAsked = errors.New("no certificate is being ordered for that name")

// proofs are the answers that an ACME server will ask for: at most one of each
// kind, as there is one order at a time.
type proofs struct {
	mu    sync.Mutex // guards the fields below
	path  string     // of HTTP01; empty: none is expected
	reply string
	host  string // of TLSALPN01; empty: none is expected
	cert  *tls.Certificate
}

// http is what to say on port 80 to whom asks for which path; none if empty.
func (p *proofs) http() (path, reply string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.path, p.reply
}

// certificate is what to show in an acme-tls/1 handshake.
func (p *proofs) certificate(host string) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cert == nil || !strings.EqualFold(host, p.host) {
		return nil, errNotAsked
	}
	return p.cert, nil
}

// expectHTTP lets http say a reply until forget is called.
func (p *proofs) expectHTTP(path, reply string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.path, p.reply = path, reply
}

// expectTLS lets certificate show one until forget is called.
func (p *proofs) expectTLS(host string, cert *tls.Certificate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.host, p.cert = host, cert
}

// forget ends what was expected.
func (p *proofs) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.path, p.reply, p.host, p.cert = "", "", "", nil
}
